"""The uv program: where it lies, and the environment that it and all other build steps are given."""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from toppcloud.account import Account
from toppcloud.build_variables import is_given_to_builds, read_build_variables
from toppcloud.errors import ToppcloudError
from toppcloud.layout import Layout
from toppcloud.node import Node
from toppcloud.program import BASE_PATH

SYSTEM_CERTIFICATES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
)
_PIP_AS_UV = {
    "PIP_INDEX_URL": "UV_DEFAULT_INDEX",
    "PIP_EXTRA_INDEX_URL": "UV_INDEX",
    "PIP_FIND_LINKS": "UV_FIND_LINKS",
    "PIP_NO_INDEX": "UV_NO_INDEX",
    "PIP_TRUSTED_HOST": "UV_INSECURE_HOST",
    "PIP_CERT": "SSL_CERT_FILE",
}
_OURS = frozenset(
    (
        *("PYTHONHOME", "PYTHONPATH", "PYTHONDONTWRITEBYTECODE", "PYTHONUSERBASE", "VIRTUAL_ENV"),
        *("UV_PYTHON", "UV_PROJECT", "UV_PROJECT_ENVIRONMENT", "UV_WORKING_DIRECTORY", "UV_SYSTEM_PYTHON"),
        *("UV_BREAK_SYSTEM_PACKAGES", "UV_CACHE_DIR", "UV_NO_CACHE", "UV_TOOL_DIR", "UV_PYTHON_INSTALL_DIR"),
        *("UV_LINK_MODE", "UV_COMPILE_BYTECODE"),
    )
)
_KEYED = re.compile(
    r"(PIP|UV|SETUPTOOLS|CARGO|RUST|CMAKE|PKG_CONFIG)_?\w*\Z|(CC|CXX|AR|LD|CPATH|\w*FLAGS|\w+_LIBS|\w+_CONFIG)\Z"
    r"|(C|CPLUS)_INCLUDE_PATH\Z|(LD_)?LIBRARY_PATH\Z|\w*PRETEND_VERSION\w*\Z"
)
_CREDENTIALS = re.compile(r"(?<=://)[^/\s@]+@")


@dataclass(frozen=True)
class BuildEnvironment:
    """Where a build's programs run: made from nothing but these variables."""

    install: Mapping[str, str]
    """For uv and the package builds that it starts."""
    app: Mapping[str, str]
    """For the app's own build steps; PATH is without the virtualenv."""
    variables: Mapping[str, str] = field(default_factory=dict)
    """Config and service variables, and no others."""

    def keyed(self, names: frozenset[str]) -> dict[str, str]:
        """Those that decide what an installation yields: index and build variables, and `names`."""
        return {k: v for k, v in sorted(self.install.items()) if k in names or (_KEYED.match(k) and k not in _OURS)}


def make_build_environment(node: Node, variables: Mapping[str, str], temporary: Path) -> BuildEnvironment:
    """Config and service `variables` on top of the operator's build.env, on top of our own few."""
    for folder in (node.layout.build_home, node.layout.uv_cache, temporary):
        make_folder(folder, node.account)
    operator = read_build_variables(node.layout, os.environ)
    base = {
        "PATH": BASE_PATH,
        "HOME": str(node.layout.build_home),
        "LANG": "C.UTF-8",
        "TMPDIR": str(temporary),
    }
    given = {key: value for key, value in operator.items() if is_given_to_builds(key)}
    merged = {**base, **_choose_certificates(), **_as_uv(given), **_as_uv(variables)}
    install = {key: value for key, value in merged.items() if key not in _OURS and key not in ("PATH", "HOME")}
    install |= {"PATH": BASE_PATH, "HOME": base["HOME"], "TMPDIR": base["TMPDIR"]}
    install |= {"UV_CACHE_DIR": str(node.layout.uv_cache), "UV_PYTHON_DOWNLOADS": "never", "UV_NO_PROGRESS": "1"}
    install.setdefault("UV_HTTP_RETRIES", "2")
    app = {**base, "PYTHONUNBUFFERED": "1", **{k: str(v) for k, v in variables.items()}, "TMPDIR": base["TMPDIR"]}
    app.pop("PYTHONDONTWRITEBYTECODE", None)
    return BuildEnvironment(install, app, {key: str(value) for key, value in variables.items()})


def operator_environment(node: Node) -> dict[str, str]:
    """For uv when it fetches interpreters: the operator's variables only, since what it writes is for all apps."""
    operator = read_build_variables(node.layout, os.environ)
    given = {key: value for key, value in operator.items() if is_given_to_builds(key)}
    return {
        "PATH": BASE_PATH,
        "HOME": str(node.layout.cache),
        **_choose_certificates(),
        **_as_uv(given),
        "UV_HTTP_RETRIES": "0",
        "UV_NO_CACHE": "1",
    }


def find_uv(layout: Layout, account: Account) -> Path:
    """uv, where `account` can run it: beside our own Python, or a copy in the node's cache. Raises ToppcloudError."""
    beside = Path(sys.executable).with_name("uv")
    found = shutil.which(beside) or shutil.which("uv", path=BASE_PATH)
    if found is None:
        raise ToppcloudError(
            "The node has no uv.",
            f"It is neither {beside} nor on {BASE_PATH}.",
            "Install it: pip install 'toppcloud[node]'",
            reason="uv is missing",
        )
    program = Path(found)
    if account.is_self or account.find_closed(program) is None:
        return program
    info = program.stat()
    copy = layout.build_programs / f"uv-{info.st_size}-{info.st_mtime_ns}"
    if not copy.exists():
        layout.build_programs.mkdir(parents=True, exist_ok=True)
        aside = copy.with_name(f".new-{os.getpid()}")
        shutil.copyfile(program, aside)
        aside.chmod(0o755)
        aside.rename(copy)
    return copy


def make_folder(folder: Path, account: Account) -> None:
    """A folder that `account` may write to, and nobody else needs to."""
    if not folder.is_dir():
        folder.parent.mkdir(parents=True, exist_ok=True)
        folder.mkdir(mode=0o755, exist_ok=True)
        account.own(folder)


def hide_credentials(line: str) -> str:
    """`https://user:secret@host/` -> `https://***@host/`."""
    return _CREDENTIALS.sub("***@", line)


def _as_uv(variables: Mapping[str, str]) -> dict[str, str]:
    """The variables, with pip's names for indexes and certificates said to uv as well. uv's own name wins."""
    said = {_PIP_AS_UV[key]: str(value) for key, value in variables.items() if key in _PIP_AS_UV}
    if "UV_FIND_LINKS" in said:
        said["UV_FIND_LINKS"] = ",".join(said["UV_FIND_LINKS"].split())
    if "UV_INDEX_URL" in variables:
        said.pop("UV_DEFAULT_INDEX", None)
    if "UV_EXTRA_INDEX_URL" in variables:
        said.pop("UV_INDEX", None)
    return {**said, **{key: str(value) for key, value in variables.items()}}


def _choose_certificates() -> dict[str, str]:
    """The system's own certificates count, as they do for every other program of this machine."""
    has_system = any(Path(path).exists() for path in SYSTEM_CERTIFICATES)
    return {"UV_SYSTEM_CERTS": "true", "UV_NATIVE_TLS": "true"} if has_system else {}
