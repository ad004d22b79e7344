"""The app's release command: with the new code and config, before any traffic. A failure refuses the release."""

from __future__ import annotations

import time

from deploy.app_settings import read_app_settings
from deploy.command_text import parse_command, render_argv
from deploy.launcher import choose_port
from deploy.profile import with_profile
from deploy.release import Release
from deploy.start import process_environment
from deploy.web import choose_cure
from toppcloud.app_layout import AppLayout
from toppcloud.console import Console
from toppcloud.errors import ToppcloudError
from toppcloud.node import Node
from toppcloud.program import ProgramFailed, run
from toppcloud.slug import Slug


def run_release_command(node: Node, app: AppLayout, release: Release, slug: Slug, console: Console) -> None:
    """Run it in the release's own source folder, its lines shown as they come. Raises ToppcloudError."""
    command = release.release_command
    assert command is not None
    port, source = choose_port(), app.release(release.version).source
    environment = process_environment(node, app, release, slug, read_app_settings(app), "release.1", port)
    began = time.monotonic()
    console.line(f"-----> release: {command}")
    try:
        run(
            with_profile(source, render_argv(parse_command(command), port)),
            env=environment,
            cwd=source,
            timeout_s=node.settings.release_timeout_s,
            account=node.account,
            on_line=console.detail,
        )
    except ProgramFailed as failure:
        cure = choose_cure(app, release)
        ending = "did not end in time" if failure.status_code is None else f"ended with {failure.status_code}"
        raise ToppcloudError(
            f"v{release.version} was not put live: its release command {ending}.",
            f"release: {command}. What it changed in the database before that is still there.",
            f"{cure.again} All its output: {cure.output}",
            reason="release command failed",
        ) from failure
    console.step("release command done", time.monotonic() - began)
