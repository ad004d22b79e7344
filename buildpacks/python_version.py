"""Which Python an app asks for, and where it says so.

PYTHON_VERSION=3.12.7 (config var), runtime.txt `python-3.12.7`, .python-version `3.12`, a lock's `3.12` or
requires-python `>=3.12,<4`, the Python of the last build, the node's own default: the first that says anything counts.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from packaging.specifiers import InvalidSpecifier, SpecifierSet

from toppcloud.errors import ToppcloudError

CONFIG_VAR = "PYTHON_VERSION"
RUNTIME_TXT = "runtime.txt"
PYTHON_VERSION_FILE = ".python-version"
REQUIRES_PYTHON = "requires-python"
LAST_BUILD = "as before"
NODE_DEFAULT = "this node's default"

_NUMBER = r"(0|[1-9]\d*)"
_VERSION = re.compile(rf"(?:c?python-?)?{_NUMBER}(?:\.{_NUMBER}(?:\.{_NUMBER})?)?(?:\.\*)?\Z", re.IGNORECASE | re.ASCII)
_LOCKED = re.compile(rf"{_NUMBER}\.{_NUMBER}(?:\.{_NUMBER})?\Z", re.ASCII)
_UNFIT = (
    (
        re.compile(r"(pypy|graal|jython|ironpython|micropython|stackless|cinder|(ana|mini)conda|mini\w*forge)", re.I),
        "Apps run on CPython only.",
    ),
    (re.compile(r"(python-?)?\d+\.\d+(\.\d+)?t\Z", re.I), "A free-threaded Python is not to be had here."),
    (
        re.compile(r"(python-?)?\d+(\.\d+)*[-.]?(dev|a|b|rc|alpha|beta)[-.]?\d*\Z", re.I),
        "It is a version before its release; apps run on released ones.",
    ),
    (re.compile(r"[<>=~^!]"), "It is a range: a range belongs into requires-python in pyproject.toml."),
    (re.compile(r"[\"'`]"), "The version stands without quotes."),
    (re.compile(r"(python-?)?\d+(\.(\d+|x|\*))+\Z", re.I), "It has one to three numbers, as 3.12 or 3.12.7."),
)
_MOST_PATCHES = 40
_RECENT = tuple(f"3.{minor}" for minor in range(11, 30))
_MINOR = re.compile(r"(?<![\d.])3\.\d\d(?!\d)")
EXAMPLE = "3.14"
"""What a person is told to choose: the release before the newest, for which packages have wheels."""


@dataclass(frozen=True)
class PythonRequest:
    """A wish for a Python: `text` is a version of one to three numbers, a specifier (`>=3.12`), or empty for any."""

    text: str
    origin: str
    """Where it was said, as a person reads it: `.python-version`."""
    warnings: tuple[str, ...] = ()
    """Of what was said elsewhere and does not count."""

    def admits(self, version: str) -> bool:
        """Whether `3.12.7` is what was asked for."""
        if not self.text:
            return True
        if self.is_range:
            return version in SpecifierSet(self.text)
        return version == self.text or version.startswith(f"{self.text}.")

    def admits_minor(self, minor: str) -> bool:
        """Whether some patch release of `3.12` is what was asked for."""
        if not self.is_range:
            return not self.text or f"{self.text}.".startswith(f"{minor}.") or minor.startswith(f"{self.text}.")
        specifier = SpecifierSet(self.text)
        return any(f"{minor}.{patch}" in specifier for patch in range(_MOST_PATCHES))

    @property
    def is_range(self) -> bool:
        return bool(self.text) and not self.text[0].isdigit()

    @property
    def is_exact(self) -> bool:
        """Whether it names one patch release: `3.12.7`."""
        return self.text.count(".") == 2 and not self.is_range

    @property
    def minor(self) -> str | None:
        """`3.12` when it names that, or one of its patch releases."""
        return None if self.is_range or "." not in self.text else ".".join(self.text.split(".")[:2])


ANY_PYTHON = PythonRequest("", "newest on this node")


@dataclass(frozen=True)
class Lock:
    """The Python that a project's lock was made for: `3.12` in `Pipfile.lock`; and the range that it allows."""

    version: str | None = None
    origin: str | None = None
    """The file that says `version`; without one, the file that says `requires_python`."""
    requires_python: str | None = None

    @property
    def range_origin(self) -> str:
        return REQUIRES_PYTHON if self.version or not self.origin else self.origin


def choose_fallback(lock: Lock, last_version: str | None, node_default: str) -> PythonRequest:
    """What counts when neither the config var nor a file names a version: lock, range, last build, node's default."""
    if lock.version:
        origin = lock.origin or "the lock"
        return PythonRequest(parse_locked_version(lock.version, origin), origin)
    sticky = PythonRequest(".".join(last_version.split(".")[:2]), LAST_BUILD) if last_version else None
    default = PythonRequest(parse_version(node_default, "node.toml"), NODE_DEFAULT) if node_default else None
    if not lock.requires_python:
        return sticky or default or ANY_PYTHON
    wanted = PythonRequest(lock.requires_python, lock.range_origin)
    parse_specifier(wanted.text)
    if sticky and last_version and wanted.admits(last_version):
        return sticky
    if default and default.minor and wanted.admits_minor(default.minor):
        return default
    return wanted


def parse_version(text: str, origin: str) -> str:
    """`3`, `3.12`, `3.12.7`, `python-3.12.7` or `3.12.*` -> the numbers. `origin` is quoted in the message."""
    clean = text.strip(" \t\r\n")
    shown = _show_invisible(clean)
    if shown != clean:
        raise ToppcloudError(
            f"{origin} holds a character that cannot be seen: '{shown[:80]}'.",
            "It came along when the text was copied from somewhere.",
            f"Type it anew. {render_change(origin, EXAMPLE)}",
            reason="invalid Python version",
        )
    match = _VERSION.match(clean)
    if not match:
        why = next((why for pattern, why in _UNFIT if pattern.search(clean)), "")
        raise ToppcloudError(
            f"{origin} asks for '{clean[:60]}', which is not a version of Python.",
            why or "A version is written as 3.12 (its newest patch release) or 3.12.7.",
            render_change(origin, _choose_example(clean)),
            reason="invalid Python version",
        )
    return ".".join(number for number in match.groups() if number)


def _choose_example(text: str) -> str:
    """The release that was probably meant: `3.12` for `python-3.12.x`. None that is newer than EXAMPLE."""
    meant = _MINOR.search(text)
    return meant[0] if meant and _RECENT[0] <= meant[0] <= EXAMPLE else EXAMPLE


def parse_locked_version(text: str, origin: str) -> str:
    """`3.12` or `3.12.7`, as a lock says it; no range and no wildcard."""
    if not _LOCKED.match(text):
        raise ToppcloudError(
            f"{origin} asks for Python '{_show_invisible(text)[:60]}', which is not a version.",
            "There it is written as 3.12 or 3.12.7, without a range or a wildcard.",
            render_change(origin, EXAMPLE),
            reason="invalid Python version",
        )
    return text


def parse_specifier(text: str) -> SpecifierSet:
    """requires-python, as `>=3.12,<4`."""
    try:
        return SpecifierSet(text)
    except InvalidSpecifier as error:
        raise ToppcloudError(
            f"requires-python is '{text[:60]}', which cannot be understood.",
            "It is written as >=3.12 or >=3.12,<4.",
            "Correct it in pyproject.toml.",
            reason="invalid Python version",
        ) from error


def render_change(origin: str, version: str) -> str:
    """What to type to have `version` where now another one is said."""
    if origin == CONFIG_VAR:
        return f"toppcloud config:set PYTHON_VERSION={version}"
    if origin == RUNTIME_TXT:
        return f"echo python-{version} > runtime.txt"
    if origin == "Pipfile.lock":
        return f'Write python_version = "{version}" below [requires] in Pipfile, then: pipenv lock'
    if origin in (NODE_DEFAULT, "node.toml"):
        return f'echo {version} > .python-version; or on the node, in node.toml: python = "{version}"'
    if origin == "poetry.lock":
        return f"Let pyproject.toml ask for Python >={version}, then: poetry lock"
    if origin in (REQUIRES_PYTHON, "pyproject.toml", "uv.lock"):
        change = f'Write requires-python = ">={version}" into pyproject.toml'
        return f"{change}, then: uv lock" if origin == "uv.lock" else change
    return f"echo {version} > .python-version"


def refuse_contradiction(request: PythonRequest, lock: Lock) -> None:
    """Refuse, before a Python is looked for, a version on which the project's own lock cannot be installed."""
    minor = request.minor
    if minor and lock.requires_python and not _admits_some(lock.requires_python, request):
        raise _contradict_range(request.text, request, lock)
    if minor and lock.version and lock.origin and request.origin != lock.origin:
        locked = ".".join(parse_locked_version(lock.version, lock.origin).split(".")[:2])
        if locked != minor:
            cure = render_change(request.origin, locked)
            raise _contradiction(request.text, request, f"{lock.origin} was made for {lock.version}", cure)


def refuse_unsuitable(version: str, request: PythonRequest, lock: Lock) -> None:
    """Refuse a Python that the project itself says it cannot run on."""
    if lock.requires_python and version not in parse_specifier(lock.requires_python):
        raise _contradict_range(version, request, lock)


def _admits_some(requires_python: str, request: PythonRequest) -> bool:
    parse_specifier(requires_python)
    wanted = PythonRequest(requires_python, REQUIRES_PYTHON)
    if not wanted.is_range:
        return True
    return wanted.admits(request.text) if request.is_exact else wanted.admits_minor(request.minor or "")


def _contradiction(version: str, request: PythonRequest, other: str, cure: str) -> ToppcloudError:
    return ToppcloudError(
        f"Python {version} is not what the project needs.",
        f"{request.origin} leads to {version}; {other}.",
        cure,
        reason="Python version does not fit",
    )


def _contradict_range(version: str, request: PythonRequest, lock: Lock) -> ToppcloudError:
    wanted = PythonRequest(lock.requires_python or "", lock.range_origin)
    fitting = next((minor for minor in _RECENT if wanted.admits_minor(minor)), None)
    cure = render_change(request.origin, fitting) if fitting else "Correct requires-python in pyproject.toml."
    verb = "is" if wanted.origin == REQUIRES_PYTHON else "asks for"
    return _contradiction(version, request, f"{wanted.origin} {verb} {wanted.text}", cure)


def _show_invisible(text: str) -> str:
    """`<U+200B>` for what has no shape, or only a blank one."""
    return "".join(c if c == " " or (c.isprintable() and not c.isspace()) else f"<U+{ord(c):04X}>" for c in text)
