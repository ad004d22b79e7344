"""The floors of the house: imports go down only, and the distribution owns its folders."""

from __future__ import annotations

import ast
from importlib import metadata
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
MAY_IMPORT = {
    "toppcloud": set(),
    "buildpacks": {"toppcloud"},
    "deploy": {"toppcloud"},
    "hooks": {"toppcloud", "buildpacks", "deploy"},
    "receiver": {"toppcloud", "hooks", "deploy"},
}
MODULES = sorted(path for floor in MAY_IMPORT for path in (ROOT / floor).rglob("*.py"))


def imported_names(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
    return names


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_go_down_only(path: Path) -> None:
    floor = path.relative_to(ROOT).parts[0]
    floors = {name.split(".")[0] for name in imported_names(path)} & set(MAY_IMPORT)
    assert floors <= MAY_IMPORT[floor] | {floor}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_only_one_module_runs_programs(path: Path) -> None:
    if path != ROOT / "toppcloud" / "program.py":
        assert "subprocess" not in imported_names(path)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_modules_say_what_they_are(path: Path) -> None:
    if path.stat().st_size:
        assert ast.get_docstring(ast.parse(path.read_text()))


def test_installed_distribution_owns_its_top_level_names() -> None:
    owners = metadata.packages_distributions()
    for floor in MAY_IMPORT:
        assert set(owners[floor]) == {"toppcloud"}
