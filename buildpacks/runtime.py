"""The program of another language that the node has: Node.js or Ruby, found where a setting says, or on the usual PATH.

node = "/opt/node-22/bin"               in node.toml: the folder with the program
node = "/opt/node-20/bin:/opt/node-22/bin"      several: the first that suits the project, then the usual PATH
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from toppcloud.errors import ToppcloudError
from toppcloud.node import Node
from toppcloud.program import BASE_PATH, run

_TIMEOUT_S = 20


@dataclass(frozen=True)
class Language:
    """What is known of a language beforehand."""

    title: str
    """As people call it: `Node.js`."""
    program: str
    """`node`, which is the name of its setting too."""
    version_words: tuple[str, ...]
    """Words for the program that make it print its whole version and nothing else."""
    package: str
    """Debian's packages."""


@dataclass(frozen=True)
class Runtime:
    """A program that the account of pushed code can run."""

    language: Language
    executable: Path
    version: str
    """`20.20.2`"""

    @property
    def folder(self) -> Path:
        return self.executable.parent

    @property
    def paths(self) -> tuple[str, ...]:
        """Its folder, when it is not on the PATH that every app has."""
        return () if str(self.folder) in BASE_PATH.split(":") else (str(self.folder),)


def list_folders(setting: str) -> list[Path]:
    """Where to look: what the setting names, then the usual PATH."""
    return [Path(folder) for folder in (*setting.split(":"), *BASE_PATH.split(":")) if folder.startswith("/")]


def find_runtimes(node: Node, language: Language, setting: str) -> list[Runtime]:
    """All that the account can run, in the order of the folders. One that lies there under two names counts once."""
    found: dict[str, Runtime] = {}
    for folder in list_folders(setting):
        executable = folder / language.program
        real = os.path.realpath(executable)
        if real in found or not os.access(executable, os.X_OK) or find_barrier(node, executable):
            continue
        version = _ask_version(node, executable, language)
        if version:
            found[real] = Runtime(language, executable, version)
    return list(found.values())


def choose_runtime(
    node: Node, language: Language, setting: str, suits: Callable[[Runtime], bool] | None, wish: str
) -> Runtime:
    """The first that `suits`. Raises ToppcloudError: there is none at all, or none for the `wish`.

    `wish` is what the project asks for, as `package.json wants Node.js 22.x`; empty when any will do.
    """
    runtimes = find_runtimes(node, language, setting)
    if not runtimes:
        raise _refuse_missing(node, language, setting)
    for runtime in runtimes:
        if suits is None or suits(runtime):
            return runtime
    had = " and ".join(f"{runtime.version} ({runtime.executable})" for runtime in runtimes)
    raise ToppcloudError(
        f"{wish}, and this node has no such {language.title}.",
        f"It has {had}.",
        f'Install it on the node and name its folder in node.toml: {language.program} = "/opt/{language.program}/bin"\n'
        "or ask for the one that is there, commit, push again.",
        reason=f"no such {language.title}",
    )


def find_barrier(node: Node, executable: Path) -> Path | None:
    """What the account of pushed code may not enter or read on the way to it."""
    return None if node.account.is_self else node.account.find_closed(executable)


def _ask_version(node: Node, executable: Path, language: Language) -> str | None:
    try:
        said = run([executable, *language.version_words], account=node.account, cwd=Path("/"), timeout_s=_TIMEOUT_S)
    except ToppcloudError:
        return None
    text = said.stdout.decode(errors="replace").strip()
    return text if text[:1].isdigit() and len(text) < 40 and text.isprintable() else None


def _refuse_missing(node: Node, language: Language, setting: str) -> ToppcloudError:
    folders = list_folders(setting)
    there = next((folder / language.program for folder in folders if (folder / language.program).exists()), None)
    why = f"Looked for {language.program} in {', '.join(map(str, folders))}."
    if there:
        barrier = find_barrier(node, there)
        why = f"{there} is there, but {node.account.name} cannot run it" + (
            f": {barrier} is closed." if barrier else "."
        )
    return ToppcloudError(
        f"This node has no {language.title} that apps can use.",
        why,
        f"On the node: apt-get install {language.package}\n"
        f'or name the folder of another in node.toml: {language.program} = "/opt/{language.program}/bin"',
        reason=f"{language.title} is missing",
    )
