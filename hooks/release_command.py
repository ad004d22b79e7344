"""The app's release command: with the new code and config, before any traffic. A failure refuses the release."""

from __future__ import annotations

from deploy.release import Release
from deploy.web import choose_cure
from hooks.release_program import run_in_release
from toppcloud.app_layout import AppLayout
from toppcloud.console import Console
from toppcloud.errors import ToppcloudError
from toppcloud.node import Node
from toppcloud.program import ProgramFailed
from toppcloud.slug import Slug


def run_release_command(node: Node, app: AppLayout, release: Release, slug: Slug, console: Console) -> None:
    """Run it in the release's own source folder, its lines shown as they come. Raises ToppcloudError."""
    command = release.release_command
    assert command is not None
    limit_s = node.settings.release_timeout_s
    began = console.clock()
    console.line(f"-----> release: {command}")
    try:
        run_in_release(node, app, release, slug, command, "release.1", console, timeout_s=limit_s)
    except ProgramFailed as failure:
        cure = choose_cure(app, release)
        ending = "did not end in time" if failure.status_code is None else f"ended with {failure.status_code}"
        raise ToppcloudError(
            f"v{release.version} was not put live: its release command {ending}.",
            f"release: {command}. What it changed in the database before that is still there.",
            f"{cure.again} All its output: {cure.output}",
            reason="release command failed",
        ) from failure
    console.step("release command done", console.clock() - began)
