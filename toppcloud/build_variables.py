"""ROOT/build.env: the operator's variables for every build: package index, certificates, proxies, the PATH to search.

Written when the node first starts, from the environment of that moment; from then on it is the operator's to edit.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Mapping

from toppcloud.dotenv import parse_dotenv
from toppcloud.files import write_file
from toppcloud.layout import Layout

_GIVEN = (
    *("UV_INDEX*", "UV_DEFAULT_INDEX", "UV_EXTRA_INDEX_URL", "UV_FIND_LINKS", "UV_NO_INDEX", "UV_OFFLINE"),
    *("UV_INSECURE_HOST", "UV_SYSTEM_CERTS", "UV_NATIVE_TLS", "UV_HTTP_*", "UV_KEYRING_PROVIDER", "UV_CONFIG_FILE"),
    *("UV_PYTHON_INSTALL_MIRROR", "UV_PYTHON_DOWNLOADS*", "UV_PYTHON_PREFERENCE", "UV_EXCLUDE_NEWER"),
    *("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS", "PIP_NO_INDEX", "PIP_TRUSTED_HOST", "PIP_CERT"),
    *("SSL_CERT_FILE", "SSL_CERT_DIR", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"),
    *("http_proxy", "https_proxy", "all_proxy", "no_proxy"),
)
_SEARCHED = ("PATH", "PYENV_ROOT", "HOME")
_COMMENT = (
    "# Variables for every build: package index, certificates, proxies. PATH, HOME, PYENV_ROOT: to find Pythons.\n"
)


def choose_build_variables(environ: Mapping[str, str]) -> dict[str, str]:
    """Those of `environ` that concern builds. Nothing else of the node's environment reaches one."""
    patterns = (*_GIVEN, *_SEARCHED)
    return {
        key: value
        for key, value in sorted(environ.items())
        if value and any(fnmatch.fnmatchcase(key, pattern) for pattern in patterns)
    }


def is_given_to_builds(key: str) -> bool:
    """Whether a variable is for the build itself, and not only for finding interpreters."""
    return key not in _SEARCHED


def record_build_variables(layout: Layout, environ: Mapping[str, str]) -> None:
    """Write build.env (0600: an index address may hold a password) unless it is there."""
    if layout.build_env.exists():
        return
    lines = [f"{key}={_quote(value)}\n" for key, value in choose_build_variables(environ).items()]
    write_file(layout.build_env, _COMMENT + "".join(lines), mode=0o600)


def read_build_variables(layout: Layout, environ: Mapping[str, str]) -> dict[str, str]:
    """What build.env says; before it is written, what `environ` says."""
    try:
        return parse_dotenv(layout.build_env.read_text())
    except FileNotFoundError:
        return choose_build_variables(environ)


def _quote(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\r", "\\r")
    return f'"{escaped}"'
