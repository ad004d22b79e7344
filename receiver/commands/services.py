"""services, services:add, services:remove, services:info."""

from __future__ import annotations

import time
from typing import Any

from deploy.bindings import read_bindings
from deploy.provisioning import (
    attach_service,
    destroy_service,
    inspect_service,
    is_in_use,
    require_binding,
    set_leaving,
    take_back,
)
from deploy.release import read_live_release
from deploy.services.registry import SERVICES, require_service
from hooks.changes import Wishes, release_service_change
from receiver.session import Session
from toppcloud.app_layout import AppLayout
from toppcloud.durations import render_size
from toppcloud.errors import ToppcloudError
from toppcloud.names import parse_config_key
from toppcloud.slug import read_slug


def list_services(session: Session, *, app: str, as_json: bool) -> None:
    layout = session.app(app)
    rows = [_describe(session, layout, name) for name in read_bindings(layout)]
    if as_json:
        session.print_json(rows)
    elif not rows:
        session.write(f"{app} has no services. Add one: toppcloud services:add {next(iter(SERVICES))}")
    else:
        session.print_table(
            (row["name"], row["version"] or "", _size(row["size_bytes"]), row["status"], f"{row['variables'][0]} …")
            for row in rows
        )


def info(session: Session, *, app: str, name: str, show: bool, as_json: bool) -> None:
    layout = session.app(app)
    service, binding = require_binding(layout, name)
    variables = SERVICES[service].render_variables(session.node, binding)
    status = inspect_service(session.node, layout, service)
    facts = {
        "name": service,
        "version": status.version,
        "size_bytes": status.size_bytes,
        "connections": status.connections,
        **SERVICES[service].describe(session.node, binding),
    }
    if as_json:
        session.print_json({**facts, "variables": variables if show else sorted(variables)})
        return
    facts["size"] = _size(facts.pop("size_bytes"))
    session.print_table((key, value) for key, value in facts.items())
    session.write("")
    for key, value in variables.items():
        session.write(f"{key}={value}" if show else key)


def add(
    session: Session, *, app: str, name: str, scheme: str | None, as_name: str | None, no_check: bool, leave_files: bool
) -> None:
    """Bind a service, or change how it is bound. A refused release takes that back."""
    began = time.monotonic()
    layout = session.app(app)
    options = {} if scheme is None else {"scheme": scheme}
    prefix = "" if as_name is None else parse_config_key(as_name.removesuffix("_URL"))
    before, binding = attach_service(session.node, layout, name, options, prefix, session.console)
    service = require_service(name).name
    if before == binding and is_in_use(session.node, layout, service, binding):
        session.write(f"{app} has {service} already. Its variables: toppcloud services:info {service}")
        return
    what = f"{service} added" if before is None else f"{service} bound anew"
    wishes = Wishes(session.person, not no_check, leave_files)
    try:
        outcome = release_service_change(session.node, layout, what, wishes, session.console)
    except BaseException:
        take_back(session.node, layout, service, before)
        raise
    variables = ", ".join(SERVICES[service].render_variables(session.node, binding))
    live = f"v{outcome.release.version} live in {time.monotonic() - began:.1f} s: " if outcome else ""
    session.write(f"{live}{what}. Variables: {variables}")
    if outcome is None:
        session.write("The first release will have them.")


def remove(
    session: Session,
    *,
    app: str,
    name: str,
    confirm: str | None,
    discard_data: bool,
    no_check: bool,
    leave_files: bool,
) -> None:
    """First a release without the service, then a dump, then its end. A refused release leaves everything as it is."""
    layout = session.app(app)
    service, _ = require_binding(layout, name)
    if confirm != app:
        raise ToppcloudError(
            f"This removes {service} of {app} and all data in it.",
            "A dump is kept on the node." if not discard_data else "No dump is kept.",
            f"If it is meant: toppcloud services:remove {service} -a {app} --confirm {app}",
        )
    wishes = Wishes(session.person, not no_check, leave_files)
    set_leaving(layout, service, leaving=True)
    try:
        outcome = release_service_change(session.node, layout, f"{service} removed", wishes, session.console)
    except BaseException:
        set_leaving(layout, service, leaving=False)
        raise
    dump = destroy_service(session.node, layout, service, keep=not discard_data)
    live = f"v{outcome.release.version} live: " if outcome else ""
    session.write(f"{live}{service} removed. " + (f"Its data: {dump}" if dump else "No data is kept."))
    if _declares(layout, service):
        session.warn(f"The app's files declare {service}: the next push gives it a new, empty one.")


def _describe(session: Session, layout: AppLayout, name: str) -> dict[str, Any]:
    """A row of the list; a server that does not answer is a status and no refusal."""
    binding = read_bindings(layout)[name]
    variables = list(SERVICES[name].render_variables(session.node, binding))
    try:
        status = inspect_service(session.node, layout, name)
    except ToppcloudError as error:
        return {"name": name, "status": error.reason, "version": None, "size_bytes": None, "variables": variables}
    used = is_in_use(session.node, layout, name, binding)
    state = "attached" if used else "waits for the next release"
    return {
        "name": name,
        "status": state,
        "version": status.version,
        "size_bytes": status.size_bytes,
        "variables": variables,
    }


def _declares(layout: AppLayout, service: str) -> bool:
    release = read_live_release(layout)
    slug = read_slug(layout.slug(release.slug)) if release else None
    return slug is not None and any(require_service(item.name).name == service for item in slug.services)


def _size(size_bytes: object) -> str:
    return render_size(size_bytes) if isinstance(size_bytes, int) else ""
