"""A pusher with a real git on one side, the handlers on the other, and nothing but pipes between them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

SERVE = Path(__file__).with_name("serve_git.py")
GIT = shutil.which("git")


@dataclass
class Pusher:
    """A clone, its remote `toppcloud`, and how the node behind that behaves."""

    folder: Path
    clone: Path
    node_git: str | None

    @property
    def repository(self) -> Path:
        return self.folder / "node" / "blog"

    @property
    def environment(self) -> dict[str, str]:
        identity = {f"GIT_{who}_{what}": "ana@x" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": "init.defaultBranch",
            "GIT_CONFIG_VALUE_0": "main",
            "GIT_SSH_COMMAND": f"{sys.executable} {SERVE} {self.folder / 'settings.json'}",
            "GIT_SSH_VARIANT": "simple",
            "GIT_TERMINAL_PROMPT": "0",
            **identity,
        }

    def set_node(self, deploy: str = "accept", limits: tuple[int, int, int] = (10**8, 10**8, 10**7)) -> None:
        root = self.folder / "node"
        root.mkdir(exist_ok=True)
        settings = {"root": str(root), "git": self.node_git, "limits": limits, "deploy": deploy}
        (self.folder / "settings.json").write_text(json.dumps(settings))

    def git(self, *words: str, folder: Path | None = None, status: int | None = 0, **more) -> str:
        """Run git in the clone; its stdout and stderr together, as a person sees them."""
        done = subprocess.run(
            [GIT, *words],
            cwd=folder or self.clone,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=60,
            **more,
        )
        text = done.stdout.decode("utf-8", "replace")
        assert status is None or done.returncode == status, text
        return text

    def start_git(self, *words: str) -> subprocess.Popen:
        return subprocess.Popen(
            [GIT, *words], cwd=self.clone, env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )

    def commit(self, message: str = "Add search", **files: str | bytes) -> str:
        """Commit files (`manage_py` is written as manage.py) and return the commit."""
        for name, content in (files or {"app_py": message}).items():
            path = self.clone / name.replace("_py", ".py")
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
        self.git("add", "-A")
        self.git("commit", "-q", "-m", message)
        return self.head()

    def head(self) -> str:
        return self.git("rev-parse", "HEAD").strip()

    def push(self, *words: str, status: int = 0) -> str:
        return self.git("push", *(words or ("toppcloud", "main")), status=status)

    def node(self, *words: str, status: int | None = 0) -> str:
        """Run git in the node's repository."""
        return self.git("--git-dir", str(self.repository), *words, folder=self.folder, status=status)

    def references(self) -> dict[str, str]:
        lines = self.node("for-each-ref", "--format=%(refname) %(objectname)").split()
        return dict(zip(lines[::2], lines[1::2], strict=True))

    def assert_clean(self) -> None:
        """Nothing is left of what was not accepted, and all that is there is whole."""
        assert list((self.repository / "quarantine").iterdir()) == []
        assert not [path for path in self.repository.rglob("*") if path.name.startswith(("tmp_", ".new-"))]
        assert not list(self.repository.rglob("*.lock"))
        self.node("fsck", "--full", "--strict", "--no-dangling")


@pytest.fixture(params=["git on the node", "no git on the node"])
def pusher(tmp_path: Path, request: pytest.FixtureRequest) -> Pusher:
    """A clone with one commit, and a node that accepts; once with git on the node and once without."""
    made = Pusher(tmp_path, tmp_path / "clone", GIT if request.param == "git on the node" else None)
    made.set_node()
    made.clone.mkdir()
    made.git("init", "-q")
    made.git("remote", "add", "toppcloud", "ssh://node/blog")
    made.commit("First")
    return made
