"""How long a virtualenv takes in a push, next to `python -m venv` and pip with the same requirements."""

from __future__ import annotations

import os
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.figure import Figure, at_least, render
from benchmarks.live_node import LiveNode
from benchmarks.pushed_steps import read_seconds
from benchmarks.sample_apps import REQUIREMENTS, plain_files
from benchmarks.scale import Scale
from benchmarks.section import Section
from deploy.release import require_live_release
from toppcloud.files import remove_tree
from toppcloud.slug import read_slug

COLD, WARM = 3, 9
_PIP_TIMEOUT_S = 300


@dataclass
class Rounds:
    """Seconds of ours and of the rival's, in turn."""

    ours: list[float] = field(default_factory=list)
    rivals: list[float] = field(default_factory=list)

    def times(self) -> list[float]:
        """How many times faster ours was, round by round."""
        return [rival / own for own, rival in zip(self.ours, self.rivals, strict=True)]


def measure_virtualenvs(scale: Scale) -> Section:
    with LiveNode.running() as node:
        figures = [figure for name in REQUIREMENTS for figure in _measure(node, name, scale)]
    return Section(
        "Virtualenvs",
        [
            "Ours: the step of a real first push that makes the virtualenv, as the pusher reads it; each app has its "
            "own, so none is found ready. The rival: the same Python's `python -m venv`, and its pip with the same "
            "requirements. Both compile all bytecode. Cold: nothing in the node's and in pip's cache. Warm: as the "
            "round before left them; both ask the index for versions. Requirements: "
            + "; ".join(f"{name}: {', '.join(lines)}" for name, lines in REQUIREMENTS.items())
            + "."
        ],
        figures,
    )


def _measure(node: LiveNode, name: str, scale: Scale) -> list[Figure]:
    cold, warm = Rounds(), Rounds()
    for index in range(scale.count(COLD, least=1)):
        for cache in (node.layout.uv_cache, node.layout.bytecode_cache, node.folder / "pip-cache"):
            remove_tree(cache)
        _measure_round(node, name, _name_app(name, "cold", index), cold)
    for index in range(scale.count(WARM)):
        _measure_round(node, name, _name_app(name, "warm", index), warm)
    reused = _measure_reused(node, _name_app(name, "warm", 0), scale.count(WARM))
    return [
        Figure(f"{name}, cold: virtualenv", cold.ours, beside=_beside(cold)),
        Figure(f"{name}, cold: times faster", cold.times(), "x"),
        Figure(f"{name}, warm: virtualenv", warm.ours, beside=_beside(warm)),
        Figure(f"{name}, warm: times faster", warm.times(), "x", at_least(10)),
        Figure(f"{name}, requirements unchanged: reused", reused),
    ]


def _name_app(name: str, kind: str, index: int) -> str:
    """Far enough from the others not to be taken for a slip."""
    return f"{name}-{kind}-{chr(ord('a') + index) * 4}"


def _beside(rounds: Rounds) -> str:
    return f"venv + pip {render(Figure('', rounds.rivals).median, 's')}"


def _measure_round(node: LiveNode, name: str, app: str, rounds: Rounds) -> None:
    repository = node.repository(app, plain_files(REQUIREMENTS[name]))
    said = repository.push()
    assert said.status == 0, said.all
    rounds.ours.append(read_seconds(said.err, "new virtualenv"))
    layout = node.layout.app(app)
    slug = read_slug(layout.slug(require_live_release(layout).slug))
    assert slug is not None
    assert slug.python_executable is not None
    rounds.rivals.append(_measure_rival(node, Path(slug.python_executable), repository.path / "requirements.txt"))


def _measure_reused(node: LiveNode, app: str, count: int) -> list[float]:
    seconds = []
    repository = node.open_repository(app)
    for _ in range(count):
        repository.commit("Nothing new", {})
        said = repository.push()
        assert said.status == 0, said.all
        seconds.append(read_seconds(said.err, "virtualenv reused"))
    return seconds


def _measure_rival(node: LiveNode, python: Path, requirements: Path) -> float:
    folder = node.folder / "rival-venv"
    environment = {**os.environ, "PIP_CACHE_DIR": str(node.folder / "pip-cache")}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    install = ["-m", "pip", "install", "-qq", "--no-input", "--disable-pip-version-check"]
    began = time.monotonic()
    for argv in (
        [str(python), "-m", "venv", str(folder)],
        [str(folder / "bin/python"), *install, "--requirement", str(requirements)],
    ):
        subprocess.run(argv, env=environment, check=True, timeout=_PIP_TIMEOUT_S, stdout=subprocess.DEVNULL)
    took_s = time.monotonic() - began
    remove_tree(folder)
    return took_s
