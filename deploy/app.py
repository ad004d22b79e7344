"""An app on the disk: made, found, renamed, destroyed."""

from __future__ import annotations

import secrets
from pathlib import Path

from deploy.doorman_client import DoormanClient
from deploy.kept_files import gather_databases, save_files
from deploy.provisioning import destroy_services
from deploy.settle import parse_program
from deploy.supervisor import Supervisor
from toppcloud.app_layout import AppLayout
from toppcloud.errors import ToppcloudError, suggest_nearest
from toppcloud.files import remove_tree, swap_symlink
from toppcloud.names import find_near_app, parse_app_name
from toppcloud.node import Node


def require_app(node: Node, name: str) -> AppLayout:
    """The app called `name`; a refusal with the nearest one when there is none."""
    app = node.layout.app(parse_app_name(name))
    if not app.folder.is_dir():
        near = suggest_nearest(name, node.layout.app_names())
        raise ToppcloudError(f"There is no app '{name}'.{near}", "", "See: toppcloud apps", reason="no such app")
    return app


def create_app(node: Node, name: str) -> AppLayout:
    """A new app with its address; the folder is made aside and renamed, so that it is there whole or not at all."""
    app = node.layout.app(parse_app_name(name))
    aside = AppLayout(node.layout.apps / f".new-{secrets.token_hex(4)}")
    aside.folder.mkdir(mode=0o755)
    for folder, mode in (
        (aside.venvs, 0o755),
        (aside.slugs, 0o711),
        (aside.releases, 0o711),
        (aside.files, 0o755),
        (aside.log, 0o755),
    ):
        folder.mkdir(mode=mode)
        folder.chmod(mode)
    node.account.own(aside.files)
    try:
        aside.folder.rename(app.folder)
    except OSError as error:
        remove_tree(aside.folder)
        raise ToppcloudError(
            f"There is an app '{name}' already.",
            "",
            f"Push to it: toppcloud git:remote {name}",
            reason="app exists already",
        ) from error
    add_route(node, app, node.settings.host(name))
    return app


def refuse_near_name(node: Node, name: str) -> None:
    """A push to a new name that is one edit away from an existing app is more likely a slip than a wish."""
    near = find_near_app(name, node.layout.app_names())
    if near:
        raise ToppcloudError(
            f"There is no app '{name}', but there is '{near}'.",
            "A first push creates an app, unless its name is one letter away from another's.",
            f"Meant {near}? toppcloud git:remote {near}      A new app? toppcloud apps:create {name}",
            reason=f"did you mean {near}?",
        )


def add_route(node: Node, app: AppLayout, host: str) -> None:
    """Let `host` lead to the app, from this moment on."""
    swap_symlink(node.layout.route(host), f"../apps/{app.name}")


def remove_route(node: Node, host: str) -> None:
    """Let `host` lead nowhere: the router answers 404."""
    node.layout.route(host).unlink(missing_ok=True)


def list_hosts(node: Node, app: AppLayout) -> list[str]:
    """The host names that lead to the app, as people write them."""
    hosts = []
    for path in node.layout.routes.iterdir():
        if path.is_symlink() and Path(path.readlink()).name == app.name and not path.name.startswith("."):
            hosts.append(f"*{path.name[1:]}" if path.name.startswith("_.") else path.name)
    return sorted(hosts)


def stop_app(node: Node, app: AppLayout) -> None:
    """Close the app's sockets, so that nobody wakes it any more, and end all its processes at once."""
    doorman = DoormanClient(node.layout)
    for number in app.release_numbers():
        starts = app.release(number).starts
        for path in starts.iterdir() if starts.is_dir() else ():
            doorman.close(app.name, number, int(path.name))
    supervisor = Supervisor(node.layout)
    names = [name for name in supervisor.states(prefix=f"{app.name}.") if parse_program(name)]
    for name in names:
        supervisor.stop(name, wait=False)
    for name in names:
        supervisor.remove(name)


def require_free_name(node: Node, name: str) -> AppLayout:
    """Where an app of that name would lie. Raises ToppcloudError when it cannot be a name, or is another app's."""
    target = node.layout.app(parse_app_name(name))
    if target.folder.exists():
        raise ToppcloudError(f"There is an app '{name}' already.", "", "Choose another name.")
    return target


def rename_app(node: Node, app: AppLayout, new_name: str) -> AppLayout:
    """Give an app that is not running another name: its folder and its routes. Its database keeps its names."""
    target = require_free_name(node, new_name)
    hosts = list_hosts(node, app)
    app.folder.rename(target.folder)
    for number in target.release_numbers():
        remove_tree(target.release(number).starts)  # the files of a start name the folder
    for host in hosts:
        if host == node.settings.host(app.name):
            remove_route(node, host)
        else:
            add_route(node, target, host)
    add_route(node, target, node.settings.host(new_name))
    return target


def destroy_app(node: Node, app: AppLayout, *, keeps_data: bool) -> list[Path]:
    """Routes first, then processes, then services and the folder. Returns the dumps that were kept."""
    for host in list_hosts(node, app):
        remove_route(node, host)
    stop_app(node, app)
    if keeps_data:
        gather_databases(node, app)
    dumps = destroy_services(node, app, keep=keeps_data)
    if keeps_data:
        dumps += save_files(node.layout, app)
    remove_tree(app.folder)
    return dumps
