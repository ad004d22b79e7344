"""What bin/release prints: as buildpacks print it, and as none should."""

from __future__ import annotations

import pytest

from buildpacks.release_yaml import ReleaseYaml, parse_release_yaml
from toppcloud.errors import ToppcloudError

USUAL = b"""---
addons:
- heroku-postgresql:mini
config_vars:
  PATH: vendor/x/bin:bin:/usr/local/bin:/usr/bin:$HOME/y:../../evil
  WORKERS: 3
  DEBUG: false
default_process_types:
  web: 'vendor/x/start -p $PORT'
  worker: bin/work
  release: bin/migrate
  rake: bundle exec rake
  console: bin/console
"""


def test_usual_document():
    found = parse_release_yaml(USUAL, "x")
    assert found.processes == {"web": "vendor/x/start -p $PORT", "worker": "bin/work", "release": "bin/migrate"}
    assert found.environment == {"WORKERS": "3", "DEBUG": "false"}
    assert found.paths == ("vendor/x/bin", "bin")
    assert found.addons == ("heroku-postgresql:mini",)


@pytest.mark.parametrize("content", [b"", b"---\n", b"--- {}\n", b"# nothing\n", b"{}\n", b"config_vars:\n"])
def test_nothing_said(content):
    assert parse_release_yaml(content, "x") == ReleaseYaml()


@pytest.mark.parametrize(
    "content",
    [
        b"- web\n",
        b"web\n",
        b"default_process_types: [web]\n",
        b"default_process_types:\n  web: {a: b}\n",
        b"default_process_types:\n  web: ''\n",
        b"default_process_types:\n  'we b': x\n",
        b"config_vars:\n  'A=B': x\n",
        b"config_vars:\n  LD PRELOAD: x\n",
        b"a: b: c\n",
        b"!!python/object/apply:os.system ['id']\n",
        b"\xff\xfe\x00",
        b"[" * 5000,
        b"a: " + b"x" * 70_000,
    ],
)
def test_anything_else_is_refused(content):
    with pytest.raises(ToppcloudError):
        parse_release_yaml(content, "x")
