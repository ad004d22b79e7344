"""Pushes of an app with hooks, .slugignore and all of app.json."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from benchmarks.live_node import LiveNode, Repository
from tests.plain_app import plain_files

pytestmark = pytest.mark.node
Make = Callable[..., Repository]

APP_JSON = {
    "name": "blog",
    "env": {
        "MARK": {"description": "what it says", "value": "hello"},
        "SECRET_KEY": {"generator": "secret"},
        "TOKEN": {"description": "of the shop", "required": True},
    },
    "formation": {"web": {"quantity": 1}, "worker": {"quantity": 2}},
    "scripts": {"postdeploy": "sh postdeploy.sh"},
    "healthchecks": {"web": [{"type": "startup", "path": "/health", "attempts": 4, "timeout": 5}]},
    "environments": {"test": {}},
}
POSTDEPLOY = """
echo "postdeploy of $MARK as $TOPPCLOUD_PROCESS with $TOKEN"
[ "$TOKEN" != broken ]
"""


def make_files(app_json: object = APP_JSON) -> dict[str, str]:
    procfile = "web: gunicorn app:app\nworker: sleep 1000\nrelease: echo releasing with $MARK\n"
    return plain_files() | {
        "Procfile": procfile,
        "app.json": "// of the shop\n" + json.dumps(app_json, indent=1),
        "postdeploy.sh": POSTDEPLOY,
        "bin/pre_compile": 'echo "before, with $MARK"; [ ${#SECRET_KEY} = 64 ]',
        "bin/post_compile": "#!/usr/bin/env bash\npython -c \"import gunicorn; print('after, with gunicorn')\"\n",
        ".slugignore": "*.psd\n",
        "art/logo.psd": "x",
    }


def read_environ(node: LiveNode, repository: Repository) -> dict[str, str]:
    found: dict[str, str] = json.loads(node.request(repository.app, "/environ").text)
    return found


def test_app_json_equips_an_app_once(node: LiveNode, new_app: Make) -> None:
    repository = new_app(make_files())

    said = repository.push()
    assert said.status == 1
    assert "app.json requires TOKEN, which is not set." in said.err
    assert "TOKEN: of the shop" in said.err
    assert f"toppcloud config:set -a {repository.app} TOKEN=…" in said.err
    assert "(required config is missing)" in said.err

    assert repository.toppcloud("config:set", "-a", repository.app, "TOKEN=broken").status == 0
    said = repository.push()
    assert said.status == 1
    assert "-----> app.json: SECRET_KEY made up" in said.err
    assert "-----> .slugignore: 1 file left out" in said.err
    assert "before, with hello" in said.err
    assert "after, with gunicorn" in said.err
    assert "releasing with hello" in said.err
    assert "postdeploy of hello as postdeploy.1 with broken" in said.err
    assert "the postdeploy script of app.json ended with 1" in said.err
    assert "Its release command had run" in said.err
    secret = repository.toppcloud("config:get", "SECRET_KEY").out.strip()
    assert len(secret) == 64
    assert secret not in said.err

    assert repository.toppcloud("config:set", "TOKEN=right").status == 0
    said = repository.push()
    assert said.status == 0, said.all
    assert "postdeploy of hello as postdeploy.1 with right" in said.err
    assert "answered /health with 200" in said.err
    assert "config changed during the build" not in said.err
    environ = read_environ(node, repository)
    assert (environ["MARK"], environ["SECRET_KEY"], environ["TOKEN"]) == ("hello", secret, "right")
    scale = repository.toppcloud("ps:scale").out
    assert "worker=2" in scale.replace(" ", "").replace("worker2", "worker=2"), scale

    assert repository.toppcloud("config:unset", "MARK").status == 0
    assert repository.toppcloud("ps:scale", "worker=1").status == 0
    app_json = {**APP_JSON, "env": {**APP_JSON["env"], "NEWER": "yes"}}  # type: ignore[dict-item]
    repository.commit("Second", make_files(app_json) | {"app.py": plain_files("two")["app.py"]})
    said = repository.push()
    assert said.status == 0, said.all
    assert "-----> app.json: NEWER set" in said.err
    assert "postdeploy" not in said.err
    environ = read_environ(node, repository)
    assert "MARK" not in environ
    assert (environ["NEWER"], environ["SECRET_KEY"]) == ("yes", secret)
    assert "worker=2" not in repository.toppcloud("ps:scale").out.replace(" ", "").replace("worker2", "worker=2")


def test_dry_run_says_what_a_first_push_would_give_and_gives_nothing(node: LiveNode, new_app: Make) -> None:
    app_json = {**APP_JSON, "env": {"MARK": "hello", "SECRET_KEY": {"generator": "secret"}}}
    repository = new_app(make_files(app_json))
    said = repository.push("-o", "dry-run", "toppcloud", "main")
    assert "app.json: MARK, SECRET_KEY would be set" in said.err
    assert "postdeploy not run: sh postdeploy.sh" in said.err
    assert "before, with hello" in said.err
    assert said.status == 0, said.all
    assert repository.app not in node.layout.app_names()


def test_failing_hook_leaves_the_live_release_alone(node: LiveNode, live_app: Make) -> None:
    repository = live_app()
    repository.commit(
        "Broken", {"bin/post_compile": "echo Some error!; exit 2\n", "app.py": plain_files("two")["app.py"]}
    )
    said = repository.push()
    assert said.status == 1
    assert "Some error!" in said.err
    assert "bin/post_compile ended with 2." in said.err
    assert "(bin/post_compile failed)" in said.err
    assert node.request(repository.app).text.startswith("one")


def test_postdeploy_that_succeeded_does_not_run_again_for_what_failed_after_it(node: LiveNode, new_app: Make) -> None:
    app_json = {"scripts": {"postdeploy": "echo only once >> /dev/stdout"}, "formation": {"web": {"quantity": 2}}}
    files = plain_files() | {"app.json": json.dumps(app_json)}
    repository = new_app({**files, "app.py": "import nowhere\n"})
    said = repository.push()
    assert said.status == 1
    assert "only once" in said.err
    assert "Its postdeploy script had run" in said.err
    assert "web=2" not in repository.toppcloud("ps:scale", "-a", repository.app).out
    repository.commit("Second", files)
    said = repository.push()
    assert said.status == 0, said.all
    assert "postdeploy" not in said.err
    assert "-----> app.json: web=2" in said.err


def test_postdeploy_past_its_time_is_refused() -> None:
    with LiveNode.running() as node:
        node.stop()
        settings = node.layout.node_toml
        settings.write_text(settings.read_text().replace("postdeploy_timeout_s = 900", "postdeploy_timeout_s = 1"))
        node.start()
        files = plain_files() | {"app.json": json.dumps({"scripts": {"postdeploy": "echo begun; sleep 100"}})}
        said = node.repository("slow-app", files).push()
        assert said.status == 1
        assert "begun" in said.err
        assert "the postdeploy script of app.json did not end within 1 s (postdeploy_timeout_s)" in said.err
