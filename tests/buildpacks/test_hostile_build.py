"""What is pushed runs as the account of apps while it is built. Here it sets traps for root, who works there too."""

import os
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="without root there is nobody to trap")

# A build backend that runs no network and plants links where the node is about to write.
BACKEND = """
import glob, os, zipfile
TARGET = {target!r}

def get_requires_for_build_wheel(config=None):
    return []

def plant(link, target):
    if not os.path.lexists(link):
        os.makedirs(os.path.dirname(link), exist_ok=True)
        os.symlink(target, link)

def build_wheel(folder, config=None, metadata=None):
    here = os.path.dirname(os.path.abspath(__file__))
    top = os.path.dirname(here)
    app = os.path.dirname(os.path.dirname(os.path.dirname(top)))
    for venv in glob.glob(app + "/venvs/.new-*"):
        with open(venv + "/bin/trap", "w") as script:
            script.write("#!" + venv + "/bin/python\\n")
        plant(venv + "/bin/.trap.new", TARGET + "/script")
        packages = glob.glob(venv + "/lib/python3*/site-packages")[0]
        with open(packages + "/__editable__trap.py", "w") as finder:
            finder.write("MAPPING = {{'trap': '" + top + "'}}\\n")
        plant(packages + "/__editable__trap.py.new", TARGET + "/finder")
        os.makedirs(packages + "/trap", exist_ok=True)
        open(packages + "/trap/poison.py", "w").close()
        plant(packages + "/trap/__pycache__", TARGET + "/bytecode")
    plant(top + "/code/__pycache__", TARGET + "/bytecode")
    plant(os.environ["TMPDIR"] + "/pins.txt", TARGET + "/pins")
    name = "trap-1.0-py3-none-any.whl"
    with zipfile.ZipFile(os.path.join(folder, name), "w") as wheel:
        wheel.writestr("trap-1.0.dist-info/METADATA", "Metadata-Version: 2.1\\nName: trap\\nVersion: 1.0\\n")
        wheel.writestr("trap-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        wheel.writestr("trap-1.0.dist-info/RECORD", "")
    return name
"""
PYPROJECT = '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'


def make_target(folder: Path) -> Path:
    """Where only root may write."""
    target = folder / "target"
    (target / "bytecode").mkdir(parents=True)
    return target


def hostile_app(target: Path, text: str = "") -> dict[str, str]:
    return {
        "requirements.txt": "./trap\n",
        "trap/pyproject.toml": PYPROJECT,
        "trap/backend.py": BACKEND.format(target=str(target)) + text,
        "code/__init__.py": "",
        "code/settle.py": "x = 1\n",
        "Procfile": "worker: sleep 1000\n",
    }


def test_links_that_a_package_plants_lead_root_nowhere(builder, tmp_path):
    target = make_target(tmp_path)
    builder.push(hostile_app(target))
    builder.push(hostile_app(target, "# other\n"))
    assert [path for path in target.rglob("*") if path.is_file()] == []
