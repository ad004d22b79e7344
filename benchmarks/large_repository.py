"""A repository of many files: the small Flask app, and beside it modules and texts of some hundred bytes to 8 KB."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.sample_apps import flask_files

_IN_A_FOLDER = 100
_PYTHON_EVERY = 5
_LINES = (4, 12, 25, 40, 60, 90, 180)


def large_files(count: int, version: str) -> dict[str, str]:
    """{"part007/module0735.py": "VALUE_0 = 735...", ...}: `count` files in all, a fifth of them Python."""
    files = flask_files(version)
    return files | dict(_fill(count - len(files)))


def _fill(count: int) -> Iterator[tuple[str, str]]:
    for number in range(count):
        folder = f"part{number // _IN_A_FOLDER:03d}"
        lines = range(_LINES[number % len(_LINES)])
        if number % _PYTHON_EVERY:
            yield f"{folder}/text{number:05d}.txt", "".join(f"Line {i} of text {number}, for nobody.\n" for i in lines)
        else:
            yield f"{folder}/module{number:05d}.py", "".join(f"VALUE_{i} = {number} * {i}\n" for i in lines)
