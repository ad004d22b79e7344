"""A `git push` in its session: the gate, the wire, and the story that a push of the deploy branch begins."""

from __future__ import annotations

import contextlib
import os

from deploy.notice import take_notice
from deploy.release import read_live_release
from deploy.trial_folder import TrialFolder, open_trial_folder
from hooks.dry_run import try_delivery
from hooks.gate import PushOptions, admit_push, ensure_app, parse_push_options
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
    with contextlib.ExitStack() as stack:
        pushing = _Pushing(session, app, stack)
        status = serve_receive_pack(
            app.repository,
            session.stdin.fileno(),
            session.stdout.fileno(),
            session.stderr.fileno(),
            limits=choose_limits(session.node.settings),
            git=find_program("git", os.environ.get("PATH")),
            deploy=pushing.deploy,
            admit=pushing.admit,
            describe_live=lambda: describe_live(app),
        )
    if status:
        session.exit(status)


class _Pushing:
    """One push to an app: what its options say, then the story that they choose."""

    def __init__(self, session: Session, app: AppLayout, stack: contextlib.ExitStack) -> None:
        self._session = session
        self._app = app
        self._stack = stack
        self._options = PushOptions()
        self._folder: TrialFolder | None = None

    def admit(self, words: tuple[str, ...]) -> Admission:
        self._options = parse_push_options(words)
        if not self._options.is_dry_run:
            ensure_app(self._session.node, self._app)
            return Admission(self._app.repository)
        self._folder = self._stack.enter_context(open_trial_folder(self._session.node.layout, self._app))
        return Admission(self._folder.repository, is_dry_run=True)

    def deploy(self, push: Push, console: Console) -> None:
        delivery = Delivery(
            kind="push",
            by=self._session.person,
            commit=push.commit,
            old_commit=push.old_commit,
            store=push.store,
            leaves_files=self._options.leaves_files,
            checks=self._options.checks,
            uses_cache=self._options.uses_cache,
            is_dry_run=self._options.is_dry_run,
            is_gone=push.is_gone,
            check_unmoved=push.check_unmoved,
            keep_objects=push.keep_objects,
            move_branch=push.move_branch,
        )
        if self._folder:
            source = push.branch if push.branch == push.deploy_branch else f"{push.branch}:{push.deploy_branch}"
            try_delivery(self._session.node, self._folder, delivery, source, console)
            return
        console.warning("\n".join(take_notice(self._app)))
        deliver(self._session.node, self._app, delivery, console)


def describe_live(app: AppLayout) -> list[str]:
    """For a pusher who had nothing new: what is live, and how to build the same commit again."""
    release = read_live_release(app)
    if release is None:
        return [f"{app.name} has this commit, but no release of it went live.", "Build it: toppcloud ps:rebuild"]
    return [
        f"v{release.version} is live ({release.kind}, {release.commit[:7]}); nothing new came to deploy.",
        "To build the branch's tip into a new release: toppcloud ps:rebuild",
    ]
