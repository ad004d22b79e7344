from __future__ import annotations

from pathlib import Path

import pytest

from toppcloud.durations import parse_duration, render_span
from toppcloud.errors import ToppcloudError
from toppcloud.settings import NodeSettings, parse_address, read_settings, write_settings


def test_settings_survive_being_written(tmp_path: Path) -> None:
    settings = NodeSettings(ssh="0.0.0.0:22", kept_releases=3, postgres_url='postgresql://a:"#\\@h/x')
    write_settings(tmp_path / "node.toml", settings)
    assert read_settings(tmp_path / "node.toml") == settings
    assert (tmp_path / "node.toml").stat().st_mode & 0o777 == 0o600


def test_defaults_without_a_file(tmp_path: Path) -> None:
    assert read_settings(tmp_path / "none") == NodeSettings()


@pytest.mark.parametrize(
    "text",
    ["ssh = 22", "kept_relases = 3", "ssh = ", 'kept_releases = "3"', 'http = "nowhere"', "kept_releases = true"],
)
def test_mistakes_are_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "node.toml").write_text(text)
    with pytest.raises(ToppcloudError):
        read_settings(tmp_path / "node.toml")


def test_urls() -> None:
    assert NodeSettings().url("blog") == "http://blog.localhost:8080/"
    assert NodeSettings(http="0.0.0.0:80").url("blog.example.com") == "http://blog.example.com/"


def test_addresses() -> None:
    assert parse_address("[::1]:2222") == ("::1", 2222)
    for text in ("", ":1", "host", "host:", "host:0", "host:70000", "host:x"):
        with pytest.raises(ToppcloudError):
            parse_address(text)


def test_durations() -> None:
    assert [parse_duration(text) for text in (90, "90s", "1.5m", "2h", " 3 d ", 0.5)] == [90, 90, 90, 7200, 259200, 0.5]
    assert [render_span(s) for s in (1800, 5400, 7200, 86400, 90, 1.5)] == [
        "30 min",
        "90 min",
        "2 h",
        "1 d",
        "90 s",
        "1.5 s",
    ]
    for text in ("", "s", "-1", "1w", "1h30m", True):
        with pytest.raises(ToppcloudError):
            parse_duration(text)


@pytest.mark.parametrize(
    ("text", "said"),
    [("idle = '0s'", "'0s'"), ("router = 'ngnix'", "Did you mean 'nginx'?"), ("log_files = 0", "log_files")],
)
def test_value_that_cannot_be_is_quoted(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "node.toml").write_text(text)
    with pytest.raises(ToppcloudError) as refused:
        read_settings(tmp_path / "node.toml")
    assert said in " ".join(refused.value.lines())
