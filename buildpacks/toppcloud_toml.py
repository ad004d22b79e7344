"""toppcloud.toml: what an app says of itself where a Procfile has no words. Reference: docs/python.md.

[web]
wsgi = "blog.wsgi:application"      # or asgi = "…", or command = "…"; options: buildpacks/web_options.py
[services]
postgres = true                     # or {scheme = "postgres"}
files = {keep = ["media"]}
[checks]
path = "/healthz"
timeout = "90s"
auto_rollback = "5m"
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

from buildpacks.web_options import OPTIONS, parse_web_options
from toppcloud.durations import parse_duration
from toppcloud.errors import ToppcloudError, suggest_nearest
from toppcloud.slug import Check, ServiceDeclaration, Web

FILE = "toppcloud.toml"
_PROCESS_KEYS = ("wsgi", "asgi", "command")
_CALLABLE = re.compile(r"[A-Za-z_][\w.]*(?::[A-Za-z_][\w.]*(?:\([\w\s=,.'\"-]*\))?)?\Z")


@dataclass(frozen=True)
class WebProcess:
    """`[web]`: one of a WSGI callable, an ASGI callable and a command. `kind` says which."""

    kind: str
    value: str


@dataclass(frozen=True)
class ToppcloudToml:
    """The file's content, checked. What it is silent about is None or the default."""

    web: WebProcess | None = None
    """None as well when `[web]` holds nothing but options."""
    options: Web = field(default_factory=Web)
    services: tuple[ServiceDeclaration, ...] = ()
    kept_paths: tuple[str, ...] = ()
    check: Check = field(default_factory=Check)
    has_check_path: bool = False
    """Whether `[checks] path` is there, the default one included."""


def parse_toppcloud_toml(text: str) -> ToppcloudToml:
    """The file as a value. Raises ToppcloudError quoting the key, with the nearest one for a mistyped one."""
    try:
        value = tomllib.loads(text.removeprefix("\N{ZERO WIDTH NO-BREAK SPACE}"))
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise _refusal("cannot be read", str(error), "Correct that line.") from error
    _check_keys(value, ("web", "services", "checks"), "")
    web, services, checks = (_table(value.get(key, {}), f"[{key}]") for key in ("web", "services", "checks"))
    files = services.pop("files", None)
    process = _parse_web(web) if "web" in value else None
    kind, target = (process.kind, process.value) if process else (None, "")
    return ToppcloudToml(
        web=process,
        options=parse_web_options(web, kind, target),
        services=tuple(service for name in services if (service := _parse_service(name, services[name]))),
        kept_paths=() if files is None else _parse_files(files),
        check=_parse_checks(checks),
        has_check_path="path" in checks,
    )


def _parse_web(table: Mapping[str, Any]) -> WebProcess | None:
    _check_keys(table, (*_PROCESS_KEYS, *OPTIONS), "[web] ")
    processes = [key for key in table if key in _PROCESS_KEYS]
    if len(processes) > 1 or not table:
        found = " and ".join(processes) or "nothing"
        raise _refusal("must say one thing of [web]", f"It says {found}.", 'Write one: wsgi = "pkg.module:app"')
    if not processes:
        return None
    kind = processes[0]
    value = table[kind]
    if not isinstance(value, str) or not value.strip() or "\n" in value or "\0" in value:
        raise _refusal(f"has no usable [web] {kind}", f"It is {value!r}.", "Write one line of text.")
    value = value.strip()
    if kind != "command" and not _CALLABLE.match(value):
        raise _refusal(
            f"has no usable [web] {kind}", f"{value!r} names no callable.", f'Write {kind} = "package.module:app"'
        )
    return WebProcess(kind, value)


def _parse_service(name: str, value: Any) -> ServiceDeclaration | None:
    """`true`, `false` (not wanted) or a table of texts. Whether there is such a service, the services know."""
    if value is False:
        return None
    options = {} if value is True else value
    if not isinstance(options, dict) or not all(isinstance(option, str) for option in options.values()):
        raise _refusal(
            f"does not say what it wants of {name}", f"[services] {name} is {value!r}.", f"Write: {name} = true"
        )
    return ServiceDeclaration(name, dict(options))


def _parse_files(value: Any) -> tuple[str, ...]:
    table = _table(value, "[services.files]")
    _check_keys(table, ("keep",), "[services.files] ")
    paths = table.get("keep", [])
    if not isinstance(paths, list):
        raise _refusal("has no usable keep", f"It is {paths!r}.", 'Write: keep = ["media", "db.sqlite3"]')
    return tuple(dict.fromkeys(_parse_kept_path(path) for path in paths))


def _parse_kept_path(path: Any) -> str:
    """`media/` -> `media`. Inside the project, and not the project itself."""
    pure = PurePosixPath(path) if isinstance(path, str) and path.isprintable() else PurePosixPath("/")
    if pure.is_absolute() or ".." in pure.parts or not pure.parts:
        raise _refusal(
            f"cannot keep {path!r}",
            "A kept path is a file or folder inside the project.",
            'Write: keep = ["media", "db.sqlite3"]',
        )
    return str(pure)


def _parse_checks(table: Mapping[str, Any]) -> Check:
    _check_keys(table, ("path", "timeout", "auto_rollback", "auto_rollback_after"), "[checks] ")
    path = table.get("path", "/")
    if not isinstance(path, str) or not path.startswith("/") or not path.isascii() or not path.isprintable():
        raise _refusal("has no usable [checks] path", f"It is {path!r}.", 'Write: path = "/healthz"')
    if " " in path:
        raise _refusal("has no usable [checks] path", f"{path!r} holds a space.", "Write it as %20.")
    after = table.get("auto_rollback_after", Check.auto_rollback_after)
    if not isinstance(after, int) or isinstance(after, bool) or after < 1:
        raise _refusal(
            "has no usable [checks] auto_rollback_after",
            f"It is {after!r}: so many errors go back to the release before.",
            "Write: auto_rollback_after = 10",
        )
    if "auto_rollback_after" in table and "auto_rollback" not in table:
        raise _refusal(
            "has [checks] auto_rollback_after without auto_rollback",
            "It does not say for how long errors are counted.",
            'Write: auto_rollback = "5m"',
        )
    return Check(
        path,
        timeout_s=_parse_span(table, "timeout", 'timeout = "90s"'),
        auto_rollback_s=_parse_span(table, "auto_rollback", 'auto_rollback = "5m"'),
        auto_rollback_after=after,
    )


def _parse_span(table: Mapping[str, Any], key: str, example: str) -> float | None:
    """Seconds, more than none; None when the key is absent."""
    value = table.get(key)
    if value is None:
        return None
    if not isinstance(value, str | int | float) or isinstance(value, bool):
        raise _refusal(f"has no usable [checks] {key}", f"It is {value!r}.", f"Write: {example}")
    seconds = parse_duration(value)
    if seconds <= 0:
        raise _refusal(f"has no usable [checks] {key}", "Nothing happens in no time.", f"Write: {example}")
    return seconds


def _table(value: Any, name: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _refusal(f"has no table {name}", f"It is {value!r}.", "See docs/python.md for an example.")
    return dict(value)


def _check_keys(table: Mapping[str, Any], known: Iterable[str], where: str) -> None:
    for key in table:
        if key not in known:
            raise _refusal(
                f"has an unknown key: {where}{key}.{suggest_nearest(key, known)}",
                f"Known here: {', '.join(known)}.",
                "Correct or remove it, commit, push again.",
            )


def _refusal(what: str, why: str, cure: str) -> ToppcloudError:
    return ToppcloudError(f"{FILE} {what}", why, cure, reason=f"invalid {FILE}")
