"""The postdeploy script of app.json: at the first deploy of an app, with the new code and config, before any traffic.

It runs until it has succeeded once, and never after that; a failure refuses the release.
"""

from __future__ import annotations

from deploy.app_settings import read_app_settings, update_app_settings
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


def is_pending(app: AppLayout, slug: Slug) -> bool:
    """Whether the next release is the one that it runs for."""
    return slug.postdeploy is not None and app.live_number() is None and not read_app_settings(app).postdeploy_done


def run_postdeploy(node: Node, app: AppLayout, release: Release, slug: Slug, console: Console) -> bool:
    """Run it if it is pending, its lines shown as they come. Returns whether it ran. Raises ToppcloudError."""
    if slug.postdeploy is None or not is_pending(app, slug):
        return False
    settings = read_app_settings(app)
    port, source = choose_port(), app.release(release.version).source
    limit_s = node.settings.postdeploy_timeout_s
    console.line(f"-----> postdeploy: {slug.postdeploy}")
    began = console.clock()
    try:
        run(
            with_profile(source, render_argv(parse_command(slug.postdeploy), port)),
            env=process_environment(node, app, release, slug, settings, "postdeploy.1", port),
            cwd=source,
            timeout_s=limit_s,
            account=node.account,
            on_line=console.detail,
        )
    except ProgramFailed as failure:
        cure = choose_cure(app, release)
        status, limit = failure.status_code, f"{limit_s} s (postdeploy_timeout_s)"
        ending = f"did not end within {limit}" if status is None else f"ended with {status}"
        raise ToppcloudError(
            f"v{release.version} was not put live: the postdeploy script of app.json {ending}.",
            f"{slug.postdeploy}: what it changed before that is still there. It runs again with the next push.",
            f"{cure.again} All its output: {cure.output}",
            reason="postdeploy failed",
        ) from failure
    update_app_settings(app, postdeploy_done=True)
    console.step("postdeploy done", console.clock() - began)
    return True
