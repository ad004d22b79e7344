"""What `[web]` of toppcloud.toml says besides the process: its runner, when it sleeps, its files and its 503 page.

runner = "mod_wsgi"   idle = "15m"   sleeps_with = ["worker"]   static = "public"   unavailable = "errors/503.html"
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from toppcloud.errors import ToppcloudError, suggest_nearest
from toppcloud.idle import parse_idle
from toppcloud.slug import Web

FILE = "toppcloud.toml"
OPTIONS = ("runner", "idle", "sleeps_with", "static", "unavailable")
_RUNNERS = {
    "gunicorn": ("wsgi", "asgi"),
    "mod_wsgi": ("wsgi",),
    "uvicorn": ("asgi",),
    "hypercorn": ("asgi",),
}


def parse_web_options(table: Mapping[str, Any], kind: str | None, value: str) -> Web:
    """The options of a checked `[web]` table whose process is `kind` (wsgi, asgi, command or None) with `value`."""
    return Web(
        runner=_parse_runner(table["runner"], kind) if "runner" in table else "",
        target=value if kind in ("wsgi", "asgi") else "",
        static=_parse_path(table, "static", 'static = "public"'),
        idle=_parse_idle(table["idle"]) if "idle" in table else None,
        sleeps_with=_parse_sleeps_with(table.get("sleeps_with", [])),
        unavailable_page=_parse_path(table, "unavailable", 'unavailable = "errors/503.html"'),
    )


def check_web_options(source: Path, web: Web, process_types: Iterable[str]) -> None:
    """Raises ToppcloudError when `web` names a file, folder or process type that a finished build does not have."""
    types = [name for name in process_types if name != "web"]
    for name in web.sleeps_with:
        if name not in types:
            raise _refusal(
                f"names no process type in [web] sleeps_with: {name}.{suggest_nearest(name, types)}",
                f"Besides web there is {', '.join(types) or 'none'}.",
                "Correct or remove it, commit, push again.",
            )
    if web.unavailable_page and not _is_inside(source, web.unavailable_page, Path.is_file):
        raise _missing("unavailable", web.unavailable_page, "file")
    if web.static and not _is_inside(source, web.static, Path.is_dir):
        raise _missing("static", web.static, "folder")


def _is_inside(source: Path, path: str, is_kind: Any) -> bool:
    """Whether `path` is there, and is not a link that leads out of the project."""
    found = (source / path).resolve()
    return bool(is_kind(found)) and found.is_relative_to(source.resolve())


def _parse_runner(runner: Any, kind: str | None) -> str:
    if not isinstance(runner, str) or runner not in _RUNNERS:
        near = suggest_nearest(str(runner), _RUNNERS)
        raise _refusal(
            f"has an unknown [web] runner: {runner!r}.{near}",
            f"Known: {', '.join(_RUNNERS)}.",
            'Correct it, or start it with command = "...".',
        )
    if kind not in _RUNNERS[runner]:
        fitting = " or ".join(_RUNNERS[runner])
        found = f"[web] says {kind}" if kind else "[web] names no callable"
        raise _refusal(
            f"has a [web] runner without its callable: {runner}",
            f"{runner} runs {fitting}, and {found}.",
            f'Write {_RUNNERS[runner][-1]} = "package.module:app" beside it.',
        )
    return runner


def _parse_idle(idle: Any) -> str:
    usable = isinstance(idle, str | int | float) and not isinstance(idle, bool)
    try:
        parse_idle(idle if usable else repr(idle))
    except ToppcloudError as error:
        raise _refusal("has no usable [web] idle", f"{error.what} {error.why}", 'Write: idle = "15m"') from error
    return str(idle).strip()


def _parse_sleeps_with(names: Any) -> tuple[str, ...]:
    if not isinstance(names, list) or not all(isinstance(name, str) and name for name in names) or "web" in names:
        why = "The web process always sleeps." if isinstance(names, list) and "web" in names else f"It is {names!r}."
        raise _refusal("has no usable [web] sleeps_with", why, 'Write: sleeps_with = ["worker"]')
    return tuple(dict.fromkeys(names))


def _parse_path(table: Mapping[str, Any], key: str, example: str) -> str | None:
    """`public/` -> `public`; `.` is the whole project. Never outside it."""
    path = table.get(key)
    if path is None:
        return None
    pure = PurePosixPath(path) if isinstance(path, str) and path and path.isprintable() else PurePosixPath("/")
    if pure.is_absolute() or ".." in pure.parts:
        raise _refusal(f"has no usable [web] {key}", f"{path!r} is no path inside the project.", f"Write: {example}")
    return str(pure)


def _missing(key: str, path: str, kind: str) -> ToppcloudError:
    return _refusal(
        f"names a missing {kind} in [web] {key}: {path}",
        f"There is no such {kind} in the project.",
        "Add it or correct the name, commit, push again.",
    )


def _refusal(what: str, why: str, cure: str) -> ToppcloudError:
    return ToppcloudError(f"{FILE} {what}", why, cure, reason=f"invalid {FILE}")
