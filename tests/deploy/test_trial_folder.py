"""Folders of dry runs: gone afterwards, and swept when their session was killed."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from deploy.trial_folder import open_trial_folder, sweep_new_apps, sweep_trials
from toppcloud.app_layout import AppLayout
from toppcloud.layout import Layout


@pytest.fixture
def app(tmp_path: Path) -> AppLayout:
    layout = Layout(tmp_path)
    app = layout.app("blog")
    for folder in (app.slugs, app.venvs):
        folder.mkdir(parents=True)
    return app


def test_folder_is_gone_afterwards_whatever_happened(tmp_path: Path, app: AppLayout) -> None:
    with pytest.raises(KeyError), open_trial_folder(Layout(tmp_path), app) as folder:
        assert folder.slug.folder.parent == app.slugs
        (folder.slug.folder / "source").mkdir()
        raise KeyError
    assert list(app.slugs.iterdir()) == []


def test_what_is_under_way_is_not_swept(tmp_path: Path, app: AppLayout) -> None:
    with open_trial_folder(Layout(tmp_path), app) as first, open_trial_folder(Layout(tmp_path), app) as second:
        sweep_trials(app)
        assert first.slug.folder.is_dir()
        assert second.slug.folder.is_dir()
    assert list(app.slugs.iterdir()) == []


@pytest.mark.parametrize("name", ["blog", "new"])
def test_what_a_killed_session_left_is_swept(tmp_path: Path, app: AppLayout, name: str) -> None:
    layout = Layout(tmp_path)
    pid = os.fork()
    if pid == 0:
        with open_trial_folder(layout, layout.app(name)) as folder:
            (folder.slug.folder / "source").mkdir()
            os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(pid, 0)
    left = list(app.slugs.iterdir()) if name == "blog" else list(layout.dry_runs.iterdir())
    assert len(left) == 1
    sweep_trials(app)
    sweep_new_apps(layout)
    assert not left[0].exists()


def test_app_that_does_not_exist_is_not_made(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    with open_trial_folder(layout, layout.app("blog")) as folder:
        assert folder.is_new
        assert folder.app.name == "blog"
        assert folder.slug.venv.parent.parent.parent == folder.app.folder
        assert not layout.app("blog").folder.exists()
    assert list(layout.dry_runs.iterdir()) == []


def test_what_is_tried_writes_into_the_folder_alone(tmp_path: Path, app: AppLayout) -> None:
    with open_trial_folder(Layout(tmp_path), app) as folder:
        trial = folder.trial
        inside = (trial.releases, trial.files, trial.current, trial.slug(folder.slug.id).source, folder.repository)
        assert all(path.is_relative_to(folder.slug.folder) for path in inside)
        assert (trial.settings, trial.bindings, trial.name) == (app.settings, app.bindings, "blog")
        app.repository.mkdir()
        assert folder.repository == app.repository
