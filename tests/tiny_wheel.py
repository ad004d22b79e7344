"""A package with one module, as a wheel: the same bytes whenever it is made."""

from __future__ import annotations

import io
import zipfile

_TIME = (2026, 11, 22, 14, 45, 4)


def make_wheel(module: str) -> bytes:
    """`extra` -> what lies in extra-1.0-py3-none-any.whl: `extra.answer` is 42."""
    folder, content = f"{module}-1.0.dist-info", io.BytesIO()
    files = {
        f"{module}.py": "answer = 42\n",
        f"{folder}/METADATA": f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.0\n",
        f"{folder}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{folder}/RECORD": f"{module}.py,,\n",
    }
    with zipfile.ZipFile(content, "w") as wheel:
        for name, text in files.items():
            wheel.writestr(zipfile.ZipInfo(name, _TIME), text)
    return content.getvalue()
