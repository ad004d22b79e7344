"""runtime.txt and .python-version as they lie at the top of a project, and files that were meant to be one of them.

runtime.txt       python-3.12.7
.python-version   3.12
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from buildpacks.python_version import EXAMPLE, PYTHON_VERSION_FILE, RUNTIME_TXT, parse_version, render_change
from toppcloud.errors import ToppcloudError

_LARGEST_FILE = 64 * 1024
_MISSPELT = re.compile(r"""[\s.,'"]*python[-_. ]?version[\s.'"]*(\.(txt|text|rtf)[\s.'"]*)?\Z""", re.IGNORECASE)
_MISSPELT_AS_MODULE = ".python-version.py"
_MISSPELT_RUNTIME = re.compile(r"""[\s.,'"]*run[-_. ]?times?(\.(txt|text|rtf))?[\s.'"]*\Z""", re.IGNORECASE)
_MARKS = (  # the longer ones first: UTF-32's begins as UTF-16's
    (b"\xff\xfe\x00\x00", "UTF-32"),
    (b"\x00\x00\xfe\xff", "UTF-32"),
    (b"\xff\xfe", "UTF-16"),
    (b"\xfe\xff", "UTF-16"),
    (b"\xef\xbb\xbf", "UTF-8 with a byte order mark (BOM)"),
)


@dataclass(frozen=True)
class PythonVersionFiles:
    """The bytes of each; None where there is no such file. Names of misspelt ones."""

    runtime_txt: bytes | None = None
    python_version: bytes | None = None
    misspelt: tuple[str, ...] = ()
    """For .python-version."""
    misspelt_runtime: tuple[str, ...] = ()


def read_python_version_files(source: Path) -> PythonVersionFiles:
    """What lies at the top of `source`. Links are not followed. Raises ToppcloudError for what cannot be read."""
    with os.scandir(source) as entries:
        names = sorted(entry.name for entry in entries if entry.is_file(follow_symlinks=False))
    return PythonVersionFiles(
        _read(source / RUNTIME_TXT) if RUNTIME_TXT in names else None,
        _read(source / PYTHON_VERSION_FILE) if PYTHON_VERSION_FILE in names else None,
        tuple(name for name in names if is_misspelt(name)),
        tuple(name for name in names if name != RUNTIME_TXT and _MISSPELT_RUNTIME.match(name) and "." in name),
    )


def is_misspelt(name: str) -> bool:
    """Whether a file of that name was meant to be .python-version, as `.python_version` or `.python-version.txt`."""
    return name != PYTHON_VERSION_FILE and (bool(_MISSPELT.match(name)) or name == _MISSPELT_AS_MODULE)


def parse_version_file(content: bytes, origin: str) -> str:
    """The one version in a file; comments, blank lines and CRLF are no matter. Raises ToppcloudError."""
    lines = [line.partition("#")[0].strip(" \t") for line in _decode(content, origin).splitlines()]
    lines = [line for line in lines if line]
    versions = [parse_version(line, origin) for line in lines]
    if len(versions) == 1:
        return versions[0]
    if versions:
        what = f"{origin} names {len(versions)} versions of Python: {', '.join(lines)[:80]}."
        why = "An app runs on one."
    else:
        what = f"{origin} names no version of Python."
        why = "It is empty, or each of its lines is a comment."
    raise ToppcloudError(what, why, render_change(origin, EXAMPLE), reason="invalid Python version")


def refuse_misspelt(files: PythonVersionFiles) -> None:
    """Refuse a project whose .python-version has another name: its wish would pass unheard."""
    if not files.misspelt:
        return
    name = files.misspelt[0]
    quoted = _quote(name)
    cure = f"git mv -- {quoted} .python-version" if files.python_version is None else f"git rm -- {quoted}"
    raise ToppcloudError(
        f"'{name}' is a misspelt .python-version.",
        "The name is .python-version: a dot, a hyphen, lower case, no ending."
        + ("" if files.python_version is None else " There is one of that name too."),
        cure,
        reason="misspelt .python-version",
    )


def list_warnings(files: PythonVersionFiles) -> tuple[str, ...]:
    """Of what is there and does not count."""
    if files.runtime_txt is not None:
        return _warn_of_disagreement(files.runtime_txt, files.python_version)
    return tuple(
        f"'{name}' is not read: the name is runtime.txt.\ngit mv -- {_quote(name)} runtime.txt"
        for name in files.misspelt_runtime[:1]
    )


def _warn_of_disagreement(runtime_txt: bytes, python_version: bytes | None) -> tuple[str, ...]:
    if python_version is None:
        return ()
    counts = parse_version_file(runtime_txt, RUNTIME_TXT)
    try:
        other = parse_version_file(python_version, PYTHON_VERSION_FILE)
    except ToppcloudError:
        other = "something else"
    if other == counts:
        return ()
    return (
        f"runtime.txt says {counts} and .python-version {other}: runtime.txt counts.\nKeep one: git rm runtime.txt",
    )


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(_LARGEST_FILE + 1)
    except OSError as error:
        raise ToppcloudError(f"{path.name} cannot be read.", str(error.strerror)) from error
    if len(content) > _LARGEST_FILE:
        raise ToppcloudError(
            f"{path.name} is no list of a version: it has more than {_LARGEST_FILE // 1024} KB.",
            "It names the version of Python, on one line.",
            render_change(path.name, EXAMPLE),
            reason="invalid Python version",
        )
    return content


def _decode(content: bytes, origin: str) -> str:
    encoding = next((name for mark, name in _MARKS if content.startswith(mark)), None)
    if encoding is None and content.count(0) * 3 > len(content):
        encoding = "UTF-16"
    if encoding is None:
        try:
            return content.decode()
        except UnicodeDecodeError:
            encoding = "another encoding than UTF-8"
    raise ToppcloudError(
        f"{origin} cannot be read: it is saved as {encoding}.",
        "It must be UTF-8 without a byte order mark; Windows editors and `>` in PowerShell write others.",
        f"Save it as UTF-8, or write it anew in git's own shell: {render_change(origin, EXAMPLE)}",
        reason="unsupported text encoding",
    )


def _quote(name: str) -> str:
    """For a line that a person pastes into a shell."""
    return "'" + name.replace("'", "'\\''") + "'"
