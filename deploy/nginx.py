"""nginx as the router: Debian's program, with one static configuration. It buffers slow visitors away from the apps."""

from __future__ import annotations

import resource
import socket
from pathlib import Path

from deploy.forged_headers import FORGED_HEADERS
from deploy.media_types import MEDIA_TYPES, UTF_8
from deploy.render import render_template
from toppcloud.errors import ToppcloudError
from toppcloud.program import BASE_PATH, find_program

_LISTEN_FD = 3
_DESCRIPTORS = 65536


def find_nginx() -> Path:
    """The machine's own. Raises ToppcloudError with the line to type when it has none."""
    found = find_program("nginx", BASE_PATH)
    if found is None:
        raise ToppcloudError(
            "The router is missing.",
            f"There is no nginx on {BASE_PATH}.",
            "Install it: apt install nginx-light && systemctl disable --now nginx\n"
            "or take the router that comes along: toppcloud node start --router caddy",
        )
    return found


def nginx_argv(program: Path, configuration: Path) -> list[str]:
    """`-p .`: whatever nginx names lies below the current directory, which is the node's root."""
    return [str(program), "-p", ".", "-e", "stderr", "-c", str(configuration)]


def nginx_environment() -> dict[str, str]:
    """How nginx takes over a listening socket. Source: ngx_add_inherited_sockets in nginx.c."""
    return {"NGINX": f"{_LISTEN_FD};"}


def render_nginx(
    address: tuple[str, int], pages: dict[str, str], *, largest_upload_mb: int, descriptors: int, errors_log: str
) -> str:
    """nginx.conf. `address` is that of the inherited socket: nginx closes one that no `listen` names."""
    return render_template(
        "nginx.conf.j2",
        listen=render_listen(address),
        port=address[1],
        largest_upload_mb=largest_upload_mb,
        descriptors=descriptors,
        connections=max(64, descriptors // 3),
        errors_log=errors_log,
        media_types=MEDIA_TYPES,
        utf_8=sorted(UTF_8),
        forged_headers=FORGED_HEADERS,
        **pages,
    )


def render_listen(address: tuple[str, int]) -> str:
    """`127.0.0.1:8080` or `[::1]:8080`, as the kernel would name the socket; names are resolved."""
    family, _, _, _, resolved = socket.getaddrinfo(*address, type=socket.SOCK_STREAM)[0]
    host, port = str(resolved[0]), int(resolved[1])
    return f"[{host}]:{port}" if family == socket.AF_INET6 else f"{host}:{port}"


def count_descriptors() -> int:
    """How many files and connections a router may have open: as many as the node may give, within reason."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    return min(hard, _DESCRIPTORS) if hard != resource.RLIM_INFINITY else _DESCRIPTORS
