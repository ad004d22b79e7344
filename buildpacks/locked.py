"""Packages of a lock that is not uv's, as lines that `uv pip install --no-deps` takes.

flask==3.1.0 ; python_version >= '3.9' --hash=sha256:d667…
blog-theme @ git+https://example.com/theme@1f3a9c…
-e ./libs/billing
Source: https://pip.pypa.io/en/stable/reference/requirements-file-format/
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from packaging.specifiers import InvalidSpecifier, SpecifierSet

from buildpacks.requirements_txt import LocalRequirement
from toppcloud.errors import ToppcloudError

_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?\Z")
_HASH = re.compile(r"[a-z0-9]+:[0-9a-f]+\Z")
_PYPI_HOSTS = frozenset({"pypi.org", "pypi.python.org"})
_VARIABLE = re.compile(r"\$(?:\{([A-Za-z_][A-Za-z0-9_]*)\}|([A-Za-z_][A-Za-z0-9_]*))")
_SCP = re.compile(r"(?P<account>[\w.-]+@)(?P<host>[\w.-]+):(?P<path>[^/].*)\Z")


@dataclass(frozen=True)
class Index:
    """Where packages come from that the node's own index does not have. `url` may name variables as `${TOKEN}`."""

    name: str
    url: str
    is_verified: bool = True

    @property
    def variable_part(self) -> str:
        """The name as it stands in the names of variables: `my-index` -> `MY_INDEX`."""
        return re.sub(r"[^A-Za-z0-9]", "_", self.name).upper()


@dataclass(frozen=True)
class LockedPackage:
    """One line. `index` is None for the node's own."""

    line: str
    index: Index | None = None
    local: LocalRequirement | None = None


@dataclass(frozen=True)
class LockedBatch:
    """The packages that come from one index."""

    index: Index | None
    text: str

    @property
    def is_hashed(self) -> bool:
        """Whether each of them is told by a hash, so that it is the same from wherever it comes."""
        return all("--hash=" in line for line in self.text.splitlines())


def batch(packages: Iterable[LockedPackage]) -> tuple[LockedBatch, ...]:
    """The lines by index, those of the node's own first."""
    lines: dict[Index | None, list[str]] = {None: []}
    for package in packages:
        lines.setdefault(package.index, []).append(package.line)
    return tuple(LockedBatch(index, "".join(f"{line}\n" for line in group)) for index, group in lines.items() if group)


def choose_index(name: str, url: str, is_verified: bool = True) -> Index | None:
    """None for PyPI: the node may have a mirror of it."""
    parts = urlsplit(url)
    return None if parts.hostname in _PYPI_HOSTS and not parts.username else Index(name, url, is_verified)


def render_index(index: Index, environment: Mapping[str, str], file: str) -> dict[str, str]:
    """Variables that let uv look there first. Raises ToppcloudError naming a variable that the app lacks."""

    def fill(match: re.Match[str]) -> str:
        name = match[1] or match[2]
        if name not in environment:
            raise ToppcloudError(
                f"{file} needs the config var {name}.",
                f"Its index '{index.name}' has ${{{name}}} in its address, and the app has no such variable.",
                f"Type: toppcloud config:set {name}=…",
                reason=f"missing config var {name}"[:50],
            )
        return environment[name]

    url = _VARIABLE.sub(fill, index.url)
    name = re.sub(r"[^A-Za-z0-9_-]", "-", index.name) or "index"
    variables = {"UV_INDEX": f"{name}={url} {environment.get('UV_INDEX', '')}".rstrip()}
    for part in ("USERNAME", "PASSWORD"):
        given = environment.get(f"POETRY_HTTP_BASIC_{index.variable_part}_{part}")
        if given:
            variables[f"UV_INDEX_{index.variable_part}_{part}"] = given
    if not index.is_verified:
        host = urlsplit(url).hostname or ""
        variables["UV_INSECURE_HOST"] = f"{environment.get('UV_INSECURE_HOST', '')} {host}".strip()
    return variables


def render_pinned(name: str, version: str, marker: str, hashes: Iterable[str], file: str) -> str:
    """`flask==3.1.0 ; python_version >= '3.9' --hash=sha256:…`; a lock names no version for what it could not have."""
    try:
        specifier = SpecifierSet("" if version == "*" else version if version[:1] in "<>=!~" else f"=={version}")
    except InvalidSpecifier:
        raise refuse_entry(file, name, f"'{version[:60]}' is no version") from None
    if not _NAME.match(name):
        raise refuse_entry(file, name, "it is no name of a package")
    found = sorted({value for value in hashes if _HASH.match(value)})
    return _finish(f"{name}{specifier}", marker, found, file, name)


def render_address(name: str, address: str, marker: str, hashes: Iterable[str], file: str) -> str:
    """`theme @ https://example.com/theme.whl`"""
    if not _NAME.match(name):
        raise refuse_entry(file, name, "it is no name of a package")
    return _finish(f"{name} @ {address}", marker, sorted(h for h in hashes if _HASH.match(h)), file, name)


def render_git(name: str, url: str, commit: str, subdirectory: str, marker: str, file: str) -> str:
    """`theme @ git+https://example.com/theme@1f3a9c#subdirectory=python`; `git@host:path` is said as ssh:// for uv."""
    url = url.removeprefix("git+")
    scp = _SCP.match(url)
    url = f"ssh://{scp['account']}{scp['host']}/{scp['path']}" if scp and "://" not in url else url
    address = f"git+{url}" + (f"@{commit}" if commit else "")
    return render_address(name, address + (f"#subdirectory={subdirectory}" if subdirectory else ""), marker, (), file)


def render_local(local: LocalRequirement, marker: str, hashes: Iterable[str], file: str) -> str:
    """`-e ./libs/billing`, or `./wheels/theme.whl`"""
    line = f"{'-e ' if local.is_editable else ''}./{local.path}"
    return _finish(line, marker, sorted(h for h in hashes if _HASH.match(h)), file, str(local.path))


def _finish(line: str, marker: str, hashes: list[str], file: str, name: str) -> str:
    line += f" ; {marker}" if marker else ""
    line += "".join(f" --hash={value}" for value in hashes)
    if not line.isprintable():
        raise refuse_entry(file, name, "it has characters that no requirement has")
    return line


def refuse_entry(file: str, name: str, why: str) -> ToppcloudError:
    """The lock has an entry that nobody can install."""
    shown = name if name.isprintable() else repr(name)
    cure = "pipenv lock" if file == "Pipfile.lock" else "poetry lock"
    return ToppcloudError(
        f"{file} cannot be read.",
        f"Its entry '{shown[:60]}': {why}.",
        f"Make it again: {cure}",
        reason=f"invalid {file}",
    )
