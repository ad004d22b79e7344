"""node.toml: the settings of a node, written at the first start with every default shown.

ssh = "127.0.0.1:2222"      # where people and git connect
"""

from __future__ import annotations

import dataclasses
import json
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from toppcloud.errors import ToppcloudError, suggest_nearest
from toppcloud.files import write_file
from toppcloud.idle import parse_idle

DEFAULT_SSH = "127.0.0.1:2222"
DEFAULT_HTTP = "127.0.0.1:8080"
ROUTERS = ("caddy", "nginx")
_KINDS = {int: "a number", str: "a text", bool: "true or false"}


def _setting(default: Any, comment: str) -> Any:
    return dataclasses.field(default=default, metadata={"comment": comment})


@dataclass(frozen=True)
class NodeSettings:
    """Everything that an operator may turn. Sizes in MB, times in seconds."""

    ssh: str = _setting(DEFAULT_SSH, "where people and git connect")
    http: str = _setting(DEFAULT_HTTP, "where the router listens")
    router: str = _setting("caddy", "what answers there: caddy or nginx")
    largest_upload_mb: int = _setting(512, "a visitor may send an app so much at once")
    domain: str = _setting("localhost", "an app called blog answers at blog.DOMAIN")
    app_user: str = _setting("toppcloud", "the account of pushed code, when the node runs as root")
    database_user: str = _setting("toppcloud-pg", "the account of the embedded database, when the node runs as root")
    router_user: str = _setting("toppcloud-router", "the account of the router, when the node runs as root")
    python: str = _setting("", "Python for apps that name none, as 3.12; empty: the newest that the node has")
    allow_old_python: bool = _setting(False, "apps may use a Python that is past its end of life")
    node: str = _setting("", "folder with node and npm, as /opt/node-22/bin, or several with :; empty: the usual PATH")
    ruby: str = _setting("", "folder with ruby and bundle, likewise")
    kept_releases: int = _setting(10, "releases per app that can be rolled back to")
    largest_pack_mb: int = _setting(1024, "a push may send so much")
    largest_inflated_mb: int = _setting(4096, "and so much when inflated")
    largest_blob_mb: int = _setting(256, "and no file larger than this")
    session_memory_mb: int = _setting(2048, "memory of one SSH session's worker process")
    build_timeout_s: int = _setting(900, "a build may take so long")
    hook_timeout_s: int = _setting(900, "an app's bin/pre_compile or bin/post_compile may take so long")
    release_timeout_s: int = _setting(900, "an app's release command may take so long")
    postdeploy_timeout_s: int = _setting(900, "and the postdeploy script of its app.json")
    boot_timeout_s: int = _setting(60, "a web process must answer within this, unless [checks] timeout says otherwise")
    drain_timeout_s: int = _setting(30, "a request may run so long on the old release after a deploy")
    idle: str = _setting("30m", "an app sleeps when nobody visits it for so long, unless it says otherwise; or never")
    log_size_mb: int = _setting(10, "a log file is turned over at this size")
    log_files: int = _setting(3, "and so many of each are kept, the one being written among them")
    postgres_url: str = _setting("", "admin URL of a PostgreSQL server; empty: the embedded one")
    postgres_port: int = _setting(0, "port of the embedded PostgreSQL; 0 until it is first needed")

    @property
    def ssh_address(self) -> tuple[str, int]:
        return parse_address(self.ssh)

    @property
    def http_address(self) -> tuple[str, int]:
        return parse_address(self.http)

    def url(self, app_or_host: str) -> str:
        """`http://blog.localhost:8080/` for `blog`, or for a whole host name."""
        host = app_or_host if "." in app_or_host else self.host(app_or_host)
        port = self.http_address[1]
        return f"http://{host}/" if port == 80 else f"http://{host}:{port}/"

    def host(self, app: str) -> str:
        """The host name that every app has: `blog.localhost`."""
        return f"{app}.{self.domain}"


def parse_address(text: str) -> tuple[str, int]:
    """`127.0.0.1:2222`, `[::1]:2222` or `localhost:2222` -> (host, port)."""
    host, colon, port = text.rpartition(":")
    if not colon or not host or not port.isascii() or not port.isdigit() or not 0 < int(port) < 65536:
        raise ToppcloudError(
            f"'{text}' is not an address.", "An address is HOST:PORT.", "Example: 127.0.0.1:2222", status=2
        )
    return host.strip("[]"), int(port)


def read_settings(path: Path) -> NodeSettings:
    """The settings in node.toml; defaults where it is silent. Raises ToppcloudError naming file, line or key."""
    try:
        values = tomllib.loads(path.read_text())
    except FileNotFoundError:
        return NodeSettings()
    except tomllib.TOMLDecodeError as error:
        raise ToppcloudError(f"{path} cannot be read.", str(error), "Correct that line.") from error
    fields = {field.name: field for field in dataclasses.fields(NodeSettings)}
    for key, value in values.items():
        if key not in fields:
            raise ToppcloudError(
                f"{path} has an unknown setting '{key}'.",
                suggest_nearest(key, fields).strip(),
                f"Correct or remove '{key}'.",
            )
        wanted = type(fields[key].default)
        if type(value) is not wanted:
            raise ToppcloudError(f"{path}: {key} must be {_KINDS[wanted]}.", f"It is {json.dumps(value, default=str)}.")
    settings = NodeSettings(**values)
    parse_address(settings.ssh)
    parse_address(settings.http)
    parse_idle(settings.idle)
    _check_values(path, settings)
    return settings


def parse_router(text: str) -> str:
    """`caddy` or `nginx`."""
    if text not in ROUTERS:
        near = suggest_nearest(text, ROUTERS)
        raise ToppcloudError(f"'{text}' is no router.{near}", f"Known: {', '.join(ROUTERS)}.", status=2)
    return text


def _check_values(path: Path, settings: NodeSettings) -> None:
    try:
        parse_router(settings.router)
    except ToppcloudError as error:
        raise ToppcloudError(f"{path}: {error.what}", error.why) from error
    for key in ("log_size_mb", "log_files", "largest_upload_mb"):
        if getattr(settings, key) < 1:
            raise ToppcloudError(f"{path}: {key} must be 1 or more.", f"It is {getattr(settings, key)}.")


def render_settings(settings: NodeSettings) -> str:
    """node.toml with each setting, its value and what it is for."""
    lines = ["# toppcloud node. Change a value, then: toppcloud node stop; toppcloud node start"]
    for field in dataclasses.fields(settings):
        assignment = f"{field.name} = {json.dumps(getattr(settings, field.name))}"
        lines.append(f"{assignment:<32}  # {field.metadata['comment']}")
    return "\n".join(lines) + "\n"


def write_settings(path: Path, settings: NodeSettings) -> None:
    """Replace node.toml (0600: it may hold a database's admin URL)."""
    write_file(path, render_settings(settings), mode=0o600)
