"""A classic buildpack before Python's: what it brought is there when packages are compiled, and when Django asks."""

from __future__ import annotations

from pathlib import Path

import pytest

pytestmark = pytest.mark.node

COMPILE = """\
#!/bin/sh
mkdir -p "$1/.tools"
printf '#!/bin/sh\\necho compiled' > "$1/.tools/compiler"
chmod +x "$1/.tools/compiler"
echo "export PATH=\\"$1/.tools:\\$PATH\\" C_INCLUDE_PATH=$1/.tools/include" > "$(dirname "$0")/../export"
"""
BACKEND = '''\
"""Makes the wheel that a compiler's answer goes into; needs nothing that would have to be fetched."""
import os, subprocess, zipfile

INFO = "native-1.dist-info"

def build_wheel(folder, config_settings=None, metadata_directory=None):
    said = subprocess.check_output(["compiler"], text=True).strip()
    files = {
        "native.py": f"SAID = {said!r}\\nHEADERS = {os.environ['C_INCLUDE_PATH'].rpartition('/')[2]!r}\\n",
        f"{INFO}/METADATA": "Metadata-Version: 2.1\\nName: native\\nVersion: 1\\n",
        f"{INFO}/WHEEL": "Wheel-Version: 1.0\\nGenerator: x\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n",
    }
    record = "".join(f"{name},,\\n" for name in [*files, f"{INFO}/RECORD"])
    with zipfile.ZipFile(os.path.join(folder, "native-1-py3-none-any.whl"), "w") as wheel:
        for name, text in {**files, f"{INFO}/RECORD": record}.items():
            wheel.writestr(name, text)
    return "native-1-py3-none-any.whl"
'''
PROJECT = {
    "requirements.txt": "./native\n",
    "Procfile": "web: python app.py\n",
    "native/pyproject.toml": """\
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
[project]
name = "native"
version = "1"
""",
    "native/backend.py": BACKEND,
}


@pytest.fixture
def tools(folder: Path) -> Path:
    for name, text in {"bin/detect": "#!/bin/sh\necho Tools\n", "bin/compile": COMPILE}.items():
        path = folder / "tools" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o755)
    return folder / "tools"


def test_package_is_compiled_with_what_the_buildpack_before_brought(builder, tools):
    files = {**PROJECT, ".buildpacks": f"{tools}\nheroku/python\n"}
    slug = builder.push(files)
    (native,) = builder.app.slug(slug.id).venv.glob("lib/python*/site-packages/native.py")
    assert native.read_text() == "SAID = 'compiled'\nHEADERS = 'include'\n"
    assert slug.processes == {"web": "python app.py"}
    assert slug.buildpack.startswith(f"{tools}, python ")


def test_virtualenv_is_shared_although_the_tools_lie_elsewhere_in_each_slug(builder, tools):
    files = {**PROJECT, ".buildpacks": f"{tools}\npython\n"}
    first = builder.push(files)
    second = builder.push({**files, "app.py": "print('changed')"})
    assert first.id != second.id
    assert first.venv_key == second.venv_key
    assert "virtualenv reused" in builder.text
