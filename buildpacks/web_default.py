"""The web process of a project that names none: Django, FastAPI and Flask are found by reading, never by running.

FastAPI runs in gunicorn's uvicorn worker. gunicorn's own ASGI worker was tried on an inherited unix socket: it serves,
but tells the app no client address, not even the forwarded one; the uvicorn worker does.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from buildpacks.collectstatic import find_manage_py
from buildpacks.python_source import Definition, find_string_argument, read_definitions
from buildpacks.source_folders import list_folders

ASGI_SERVER = "gunicorn -k uvicorn_worker.UvicornWorker"
WSGI_SERVER = "gunicorn"
_FIRST_FILES = ("wsgi", "asgi", "app", "main", "application", "api", "server", "run")
_FIRST_NAMES = ("app", "application", "api", "server")
_FACTORIES = ("create_app", "make_app", "get_app", "app_factory")
_LEFT_OUT = frozenset(
    {"tests", "test", "docs", "doc", "examples", "example", "venv", "env", "node_modules", "migrations"}
)
_MOST_FILES = 300
_DEPTH = 2


@dataclass(frozen=True)
class WebDefault:
    """`gunicorn blog.wsgi`, and why: `Django: manage.py uses blog.settings`."""

    command: str
    why: str


def choose_web_default(source: Path) -> WebDefault | None:
    """The web process for what is found in `source`, or None."""
    return _find_django(source) or _find_app(source)


def render_command(server: str, target: str, option: str = "", folder: str = "") -> str:
    """`gunicorn blog.wsgi`; with `--chdir backend` or `--pythonpath src` when it is not at the top."""
    place = f" {option} {shlex.quote(folder)}" if folder else ""
    return f"{server}{place} {shlex.quote(target)}"


def _find_django(source: Path) -> WebDefault | None:
    manage_py = find_manage_py(source)
    if manage_py is None:
        return None
    top, shown = manage_py.parent, manage_py.relative_to(source)
    settings = find_string_argument(manage_py.read_text(errors="replace"), "setdefault", "DJANGO_SETTINGS_MODULE")
    folder = "" if top == source else str(top.relative_to(source))
    for module in _guess_wsgi_modules(top, settings):
        if (top / Path(*module.split("."))).with_suffix(".py").is_file():
            said = f"{shown} uses {settings}" if settings else f"{shown} is there"
            return WebDefault(render_command(WSGI_SERVER, module, "--chdir", folder), f"Django: {said}")
    return None


def _guess_wsgi_modules(top: Path, settings: str | None) -> Iterator[str]:
    """`blog.settings.production` -> blog.settings.wsgi, blog.wsgi; then every wsgi.py near the top."""
    parts = settings.split(".") if settings else []
    while len(parts) > 1:
        parts.pop()
        yield ".".join([*parts, "wsgi"])
    if parts:
        yield "wsgi"
    for path in sorted([*top.glob("*/wsgi.py"), *top.glob("*/*/wsgi.py")], key=lambda p: len(p.parts)):
        yield ".".join(path.relative_to(top).with_suffix("").parts)


def _find_app(source: Path) -> WebDefault | None:
    for path in _list_python_files(source):
        found = _find_callable(path)
        if found is None:
            continue
        target, framework = found
        folder, module = _place(source, path)
        server = ASGI_SERVER if framework == "FastAPI" else WSGI_SERVER
        command = render_command(server, f"{module}:{target}", "--pythonpath", folder)
        return WebDefault(command, f"{framework}: {path.relative_to(source)} has {target}")
    return None


def _find_callable(path: Path) -> tuple[str, str] | None:
    """("app", "Flask"), ("create_app()", "Flask") or ("app", "FastAPI") in one file."""
    definitions = read_definitions(path)
    made = [d for d in definitions if d.kind in ("Flask", "FastAPI")]
    made.sort(key=lambda d: _FIRST_NAMES.index(d.name) if d.name in _FIRST_NAMES else len(_FIRST_NAMES))
    if made:
        return made[0].name, made[0].kind
    factories = {d.name: d for d in definitions if d.kind == "def" and d.name in _FACTORIES}
    for factory in factories.values():
        for framework in ("FastAPI", "Flask"):
            if framework in factory.makes:
                return _name_of_call(definitions, factory.name), framework
    called = [d for d in definitions if d.kind in _FACTORIES]
    return (called[0].name, _guess_framework(path)) if called else None


def _name_of_call(definitions: list[Definition], factory: str) -> str:
    """`app` when the file has `app = create_app()`, else `create_app()`."""
    return next((d.name for d in definitions if d.kind == factory), f"{factory}()")


def _guess_framework(path: Path) -> str:
    """Which framework a file's `app = create_app()` is of, by what its project's text names."""
    text = path.read_text(errors="replace")
    names = [line for line in text.splitlines() if "import" in line]
    near = [path, *path.parent.glob("*/__init__.py")]
    makers = {m for file in near for d in read_definitions(file) for m in d.makes}
    return "FastAPI" if "FastAPI" in makers or any("fastapi" in line for line in names) else "Flask"


def _place(source: Path, path: Path) -> tuple[str, str]:
    """("", "blog.main") for blog/main.py; ("src", "blog") for src/blog/__init__.py."""
    parts = path.relative_to(source).with_suffix("").parts
    if parts[-1] == "__init__":
        parts = parts[:-1]
    if parts[0] == "src" and len(parts) > 1 and not (source / "src/__init__.py").is_file():
        return "src", ".".join(parts[1:])
    return "", ".".join(parts)


def _list_python_files(source: Path) -> list[Path]:
    """Files that may hold an app: by depth, then by how usual their name is."""
    found: list[tuple[int, int, str, Path]] = []
    level = [source]
    for depth in range(_DEPTH + 1):
        for folder in level:
            for path in folder.glob("*.py"):
                stem = folder.name if path.stem == "__init__" else path.stem
                usual = _FIRST_FILES.index(stem) if stem in _FIRST_FILES else len(_FIRST_FILES)
                if not stem.startswith("test_") and path.name not in ("conftest.py", "setup.py"):
                    found.append((depth, usual, str(path), path))
        level = [inner for folder in level for inner in list_folders(folder, _LEFT_OUT)]
    return [path for *_, path in sorted(found)[:_MOST_FILES]]
