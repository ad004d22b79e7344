"""Editable installs that follow the release: a pushed project is built in one folder and runs in others.

Installers write the absolute path of the source into .pth files and import finders. Every process has the release's
source folder as HOME, so that path is put there instead, and the virtualenv no longer names one slug.
"""

from __future__ import annotations

import re
from pathlib import Path


def rebase_editables(venv: Path, source: Path) -> None:
    """Rewrite what the installer left in `venv` about `source`."""
    for packages in venv.glob("lib/python3*/site-packages"):
        for path in packages.glob("*.pth"):
            _replace(path, render_pth(path.read_text(), str(source)))
        for path in packages.glob("__editable__*.py"):
            _replace(path, render_finder(path.read_text(), str(source)))


def render_pth(text: str, source: str) -> str:
    """`/slug/source/src` -> a line that puts `src` of the running release on sys.path."""
    return "\n".join(_render_pth_line(line, source) for line in text.split("\n"))


def _render_pth_line(line: str, source: str) -> str:
    path = line.strip()
    if path != source and not path.startswith(f"{source}/"):
        return line
    inner = path[len(source) + 1 :]
    place = f"os.path.join(os.environ.get('HOME') or {source!r}, {inner!r})" if inner else ""
    place = place or f"os.environ.get('HOME') or {source!r}"
    return f"import os, sys; sys.path.append({place})"


def render_finder(text: str, source: str) -> str:
    """The paths in a setuptools finder, `MAPPING = {'blog': '/slug/source/src/blog'}`, as expressions on HOME."""
    literal = re.compile(rf"(['\"]){re.escape(source)}(/[^'\"\\]*)?\1")
    home = f"(__import__('os').environ.get('HOME') or {source!r})"
    return literal.sub(lambda match: f"{home} + {match[2]!r}" if match[2] else home, text)


def _replace(path: Path, text: str) -> None:
    """A new file in place of the old: the old one may be a link into uv's cache."""
    if text != path.read_text():
        aside = path.with_name(f"{path.name}.new")
        aside.unlink(missing_ok=True)
        aside.write_text(text)
        aside.replace(path)
