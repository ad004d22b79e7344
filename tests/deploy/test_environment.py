from __future__ import annotations

from pathlib import Path

from deploy.environment import ProcessIdentity, build_environment, choose_web_concurrency
from toppcloud.layout import Layout

APP = Layout(Path("/node")).app("blog")
IDENTITY = ProcessIdentity(APP, APP.release(18), "worker.2", "a" * 40)


def build(variables: dict[str, str], *, keeps_files: bool = False) -> dict[str, str]:
    return build_environment(
        IDENTITY, variables=variables, venv=APP.venv("k"), runtime={}, port=5123, keeps_files=keeps_files
    )


def test_a_process_is_given_exactly_this() -> None:
    environment = build({"SECRET": "x"})
    concurrency = environment.pop("WEB_CONCURRENCY")
    assert int(concurrency) >= 1
    assert environment == {
        "PATH": "/node/apps/blog/venvs/k/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "VIRTUAL_ENV": "/node/apps/blog/venvs/k",
        "HOME": "/node/apps/blog/releases/18/source",
        "LANG": "C.UTF-8",
        "TMPDIR": "/node/apps/blog/releases/18/tmp",
        "PORT": "5123",
        "PYTHONUNBUFFERED": "1",
        "FORWARDED_ALLOW_IPS": "*",
        "TOPPCLOUD_APP": "blog",
        "TOPPCLOUD_RELEASE": "v18",
        "TOPPCLOUD_PROCESS": "worker.2",
        "SOURCE_VERSION": "a" * 40,
        "SECRET": "x",
    }


def test_an_app_without_a_virtualenv_is_told_of_none() -> None:
    environment = build_environment(IDENTITY, variables={}, venv=None, runtime={}, port=5123, keeps_files=False)
    assert "VIRTUAL_ENV" not in environment
    assert environment["PATH"].startswith("/usr/local/sbin:")


def test_config_vars_win_over_defaults_but_not_over_who_the_process_is() -> None:
    environment = build({"LANG": "de_DE.UTF-8", "WEB_CONCURRENCY": "9", "PORT": "1", "TOPPCLOUD_APP": "x"})
    assert environment["LANG"] == "de_DE.UTF-8"
    assert environment["WEB_CONCURRENCY"] == "9"
    assert environment["PORT"] == "5123"
    assert environment["TOPPCLOUD_APP"] == "blog"


def test_files_dir_comes_with_kept_files() -> None:
    assert "FILES_DIR" not in build({})
    assert build({}, keeps_files=True)["FILES_DIR"] == "/node/apps/blog/files"


def test_web_concurrency_follows_cores_and_memory() -> None:
    gib = 1024**3
    assert choose_web_concurrency(1, 8 * gib) == 2
    assert choose_web_concurrency(4, 8 * gib) == 4
    assert choose_web_concurrency(64, 64 * gib) == 8
    assert choose_web_concurrency(2, gib // 2) == 1
