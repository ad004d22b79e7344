import json

import pytest

from buildpacks.app_json import AppJson, EnvEntry, parse_app_json, remove_comments
from buildpacks.processes import read_declarations
from toppcloud.errors import ToppcloudError
from toppcloud.slug import Check, ServiceDeclaration


def test_postgres_addon_is_a_service_and_others_are_named():
    text = """{ // the app
      "website": "https://example.com/", /* not // a comment */
      "addons": ["heroku-postgresql:mini", {"plan": "heroku-postgresql"}, "heroku-redis", {"plan": 3}]
    }"""
    parsed = parse_app_json(text)
    assert parsed.services == (ServiceDeclaration("postgres"),)
    assert "heroku-redis" in parsed.warnings[0]
    assert "one of addons" in parsed.warnings[1]


def test_comments_go_and_strings_stay():
    text = '{"a": "x // y \\" // z", // gone\n "b": 1}'
    assert json.loads(remove_comments(text)) == {"a": 'x // y " // z', "b": 1}


@pytest.mark.parametrize("text", ['"' + '\\"' * 500_000, "/*" * 500_000, "{" * 100_000])
def test_file_that_never_comes_to_an_end_is_left_aside(text):
    assert parse_app_json(text).warnings[0].startswith("app.json is not read")


def test_broken_or_odd_app_json_only_warns():
    assert parse_app_json("{").warnings
    assert parse_app_json("{}") == AppJson()
    assert parse_app_json("[" * 100_000).warnings


def test_env_is_read_in_all_its_forms():
    text = """{"env": {
      "DEBUG": "0", // a text
      "PORTS": 3, "FLAG": true,
      "EMPTY": "", "NONE": {"description": "to be set"},
      "SECRET_KEY": {"generator": "secret", "description": "for\\n sessions"},
      "TOKEN": {"required": true, "description": "of the shop"},
      "MAYBE": {"required": false, "value": ""},
      "LEVEL": {"value": 2, "required": true}
    }}"""
    parsed = parse_app_json(text)
    assert parsed.warnings == ()
    assert parsed.env == (
        EnvEntry("DEBUG", value="0"),
        EnvEntry("PORTS", value="3"),
        EnvEntry("FLAG", value="true"),
        EnvEntry("EMPTY"),
        EnvEntry("NONE", "to be set"),
        EnvEntry("SECRET_KEY", "for sessions", is_secret=True),
        EnvEntry("TOKEN", "of the shop", required=True),
        EnvEntry("MAYBE", required=False),
        EnvEntry("LEVEL", value="2", required=True),
    )


def test_buildpacks_formation_postdeploy_and_check_are_read():
    text = """{
      "name": "blog", "stack": "heroku-24", "environments": {"test": {}}, "image": "x",
      "buildpacks": [{"url": "heroku/nodejs"}, {"url": "https://git.example.com/pack.git"}, "heroku/python"],
      "formation": {"web": {"quantity": 2, "size": "standard-1x"}, "worker": {"size": "x"}, "clock": {"quantity": 0}},
      "scripts": {"postdeploy": " python manage.py loaddata first ", "test": "x", "dokku": {"predeploy": "x"}},
      "healthchecks": {"web": [{"type": "liveness", "path": "/live"},
                               {"type": "startup", "path": "/health", "timeout": 10, "attempts": 4, "wait": 1}]}
    }"""
    parsed = parse_app_json(text)
    assert parsed.warnings == ()
    assert parsed.buildpacks == ("heroku/nodejs", "https://git.example.com/pack.git", "heroku/python")
    assert parsed.formation == {"web": 2, "worker": 1, "clock": 0}
    assert parsed.postdeploy == "python manage.py loaddata first"
    assert (parsed.check_path, parsed.check_timeout_s) == ("/health", 44.0)
    parsed = parse_app_json('{"scripts": {"postdeploy": {"command": "x"}}, "healthchecks": {"web": [{"path": "/a"}]}}')
    assert (parsed.postdeploy, parsed.check_path, parsed.check_timeout_s) == ("x", "/a", None)


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ('{"env": [1]}', "env is"),
        ('{"env": {"A-B": "x"}}', "env A-B"),
        ('{"env": {"PORT": "80"}}', "env PORT"),
        ('{"env": {"A": ["x"]}}', "env A"),
        ('{"env": {"A": null}}', "env A"),
        ('{"env": {"A": "\\u0000"}}', "env A"),
        ('{"env": {"A": {"value": {}}}}', "env A"),
        ('{"env": {"A": {"required": "yes"}}}', "env A required"),
        ('{"env": {"A": {"generator": "uuid"}}}', "env A generator"),
        ('{"env": {"A": {"description": 3}}}', "env A description"),
        ('{"addons": "heroku-postgresql"}', "addons"),
        ('{"addons": [3]}', "addons"),
        ('{"buildpacks": {"url": "x"}}', "buildpacks"),
        ('{"buildpacks": [{"uri": "x"}]}', "buildpacks"),
        ('{"formation": []}', "formation"),
        ('{"formation": {"web": {"quantity": -1}}}', "formation web"),
        ('{"formation": {"web": {"quantity": 1e9}}}', "formation web"),
        ('{"formation": {"web": {"quantity": true}}}', "formation web"),
        ('{"formation": {"we b": {"quantity": 1}}}', "formation we b"),
        ('{"scripts": "x"}', "scripts"),
        ('{"scripts": {"postdeploy": ["x"]}}', "scripts postdeploy"),
        ('{"healthchecks": {"web": {"path": "/"}}}', "healthchecks web"),
        ('{"healthchecks": {"web": [{"path": "health"}]}}', "healthchecks web path"),
        ('{"healthchecks": {"web": [{"path": "/a\\r\\nX: y"}]}}', "healthchecks web path"),
        ('{"healthchecks": {"web": [{"path": "/a", "timeout": "5"}]}}', "healthchecks web timeout"),
        ('{"healthchecks": {"web": [{"command": ["true"]}]}}', "healthchecks web command"),
        ('{"healthchecks": {"web": [{"path": "/a", "type": ["x"]}]}}', ""),
        ("[1]", "no object"),
    ],
)
def test_wrong_types_are_left_aside_with_the_key_named(text, key):
    parsed = parse_app_json(text)
    assert len(parsed.warnings) == (1 if key else 0), parsed.warnings
    assert key in "".join(parsed.warnings)


@pytest.mark.parametrize(
    ("toml", "check"),
    [
        ("", Check("/health", 40.0)),
        ('[checks]\npath = "/"\n', Check("/", 40.0)),
        ('[checks]\ntimeout = "9s"\n', Check("/health", 9.0)),
        ('[checks]\npath = "/up"\ntimeout = "9s"\nauto_rollback = "5m"\n', Check("/up", 9.0, 300.0)),
    ],
)
def test_check_of_toppcloud_toml_wins(write_project, toml, check):
    app_json = '{"healthchecks": {"web": [{"type": "startup", "path": "/health", "attempts": 4}]}}'
    assert read_declarations(write_project({"app.json": app_json, "toppcloud.toml": toml})).check() == check


def test_app_json_that_leads_outside_is_refused(tmp_path, write_project):
    source = write_project({"inner/Procfile": "web: x\n"}) / "inner"
    (tmp_path / "outside.json").write_text("{}")
    (source / "app.json").symlink_to(tmp_path / "outside.json")
    with pytest.raises(ToppcloudError, match=r"app\.json cannot be read"):
        read_declarations(source)


def test_many_faults_are_counted_and_not_all_told():
    found = parse_app_json(json.dumps({"env": {f"bad {number}": "x" for number in range(50)}}))
    assert len(found.warnings) == 21
    assert found.warnings[-1] == "app.json: 30 more of its keys are left aside"
