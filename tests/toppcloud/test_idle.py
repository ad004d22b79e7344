import pytest

from toppcloud.errors import ToppcloudError
from toppcloud.idle import choose_idle, parse_idle


def test_times_and_never() -> None:
    assert [parse_idle(text) for text in ("15m", "1s", "2h", 90, "never", " Never ")] == [900, 1, 7200, 90, None, None]


@pytest.mark.parametrize("text", ["", "0", "0.5s", "-1", "soon", True])
def test_what_is_no_idle_time_is_quoted(text: str) -> None:
    with pytest.raises(ToppcloudError) as refused:
        parse_idle(text)
    assert f"'{text}'" in refused.value.what


def test_app_setting_beats_the_release_and_the_release_beats_the_node() -> None:
    assert choose_idle("5m", "10m", "30m") == 300
    assert choose_idle(None, "never", "30m") is None
    assert choose_idle(None, None, "30m") == 1800
