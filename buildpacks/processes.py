"""Which processes an app has: its Procfile, else [web] of toppcloud.toml, else what is found; and its declarations."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from buildpacks.app_json import AppJson, parse_app_json
from buildpacks.procfile import parse_procfile
from buildpacks.source_text import read_source_text
from buildpacks.toppcloud_toml import ToppcloudToml, WebProcess, parse_toppcloud_toml
from buildpacks.web_default import ASGI_SERVER, WSGI_SERVER, WebDefault, render_command
from toppcloud.errors import ToppcloudError
from toppcloud.slug import Check, ServiceDeclaration

RELEASE = "release"
_MISSPELT = frozenset({"procfile", "procfile.txt", "profile", "procfile.md", "proc", "procfile.web", "procfile.yml"})


@dataclass(frozen=True)
class Declarations:
    """What the app's files say of processes, services, checks and kept files. None: there is no Procfile."""

    procfile: Mapping[str, str] | None
    toml: ToppcloudToml
    app_json: AppJson

    def services(self) -> tuple[ServiceDeclaration, ...]:
        """Each service once; toppcloud.toml's words win, since only they have options."""
        named = {service.name: service for service in (*self.app_json.services, *self.toml.services)}
        return tuple(named.values())

    def check(self) -> Check:
        """How a release shows that it answers; toppcloud.toml's words win."""
        check, other = self.toml.check, self.app_json
        return dataclasses.replace(
            check,
            path=check.path if self.toml.has_check_path else other.check_path or check.path,
            timeout_s=other.check_timeout_s if check.timeout_s is None else check.timeout_s,
        )


@dataclass(frozen=True)
class Processes:
    """`commands` without the release process, in the Procfile's order; `why` is a line for the pusher."""

    commands: dict[str, str]
    release_command: str | None
    why: str


def read_declarations(source: Path) -> Declarations:
    """Procfile, toppcloud.toml and app.json. Raises ToppcloudError quoting file and line."""
    procfile, toml, app_json = (read_source_text(source, name) for name in ("Procfile", "toppcloud.toml", "app.json"))
    return Declarations(
        None if procfile is None else parse_procfile(procfile),
        ToppcloudToml() if toml is None else parse_toppcloud_toml(toml),
        AppJson() if app_json is None else parse_app_json(app_json),
    )


def needs_default(declarations: Declarations) -> bool:
    """Whether nothing is said of what runs, so that the files themselves must tell."""
    return not declarations.toml.web and all(name == RELEASE for name in declarations.procfile or ())


def choose_processes(
    source: Path, declarations: Declarations, default: WebDefault | None = None, *, is_required: bool = True
) -> Processes:
    """`default` is the web process that the files themselves lead to.

    Without any there are no processes. Raises ToppcloudError when something must be run (`is_required`), and for a
    Procfile that is misspelt.
    """
    commands = dict(declarations.procfile or {})
    release_command = commands.pop(RELEASE, None)
    if "web" in commands:
        return Processes(commands, release_command, f"Procfile: {', '.join(declarations.procfile or ())}")
    if declarations.toml.web:
        web = render_web(declarations.toml.web, declarations.toml.options.runner)
        why = f"toppcloud.toml: web is {web}"
    elif commands:
        return Processes(commands, release_command, f"Procfile: {', '.join(commands)}, and no web process")
    else:
        if default is None and declarations.toml.options.static:
            return Processes({}, release_command, "toppcloud.toml: static files, and no web process")
        if default is None:
            misspelt = _find_misspelt(source)
            if is_required or misspelt:
                raise _refusal(misspelt)
            return Processes({}, release_command, "nothing says what to run: no Procfile, and no known app")
        web = default.command
        missing = "no Procfile" if declarations.procfile is None else "Procfile has no web process"
        why = f"{missing}, but {default.why}: web is {web}"
    return Processes({"web": web, **commands}, release_command, why)


def render_web(web: WebProcess, runner: str = "") -> str:
    """The command for `[web]`: what it says, or the server for the callable that it names. `mod_wsgi blog.wsgi` is no
    program: the node makes an Apache of it."""
    if web.kind == "command":
        return web.value
    usual = ASGI_SERVER if web.kind == "asgi" else WSGI_SERVER
    return render_command(usual if runner in ("", WSGI_SERVER) else runner, web.value)


def _find_misspelt(source: Path) -> str | None:
    """What may have been meant as the Procfile."""
    near = (path.name for path in source.iterdir() if path.name.lower() in _MISSPELT and path.is_file())
    return min(near, default=None)


def _refusal(misspelt: str | None) -> ToppcloudError:
    looked = "Looked for Procfile, [web] in toppcloud.toml, and an app of Django, Flask or FastAPI."
    return ToppcloudError(
        "Nothing says how to start the web process.",
        f"{misspelt} is there: its name must be Procfile." if misspelt else looked,
        f"git mv {misspelt} Procfile" if misspelt else "Add a file Procfile with one line: web: gunicorn MODULE:app",
        reason="missing Procfile",
    )
