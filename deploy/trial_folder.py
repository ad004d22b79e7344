"""The folder of one dry run: `apps/blog/slugs/dry-5f0c1a2b/`, a slug whose releases and files lie in it too.

It is held (flock) by the session that made it, and removed on every way out. One that nobody holds belongs to a session
that was killed, and is swept. An app that does not exist has one apart, in `dry-runs/5f0c1a2b/blog/`, as if it did;
what `builds:verify` builds again lies in such a one too.
"""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from toppcloud.app_layout import AppLayout, SlugLayout, TrialLayout
from toppcloud.files import remove_tree
from toppcloud.layout import Layout
from toppcloud.lock import claim_folder, hold_folder


@dataclass(frozen=True)
class TrialFolder:
    """Where a dry run works."""

    app: AppLayout
    """The app whose virtualenvs and caches it uses: its own, unless it is new."""
    slug: SlugLayout
    is_new: bool
    """There is no such app."""

    @property
    def trial(self) -> TrialLayout:
        """The app as what is tried sees it."""
        return TrialLayout(self.app.folder, self.slug.folder)

    @property
    def repository(self) -> Path:
        """What is pushed is compared with this one. An app that has none keeps none."""
        return self.app.repository if self.app.repository.exists() else self.trial.repository


@contextlib.contextmanager
def open_trial_folder(layout: Layout, app: AppLayout) -> Iterator[TrialFolder]:
    """A new folder, gone at the end of the block."""
    with contextlib.ExitStack() as stack:
        is_new = not app.folder.is_dir()
        if is_new:
            app = stack.enter_context(open_app_apart(layout, app.name))
        sweep_trials(app)
        slug = app.dry_run(secrets.token_hex(4))
        stack.enter_context(_hold_until_removed(slug.folder))
        yield TrialFolder(app, slug, is_new)


def sweep_trials(app: AppLayout) -> None:
    """Remove what dry runs of the app left whose session was killed. Those under way are left alone."""
    _sweep([path.folder for path in app.dry_runs()])


def sweep_new_apps(layout: Layout) -> None:
    """The same for dry runs of apps that do not exist."""
    if layout.dry_runs.is_dir():
        _sweep(layout.dry_runs.iterdir())


def _sweep(folders: Iterable[Path]) -> None:
    for folder in folders:
        with claim_folder(folder) as is_left:
            if is_left:
                remove_tree(folder)


@contextlib.contextmanager
def open_app_apart(layout: Layout, name: str) -> Iterator[AppLayout]:
    """An empty app of that name, gone at the end of the block: no virtualenv and no cache of another is seen there."""
    layout.dry_runs.mkdir(mode=0o711, exist_ok=True)
    layout.dry_runs.chmod(0o711)
    sweep_new_apps(layout)
    folder = layout.dry_run(secrets.token_hex(4))
    with _hold_until_removed(folder):
        app = AppLayout(folder / name)
        for path in (app.folder, app.slugs, app.venvs):
            path.mkdir(mode=0o755)
        yield app


@contextlib.contextmanager
def _hold_until_removed(folder: Path) -> Iterator[None]:
    with hold_folder(folder):
        try:
            yield
        finally:
            remove_tree(folder)
