"""requirements.txt as far as a build must know it: its whole text with includes, and the paths in it.

-r base.txt
-e .
./libs/billing
flask==3.1.0 --hash=sha256:…
Source: https://pip.pypa.io/en/stable/reference/requirements-file-format/
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from packaging.requirements import InvalidRequirement, Requirement

from buildpacks.distributions import normalise
from buildpacks.source_text import read_source_text
from toppcloud.errors import ToppcloudError

_OPTION = re.compile(
    r"(?P<name>-r|-c|-e|--requirement|--constraint|--editable)(?:\s*=\s*|\s+|(?<=-[rce]))(?P<value>\S.*)\Z"
)
_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_COMMENT = re.compile(r"(^|\s)#.*\Z")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_EDITABLE_REPOSITORY = re.compile(
    r"^[ \t]*(?:-e|--editable)(?:[ \t]*=[ \t]*|[ \t]+)['\"]?(?P<address>git\+[^\s'\"]+)['\"]?", re.MULTILINE
)
_LARGEST_FILE = 4_000_000
_LONGEST_PATH, _LONGEST_NAME = 1000, 255


@dataclass(frozen=True)
class LocalRequirement:
    """A folder or file of the project itself that is to be installed. `path` is relative to the project's top."""

    path: PurePosixPath
    is_editable: bool

    @property
    def is_project(self) -> bool:
        return self.path == PurePosixPath(".")


@dataclass(frozen=True)
class Requirements:
    """What a requirements file and all that it includes say."""

    text: str
    """Every file's text, each below a line with its path."""
    local: tuple[LocalRequirement, ...]
    variables: frozenset[str]
    """Names in `${NAME}`: config vars that belong to the lock."""
    names: frozenset[str]
    """What is asked for by name, normalised."""
    has_hashes: bool
    files: Mapping[PurePosixPath, str] = field(default_factory=dict)
    """Each file's text, by its path in the project."""


def read_requirements(source: Path, name: str = "requirements.txt") -> Requirements:
    """Read `name` in the project `source`, with its -r and -c includes. Raises ToppcloudError with file and line."""
    texts: dict[PurePosixPath, str] = {}
    local: list[LocalRequirement] = []
    pending = [(PurePosixPath(name), "")]
    names: set[str] = set()
    while pending:
        path, origin = pending.pop(0)
        if path in texts:
            continue
        texts[path] = _read(source, path, origin)
        for number, line in split_lines(texts[path]):
            origin = f"{path}, line {number}"
            option = _OPTION.match(line)
            kind = option["name"].lstrip("-")[0] if option else ""
            if option and kind in "rc":
                if "://" not in option["value"]:
                    pending.append((keep_inside(path.parent, option["value"].strip(), origin), origin))
                continue
            names |= {normalise(named[0])} if (named := _NAME.match(line)) else set()
            found = _find_local(option["value"] if option else line, kind == "e", origin)
            local += [found] if found else []
    text = "".join(f"# {path}\n{content}\n" for path, content in texts.items())
    variables = find_variables(text)
    return Requirements(text, tuple(dict.fromkeys(local)), variables, frozenset(names), "--hash=" in text, texts)


def find_variables(text: str) -> frozenset[str]:
    """The names in `${NAME}`."""
    return frozenset(_VARIABLE.findall(text))


def plan_editable_repositories(requirements: Requirements) -> dict[PurePosixPath, str]:
    """Every file again, with `-e git+https://…#egg=x` as `x @ git+https://…`: uv installs no repository in place.

    Empty when no line is one.
    """
    changed = {path: _EDITABLE_REPOSITORY.sub(_without_editable, text) for path, text in requirements.files.items()}
    return changed if changed != dict(requirements.files) else {}


def _without_editable(match: re.Match[str]) -> str:
    address, _, fragment = match["address"].partition("#")
    parts = dict(part.partition("=")[::2] for part in fragment.split("&") if part)
    name = parts.pop("egg", "")
    kept = "&".join(f"{key}={value}" for key, value in parts.items())
    return f"{f'{name} @ ' if name else ''}{address}{f'#{kept}' if kept else ''}"


def find_invalid_line(requirements: Requirements) -> str | None:
    """`requirements.txt, line 3: flask=3.1` for the first line that asks for a package in a way that is none."""
    for path, text in requirements.files.items():
        for number, line in split_lines(text):
            value = re.split(r"\s+--(?:hash|config-settings|global-option)", line)[0].strip()
            if _NAME.match(value) and not re.search(r"[/\\$]|\.(whl|zip|tar\.gz)\b", value):
                try:
                    Requirement(value)
                except InvalidRequirement:
                    return f"{path}, line {number}: {line}"
    return None


def split_lines(text: str) -> Iterator[tuple[int, str]]:
    """(number, line) without comments and blank lines; a line that ends in a backslash goes on in the next."""
    joined, begin = "", 0
    for number, raw in enumerate(text.removeprefix("\N{ZERO WIDTH NO-BREAK SPACE}").splitlines(), 1):
        begin = begin or number
        joined += raw
        if joined.endswith("\\") and not raw.lstrip().startswith("#"):
            joined = joined[:-1] + " "
            continue
        line = _COMMENT.sub("", joined).strip()
        if line:
            yield begin, line
        joined, begin = "", 0
    if joined.strip():
        yield begin, joined.strip()


def _find_local(line: str, is_editable: bool, origin: str) -> LocalRequirement | None:
    """The path in `./libs/x`, `.[extra]`, `file:libs/x`, `x @ file:libs/x`; None for a name or an address."""
    value = line.partition(" @ ")[2].strip() or line
    value = re.sub(r"\s+(--|;).*\Z", "", value).strip("\"'")
    if value.startswith("file:"):
        value = value[5:]
        if value.startswith("//"):
            return None  # an absolute place on the node, which the operator keeps
    elif "://" in value or value.startswith("-") or not (value.startswith(".") or "/" in value or is_editable):
        return None
    value = re.sub(r"\[[^\]]*\]\Z", "", value.partition("#")[0])
    if value.startswith("/"):
        return None
    return LocalRequirement(keep_inside(PurePosixPath("."), value, origin), is_editable)


def keep_inside(folder: PurePosixPath, value: str, origin: str) -> PurePosixPath:
    """`value` seen from `folder`, as a path from the project's top; refused when it leads outside."""
    parts: list[str] = []
    if len(value) > _LONGEST_PATH or any(
        len(name.encode(errors="replace")) > _LONGEST_NAME for name in value.split("/")
    ):
        raise ToppcloudError(
            f"{origin} names what no file can be called: {value[:60]}…",
            "It is too long.",
            "Correct that line.",
            reason="requirement cannot be read",
        )
    for part in (folder / value.strip("\"'")).parts:
        if part == "/" or (part == ".." and not parts):
            raise ToppcloudError(
                f"{origin} names {value}, which lies outside the project.",
                "Only what was pushed is there when the virtualenv is made.",
                "Put it into the repository, or name an address.",
                reason="requirement outside the project",
            )
        if part == "..":
            parts.pop()
        elif part != ".":
            parts.append(part)
    return PurePosixPath(*parts)


def _read(source: Path, path: PurePosixPath, origin: str) -> str:
    text = read_source_text(source, str(path))
    if text is None or len(text) > _LARGEST_FILE:
        raise ToppcloudError(
            f"{path} cannot be read.",
            f"{origin} includes it, and there is no such file." if origin else "It is no file, or a very large one.",
            "Add it to the repository, or correct that line.",
            reason="missing requirements file",
        )
    return text
