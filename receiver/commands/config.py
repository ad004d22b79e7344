"""config, config:get, config:set, config:unset, config:import, config:link."""

from __future__ import annotations

import time
from collections.abc import Mapping

from deploy.app_settings import read_app_settings
from deploy.bindings import service_variables
from deploy.configuration import read_config, read_live_config, read_staged, require_set, stage
from deploy.cutover import Outcome
from hooks.changes import Wishes, change_config, describe_config, link_config, unlink_config
from receiver.session import Session
from toppcloud.app_layout import AppLayout
from toppcloud.dotenv import parse_assignments, parse_dotenv
from toppcloud.errors import ToppcloudError
from toppcloud.names import parse_config_key

_LARGEST_IMPORT_BYTES = 1024 * 1024


def show(session: Session, *, app: str, show: bool, as_json: bool) -> None:
    """List config vars; values only when asked for."""
    layout = session.app(app)
    config = read_config(layout)
    if as_json:
        values = {**_read_linked(session, layout), **config}
        session.print_json({key: str(value) for key, value in sorted(values.items())})
        return
    links = {key: target for key, target in read_app_settings(layout).links.items() if key not in config}
    staged = read_staged(layout)
    if not config and not links:
        session.write(f"{app} has no config vars. Set one: toppcloud config:set KEY=value")
        return
    rows = [
        (key, str(config[key]) if show else "********", "(staged)" if key in staged else "") for key in sorted(config)
    ]
    rows += [(key, f"-> {links[key]}", "") for key in sorted(links)]
    if show:  # whole values, however long
        for key, value, note in rows:
            session.write(f"{key}={value} {note}".rstrip() if not value.startswith("-> ") else f"{key} {value}")
    else:
        session.print_table(rows)
    for key in sorted(key for key, value in staged.items() if value is None):
        session.write(f"{key} is unset from the next release on")


def get(session: Session, *, app: str, key: str) -> None:
    """The value and nothing else; nothing and exit 1 when it is not set."""
    layout = session.app(app)
    value = {**_read_linked(session, layout), **read_config(layout)}.get(key)
    if value is None:
        session.exit(1)
    session.write(f"{value}\n")


def set_vars(
    session: Session, *, app: str, assignments: tuple[str, ...], stage: bool, no_check: bool, leave_files: bool
) -> None:
    _apply(session, app, parse_assignments(assignments), stage, no_check, leave_files)


def import_vars(session: Session, *, app: str, stage: bool, no_check: bool, leave_files: bool) -> None:
    """Set what a dotenv text on stdin holds."""
    data = session.stdin.read(_LARGEST_IMPORT_BYTES + 1)
    if len(data) > _LARGEST_IMPORT_BYTES:
        raise ToppcloudError(
            "The file is larger than 1 MB.", "Nothing was set.", "Keep such data in a file of the app."
        )
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise ToppcloudError(
            "The file is not UTF-8 text.", f"{error}. Nothing was set.", "Save it as UTF-8."
        ) from error
    changes = parse_dotenv(text)
    if not changes:
        raise ToppcloudError(
            "Nothing to set: no KEY=value came on stdin.", "", "Example: toppcloud config:import < production.env"
        )
    _apply(session, app, changes, stage, no_check, leave_files)


def unset_vars(
    session: Session, *, app: str, keys: tuple[str, ...], stage: bool, no_check: bool, leave_files: bool
) -> None:
    """Remove vars, or the links that stand in their place."""
    layout = session.app(app)
    links = read_app_settings(layout).links
    config = read_config(layout)
    linked = tuple(key for key in keys if key in links and key not in config)
    plain = tuple(parse_config_key(key) for key in keys if key not in linked)
    require_set(layout, config, plain)
    if linked:
        began = time.monotonic()
        wishes = _wishes(session, no_check, leave_files)
        outcome = unlink_config(session.node, layout, linked, wishes, session.console)
        _tell(session, layout, outcome, f"{', '.join(linked)} unlinked", began)
    if plain:
        _apply(session, app, dict.fromkeys(plain), stage, no_check, leave_files)


def link(session: Session, *, app: str, links: tuple[str, ...], no_check: bool, leave_files: bool) -> None:
    """`DB_HOST=PG_DBHOST`: DB_HOST has whatever PG_DBHOST has."""
    began = time.monotonic()
    layout = session.app(app)
    wanted = parse_assignments(links)
    outcome = link_config(session.node, layout, wanted, _wishes(session, no_check, leave_files), session.console)
    _tell(session, layout, outcome, ", ".join(f"{name} following {target}" for name, target in wanted.items()), began)


def _read_linked(session: Session, layout: AppLayout) -> dict[str, str]:
    """The vars that follow a service's, with what they have now."""
    variables = service_variables(session.node, layout)
    links = read_app_settings(layout).links
    return {key: str(variables[target]) for key, target in links.items() if target in variables}


def _apply(
    session: Session, app: str, changes: Mapping[str, str | None], staged: bool, no_check: bool, leave_files: bool
) -> None:
    began = time.monotonic()
    layout = session.app(app)
    names = ", ".join(sorted(changes))
    if staged:
        stage(layout, changes)
        session.write(f"{names}: waiting for the next release")
        return
    outcome = change_config(session.node, layout, changes, _wishes(session, no_check, leave_files), session.console)
    if outcome is None:
        session.write(f"{names}: waiting for the first release")
    elif not outcome.is_new:
        session.write(f"{names}: nothing to change, v{outcome.release.version} has it so already")
    else:
        _tell(session, layout, outcome, _count(layout, changes), began)


def _count(layout: AppLayout, changes: Mapping[str, str | None]) -> str:
    return f"{describe_config(changes)} ({len(read_live_config(layout))} in all)"


def _tell(session: Session, layout: AppLayout, outcome: Outcome | None, what: str, began: float) -> None:
    if outcome is None:
        session.write(f"{what or 'done'}: waiting for the first release")
        return
    seconds = time.monotonic() - began
    session.write(f"v{outcome.release.version} live in {seconds:.1f} s" + (f" with {what}" if what else ""))


def _wishes(session: Session, no_check: bool, leave_files: bool) -> Wishes:
    return Wishes(by=session.person, checks=not no_check, leaves_files=leave_files)
