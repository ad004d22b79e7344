"""What a Python file defines at its top level, told without running it.

app = Flask(__name__)          -> Definition("app", "Flask")
def create_app(): ...          -> Definition("create_app", "def"), `makes` {"Flask", …}
"""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_LARGEST_FILE = 500_000
_ASSIGNMENT = re.compile(r"^([A-Za-z_]\w*)\s*(?::[^=\n]+)?=\s*(?:[A-Za-z_]\w*\.)*([A-Za-z_]\w*)\(", re.MULTILINE)
_FUNCTION = re.compile(r"^(?:async\s+)?def\s+([A-Za-z_]\w*)\s*\(\s*\)(.*?)(?=^\S|\Z)", re.MULTILINE | re.DOTALL)
_CALL = re.compile(r"([A-Za-z_]\w*)\(")


@dataclass(frozen=True)
class Definition:
    """A name at the top level: `kind` is what was called for it (`Flask`, `create_app`), or `def`."""

    name: str
    kind: str
    makes: frozenset[str] = frozenset()
    """For a function that can be called without arguments: names of all that it calls."""


def read_definitions(path: Path) -> list[Definition]:
    """What is assigned or defined there; nothing for what cannot be read."""
    try:
        if path.is_symlink() or path.stat().st_size > _LARGEST_FILE:
            return []
        return parse_definitions(path.read_text(errors="replace"))
    except OSError:
        return []


def parse_definitions(text: str) -> list[Definition]:
    """As `read_definitions`. A file in the syntax of a newer Python than ours is read line by line."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            body = ast.parse(text).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return [*_scan_lines(text)]
    return [*_walk(body)]


def find_string_argument(text: str, function: str, first: str) -> str | None:
    """The second argument of `x.setdefault("DJANGO_SETTINGS_MODULE", "blog.settings")`, for that first one."""
    pattern = rf"{re.escape(function)}\(\s*(['\"]){re.escape(first)}\1\s*,\s*(['\"])([\w.]+)\2"
    match = re.search(pattern, text)
    return match[3] if match else None


def _walk(body: list[ast.stmt]) -> Iterator[Definition]:
    for node in body:
        if isinstance(node, ast.Assign | ast.AnnAssign) and isinstance(node.value, ast.Call):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            yield from (Definition(t.id, _called_name(node.value)) for t in targets if isinstance(t, ast.Name))
        elif isinstance(node, ast.FunctionDef) and not _needs_arguments(node.args):
            calls = (_called_name(inner) for inner in ast.walk(node) if isinstance(inner, ast.Call))
            yield Definition(node.name, "def", frozenset(calls))
        elif isinstance(node, ast.Try | ast.With):
            yield from _walk(node.body)


def _needs_arguments(arguments: ast.arguments) -> bool:
    positional = len(arguments.posonlyargs) + len(arguments.args) - len(arguments.defaults)
    return positional > 0 or any(default is None for default in arguments.kw_defaults)


def _called_name(call: ast.Call) -> str:
    """`FastAPI` for `fastapi.FastAPI(...)`."""
    function = call.func
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def _scan_lines(text: str) -> Iterator[Definition]:
    yield from (Definition(match[1], match[2]) for match in _ASSIGNMENT.finditer(text))
    yield from (Definition(match[1], "def", frozenset(_CALL.findall(match[2]))) for match in _FUNCTION.finditer(text))
