"""Another name for an app: its folder and routes, and the virtualenvs, which hold the folder's path."""

from __future__ import annotations

from buildpacks.virtualenv import move_virtualenvs
from deploy.app import rename_app
from toppcloud.app_layout import AppLayout
from toppcloud.node import Node


def give_name(node: Node, app: AppLayout, new_name: str) -> AppLayout:
    """Rename an app that is not running. Raises ToppcloudError when there is one of that name."""
    renamed = rename_app(node, app, new_name)
    move_virtualenvs(renamed, app)
    return renamed
