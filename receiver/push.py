"""One update of the app's deploy branch, as it is handed to what deploys it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from dulwich.object_store import BaseObjectStore

Action = Callable[[], None]


@dataclass
class Push:
    """A commit that wants to go live. Its objects are in quarantine until `keep_objects`."""

    commit: str
    """40 hex digits."""
    old_commit: str | None
    """What the pusher saw the branch hold; None when there was no branch."""
    branch: str
    """`main`, without refs/heads/; any other one in a dry run."""
    deploy_branch: str
    """The one that deploys: `main`, or `master`."""
    options: tuple[str, ...]
    """Push options as given, e.g. `leave-files`."""
    store: BaseObjectStore
    """Reads what is in quarantine and what the repository has."""
    boundary: frozenset[bytes]
    """Commits (40 hex) at which a shallow history ends: their parents cannot be read from `store`."""
    check_unmoved: Action = field(repr=False)
    """Raise ToppcloudError when somebody else has moved the branch: ask once the build lock is held."""
    is_gone: Callable[[], bool] = field(repr=False)
    """Whether the pusher's connection is closed; cheap."""
    _keep: Action = field(repr=False)
    _move: Action = field(repr=False)
    is_dry_run: bool = False
    """Nothing is kept or moved then."""
    is_kept: bool = False
    is_moved: bool = False

    def keep_objects(self) -> None:
        """Move the objects from quarantine into the repository. May run twice."""
        if not self.is_kept:
            self._keep()
            self.is_kept = True

    def move_branch(self) -> None:
        """Move the branch from `old_commit` to `commit` (with `--atomic`, the push's tags with it).

        Raises ToppcloudError when somebody else has moved it; then nothing is moved.
        """
        if not self.is_moved:
            self.keep_objects()
            self._move()
            self.is_moved = True
