"""Before a push is received: which app it is for, whether that app may be made now, which options it may name."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from deploy.app import create_app, refuse_near_name
from toppcloud.app_layout import AppLayout
from toppcloud.errors import ToppcloudError, suggest_nearest
from toppcloud.names import parse_repository_path
from toppcloud.node import Node

_OPTIONS = ("dry-run", "leave-files", "no-cache", "no-check")


@dataclass(frozen=True)
class PushOptions:
    """`git push -o leave-files -o no-check`."""

    leaves_files: bool = False
    checks: bool = True
    uses_cache: bool = True
    is_dry_run: bool = False


def admit_push(node: Node, repository: str) -> AppLayout:
    """The app that a push to `repository` is for, which need not be there yet. Raises ToppcloudError."""
    name = parse_repository_path(repository)
    app = node.layout.app(name)
    if not app.folder.is_dir():
        refuse_near_name(node, name)
    return app


def ensure_app(node: Node, app: AppLayout) -> None:
    """Make the app of a first push."""
    if not app.folder.is_dir():
        create_app(node, app.name)


def parse_push_options(words: Iterable[str]) -> PushOptions:
    """Raises ToppcloudError for an option that is not known, naming the nearest."""
    given = set(words)
    for word in sorted(given):
        if word not in _OPTIONS:
            raise ToppcloudError(
                f"There is no push option '{word}'.{suggest_nearest(word, _OPTIONS)}",
                f"Known are: {', '.join(_OPTIONS)}.",
                "Nothing was changed; push again without it.",
                reason="unknown push option",
            )
    return PushOptions(
        leaves_files="leave-files" in given,
        checks="no-check" not in given,
        uses_cache="no-cache" not in given,
        is_dry_run="dry-run" in given,
    )
