"""git over the front door: `git-receive-pack '/blog'` and `git-upload-pack 'blog.git'`."""

from __future__ import annotations

import os

from receiver.session import Session
from toppcloud.app_layout import AppLayout
from toppcloud.errors import ToppcloudError, suggest_nearest
from toppcloud.names import parse_repository_path
from toppcloud.program import find_program

PUSH, FETCH, ARCHIVE = "git-receive-pack", "git-upload-pack", "git-upload-archive"


def find_git_command(words: list[str]) -> tuple[str, list[str]] | None:
    """`["git", "receive-pack", "x"]` or `["git-receive-pack", "x"]` -> ("git-receive-pack", ["x"]); else None."""
    if words[:1] == ["git"] and len(words) > 1:
        words = [f"git-{words[1]}", *words[2:]]
    return (words[0], words[1:]) if words[0] in (PUSH, FETCH, ARCHIVE) else None


def serve_git(session: Session, program: str, arguments: list[str]) -> None:
    """Serve one push or fetch on the session's streams. What only one of them needs is imported for it alone."""
    paths = [word for word in arguments if word != "--strict"]
    if program == ARCHIVE:
        raise ToppcloudError("Archives are not served here.", "The node serves git push, fetch and clone.")
    if len(paths) != 1:
        raise ToppcloudError(f"{program} wants one repository.", cure="Set the remote again: toppcloud git:remote NAME")
    if program == PUSH:
        from receiver.push_session import serve_push

        serve_push(session, paths[0])
    else:
        serve_fetch(session, paths[0])


def serve_fetch(session: Session, path_text: str) -> None:
    """Send what a clone or fetch of `path_text` asks for. The session ends with git's own status."""
    from receiver.upload_pack import serve_upload_pack

    status = serve_upload_pack(
        find_repository(session, path_text).repository,
        session.stdin.fileno(),
        session.stdout.fileno(),
        session.stderr.fileno(),
        git=find_program("git", os.environ.get("PATH")),
        protocol=session.environment.get("GIT_PROTOCOL", ""),
    )
    if status:
        session.exit(status)


def find_repository(session: Session, path_text: str) -> AppLayout:
    """The app whose repository a client fetches from. A refusal with the nearest one when there is none."""
    name = parse_repository_path(path_text)
    app = session.app(name)
    if not app.repository.is_dir():
        near = suggest_nearest(name, session.node.layout.app_names())
        raise ToppcloudError(
            f"There is no app '{name}' to fetch from.{near}",
            "A first push makes an app; until then it has nothing to fetch.",
            f"Push: git push toppcloud main; or set the remote again: toppcloud git:remote {name}",
            reason="no such app",
        )
    return app
