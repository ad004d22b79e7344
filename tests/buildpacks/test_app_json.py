import json

from buildpacks.app_json import parse_app_json, remove_comments
from toppcloud.slug import ServiceDeclaration


def test_postgres_addon_is_a_service_and_others_are_named():
    text = """{ // the app
      "website": "https://example.com/", /* not // a comment */
      "addons": ["heroku-postgresql:mini", {"plan": "heroku-postgresql"}, "heroku-redis", {"plan": 3}]
    }"""
    parsed = parse_app_json(text)
    assert parsed.services == (ServiceDeclaration("postgres"),)
    assert len(parsed.warnings) == 1
    assert "heroku-redis" in parsed.warnings[0]


def test_comments_go_and_strings_stay():
    text = '{"a": "x // y \\" // z", // gone\n "b": 1}'
    assert json.loads(remove_comments(text)) == {"a": 'x // y " // z', "b": 1}


def test_broken_or_odd_app_json_only_warns():
    assert parse_app_json("{").warnings
    assert parse_app_json("[1]") == parse_app_json('{"addons": {"a": 1}}') == parse_app_json("{}")
    assert parse_app_json("[" * 100_000).warnings
