"""Which Python an app asks for, and where it says so.

PYTHON_VERSION=3.12.7 (config var), runtime.txt `python-3.12.7`, .python-version `3.12`, requires-python `>=3.12,<4`,
the Python of the last build, the node's own default: the first one that says anything counts.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from packaging.specifiers import InvalidSpecifier, SpecifierSet

from toppcloud.errors import ToppcloudError

_VERSION = re.compile(r"(?:c?python-?)?(\d+)(?:\.(\d+)(?:\.(\d+))?)?(?:\.\*)?\Z", re.IGNORECASE)
_INVISIBLE = dict.fromkeys(map(ord, "\N{ZERO WIDTH NO-BREAK SPACE}\N{ZERO WIDTH SPACE}\N{WORD JOINER}"))


@dataclass(frozen=True)
class PythonRequest:
    """A wish for a Python: `text` is a version of one to three numbers, a specifier (`>=3.12`), or empty for any."""

    text: str
    origin: str
    """Where it was said, as a person reads it: `.python-version`."""

    def admits(self, version: str) -> bool:
        """Whether `3.12.7` is what was asked for."""
        if not self.text:
            return True
        if not self.text[0].isdigit():
            return version in SpecifierSet(self.text)
        return version == self.text or version.startswith(f"{self.text}.")


ANY_PYTHON = PythonRequest("", "newest on this node")


def choose_python_request(
    *,
    config_var: str | None,
    runtime_txt: str | None,
    python_version_file: str | None,
    requires_python: str | None,
    last_version: str | None,
    node_default: str,
) -> PythonRequest:
    """The first of these that says anything. Raises ToppcloudError for one that says it wrongly."""
    if config_var and config_var.strip():
        return PythonRequest(parse_version(config_var, "PYTHON_VERSION"), "PYTHON_VERSION")
    if runtime_txt is not None:
        return PythonRequest(parse_version_file(runtime_txt, "runtime.txt"), "runtime.txt")
    if python_version_file is not None:
        return PythonRequest(parse_version_file(python_version_file, ".python-version"), ".python-version")
    sticky = ".".join(last_version.split(".")[:2]) if last_version else ""
    if requires_python:
        parse_specifier(requires_python)
        if last_version and PythonRequest(requires_python, "").admits(last_version):
            return PythonRequest(sticky, "as before")
        return PythonRequest(requires_python, "requires-python")
    if sticky:
        return PythonRequest(sticky, "as before")
    if node_default:
        return PythonRequest(parse_version(node_default, "node.toml"), "this node's default")
    return ANY_PYTHON


def parse_version(text: str, origin: str) -> str:
    """`3`, `3.12`, `3.12.7`, `python-3.12.7` or `3.12.*` -> the numbers. `origin` is quoted in the message."""
    clean = text.translate(_INVISIBLE).strip()
    match = _VERSION.match(clean)
    if not match:
        raise ToppcloudError(
            f"{origin} asks for '{clean[:60]}', which is not a version of Python.",
            "A version is written as 3.12 (its newest patch release) or 3.12.7.",
            f"Correct {origin}, for example: 3.12",
            reason="invalid Python version",
        )
    return ".".join(number for number in match.groups() if number)


def parse_version_file(text: str, origin: str) -> str:
    """The one version in a file; comments, blank lines, a BOM and CRLF are no matter."""
    lines = [line.partition("#")[0].translate(_INVISIBLE).strip() for line in text.splitlines()]
    lines = [line for line in lines if line]
    if len(lines) != 1:
        found = f"It names {len(lines)}: {', '.join(lines)[:80]}." if lines else "It is empty."
        raise ToppcloudError(
            f"{origin} must name one version of Python.",
            found,
            f"Write one line into {origin}, for example: 3.12",
            reason="invalid Python version",
        )
    return parse_version(lines[0], origin)


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


def refuse_unsuitable(version: str, request: PythonRequest, requires_python: str | None) -> None:
    """Refuse a Python that the project itself says it cannot run on."""
    if requires_python and version not in parse_specifier(requires_python):
        raise ToppcloudError(
            f"Python {version} is not what the project needs.",
            f"{request.origin} leads to {version}; requires-python is {requires_python}.",
            "Make them agree, for example in .python-version or PYTHON_VERSION.",
            reason="Python version does not fit",
        )
