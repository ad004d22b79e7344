import json
import threading
from dataclasses import replace
from pathlib import Path

from deploy.app_settings import AppSettings, edit_app_settings, read_app_settings, update_app_settings
from toppcloud.app_layout import AppLayout


def test_app_without_settings_file_has_defaults(tmp_path: Path) -> None:
    assert read_app_settings(AppLayout(tmp_path)) == AppSettings()


def test_update_changes_what_is_named_and_leaves_the_rest(tmp_path: Path) -> None:
    app = AppLayout(tmp_path)
    update_app_settings(app, formation={"web": 1, "worker": 2}, kept_files=("media",))
    update_app_settings(app, stopped=True)
    assert read_app_settings(app) == AppSettings(formation={"web": 1, "worker": 2}, kept_files=("media",), stopped=True)


def test_no_other_account_reads_them_since_addresses_of_buildpacks_may_hold_passwords(tmp_path: Path) -> None:
    app = AppLayout(tmp_path)
    app.settings.write_text("{}")
    update_app_settings(app, buildpacks=("https://ana:s3cret@example.com/x.git",))
    assert app.settings.stat().st_mode & 0o777 == 0o600


def test_key_of_another_version_survives_an_update(tmp_path: Path) -> None:
    app = AppLayout(tmp_path)
    app.settings.write_text('{"idle_s": 1800}')
    update_app_settings(app, stopped=True)
    assert json.loads(app.settings.read_text())["idle_s"] == 1800


def test_edits_at_the_same_time_all_take_effect(tmp_path: Path) -> None:
    app = AppLayout(tmp_path)

    def keep(path: str) -> None:
        edit_app_settings(app, lambda settings: replace(settings, kept_files=(*settings.kept_files, path)))

    threads = [threading.Thread(target=keep, args=(f"file{number}",)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(read_app_settings(app).kept_files) == sorted(f"file{number}" for number in range(12))
