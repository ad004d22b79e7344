"""The packages of an app's language, kept from one build to the next: as they were installed, before any build script.

cache/nodejs.json             what they were installed from; written last, by the node alone: without it there are none
cache/nodejs/node_modules     a copy, made by the account of pushed code
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from buildpacks.buildpack import Workshop
from toppcloud.disk import refusing_full_disk
from toppcloud.files import read_json, write_json
from toppcloud.program import run

_TIMEOUT_S = 300.0


@dataclass(frozen=True)
class KeptPackages:
    """Those of one app, seen by one build. `facts` are all that decides what is installed: {"Node.js": "20.2.0", …}."""

    workshop: Workshop
    name: str
    """The buildpack's."""
    folder: str
    """`node_modules`: where they lie in the source."""
    facts: Mapping[str, str]

    @property
    def record(self) -> Path:
        return self.workshop.app.build_cache(f"{self.name}.json")

    @property
    def kept(self) -> Path:
        return self.workshop.cache(self.name) / Path(self.folder).name

    @property
    def wanted(self) -> Path:
        return self.workshop.source / self.folder

    def list_changed(self) -> list[str] | None:
        """What is not as it was when they were installed: [] when all is, None when there are none to be used."""
        before: dict[str, Any] | None = read_json(self.record) if self.workshop.uses_cache else None
        if before is None or not self.kept.is_dir():
            return None
        return [name for name in {**before, **self.facts} if before.get(name) != self.facts.get(name)]

    def take(self) -> None:
        """Copy what is kept into the source."""
        self._copy(self.kept, self.wanted)

    def keep(self) -> None:
        """Keep a copy of what was just installed, instead of what was kept before."""
        self.record.unlink(missing_ok=True)
        remove(self.workshop, self.kept)
        if self.wanted.is_dir():
            self._copy(self.wanted, self.kept)
            os.sync()
            write_json(self.record, dict(self.facts))

    def _copy(self, source: Path, target: Path) -> None:
        account, cancelled = self.workshop.node.account, self.workshop.is_cancelled
        options = [
            "--no-dereference",
            "--recursive",
            "--preserve=mode",
            "--reflink=auto",
        ]  # times cost thrice
        words = ["cp", *options, "--no-target-directory", "--", str(source), str(target)]
        run(["mkdir", "--parents", "--", target.parent], account=account, cwd=Path("/"))
        with refusing_full_disk(self.workshop.app.folder):
            run(words, account=account, cwd=Path("/"), timeout_s=_TIMEOUT_S, is_cancelled=cancelled)


def describe_changed(changed: list[str] | None, *, uses_cache: bool) -> str:
    """`Node.js and package-lock.json changed: `, in front of what was done about it."""
    if changed is None:
        return "" if uses_cache else "no-cache: "
    return f"{' and '.join(changed)} changed: "


def remove(workshop: Workshop, path: Path) -> None:
    """Remove what the account's programs have made, as that account: they may have laid traps for root."""
    words = ["rm", "--recursive", "--force", "--", str(path)]
    run(words, account=workshop.node.account, cwd=Path("/"), timeout_s=_TIMEOUT_S)


def digest(*parts: object) -> str:
    """A hash of anything that JSON has."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]
