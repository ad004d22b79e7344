"""A program of the app's that runs once in a release before that is live: with its code and config, in its folder."""

from __future__ import annotations

from deploy.app_settings import read_app_settings
from deploy.command_text import parse_command, render_argv
from deploy.launcher import choose_port
from deploy.profile import with_profile
from deploy.release import Release
from deploy.start import process_environment
from toppcloud.app_layout import AppLayout
from toppcloud.console import Console
from toppcloud.node import Node
from toppcloud.program import run
from toppcloud.slug import Slug


def run_in_release(
    node: Node,
    app: AppLayout,
    release: Release,
    slug: Slug,
    command: str,
    name: str,
    console: Console,
    *,
    timeout_s: float,
) -> None:
    """Run `command` as the process `name`, `release.1`; its lines are shown as they come. Raises ProgramFailed."""
    port, source = choose_port(), app.release(release.version).source
    run(
        with_profile(source, render_argv(parse_command(command), port)),
        env=process_environment(node, app, release, slug, read_app_settings(app), name, port),
        cwd=source,
        timeout_s=timeout_s,
        account=node.account,
        on_line=console.detail,
    )
