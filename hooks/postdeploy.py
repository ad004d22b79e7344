"""The postdeploy script of app.json: at the first deploy of an app, with the new code and config, before any traffic.

It runs until it has succeeded once, and never after that; a failure refuses the release.
"""

from __future__ import annotations

from deploy.app_settings import read_app_settings, update_app_settings
from deploy.release import Release
from deploy.web import choose_cure
from hooks.release_program import run_in_release
from toppcloud.app_layout import AppLayout
from toppcloud.console import Console
from toppcloud.errors import ToppcloudError
from toppcloud.node import Node
from toppcloud.program import ProgramFailed
from toppcloud.slug import Slug


def is_pending(app: AppLayout, slug: Slug) -> bool:
    """Whether the next release is the one that it runs for."""
    return slug.postdeploy is not None and app.live_number() is None and not read_app_settings(app).postdeploy_done


def run_postdeploy(node: Node, app: AppLayout, release: Release, slug: Slug, console: Console) -> bool:
    """Run it if it is pending, its lines shown as they come. Returns whether it ran. Raises ToppcloudError."""
    if slug.postdeploy is None or not is_pending(app, slug):
        return False
    limit_s = node.settings.postdeploy_timeout_s
    console.line(f"-----> postdeploy: {slug.postdeploy}")
    began = console.clock()
    try:
        run_in_release(node, app, release, slug, slug.postdeploy, "postdeploy.1", console, timeout_s=limit_s)
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
