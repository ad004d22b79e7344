"""A `git push` in its session: the gate, the wire, and the story that a push of the deploy branch begins."""

from __future__ import annotations

import os

from deploy.notice import take_notice
from deploy.release import read_live_release
from hooks.gate import admit_push, ensure_app, parse_push_options
from hooks.pipeline import Delivery, deliver
from receiver.pack_limits import choose_limits
from receiver.push import Push
from receiver.receive_pack import serve_receive_pack
from receiver.reception import Admission
from receiver.session import Session
from toppcloud.app_layout import AppLayout
from toppcloud.console import Console
from toppcloud.program import find_program


def serve_push(session: Session, path_text: str) -> None:
    """Receive what is pushed to `path_text`, deploy it, answer. The session ends with git's own status."""
    app = admit_push(session.node, path_text)

    def admit(words: tuple[str, ...]) -> Admission:
        parse_push_options(words)
        ensure_app(session.node, app)
        return Admission(app.repository)

    def deploy(push: Push, console: Console) -> None:
        console.warning("\n".join(take_notice(app)))
        options = parse_push_options(push.options)
        delivery = Delivery(
            kind="push",
            by=session.person,
            commit=push.commit,
            old_commit=push.old_commit,
            store=push.store,
            leaves_files=options.leaves_files,
            checks=options.checks,
            uses_cache=options.uses_cache,
            is_gone=push.is_gone,
            check_unmoved=push.check_unmoved,
            keep_objects=push.keep_objects,
            move_branch=push.move_branch,
        )
        deliver(session.node, app, delivery, console)

    status = serve_receive_pack(
        app.repository,
        session.stdin.fileno(),
        session.stdout.fileno(),
        session.stderr.fileno(),
        limits=choose_limits(session.node.settings),
        git=find_program("git", os.environ.get("PATH")),
        deploy=deploy,
        admit=admit,
        describe_live=lambda: describe_live(app),
    )
    if status:
        session.exit(status)


def describe_live(app: AppLayout) -> list[str]:
    """For a pusher who had nothing new: what is live, and how to build the same commit again."""
    release = read_live_release(app)
    if release is None:
        return [f"{app.name} has this commit, but no release of it went live.", "Build it: toppcloud ps:rebuild"]
    return [
        f"v{release.version} is live ({release.kind}, {release.commit[:7]}); nothing new came to deploy.",
        "To build the branch's tip into a new release: toppcloud ps:rebuild",
    ]
