import pytest

from buildpacks.procfile import parse_procfile
from toppcloud.errors import ToppcloudError


def test_process_types_in_order_with_comments_bom_and_crlf():
    text = (
        "\ufeff# what runs\r\nweb: gunicorn blog.wsgi --bind 0.0.0.0:$PORT\r\n\r\nrelease : python m.py; echo a: b\r\n"
    )
    assert list(parse_procfile(text).items()) == [
        ("web", "gunicorn blog.wsgi --bind 0.0.0.0:$PORT"),
        ("release", "python m.py; echo a: b"),
    ]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("web gunicorn", "line 1"),
        ("web: x\n\nworker:", "line 3"),
        ("web: x\nweb: y", "line 2"),
        ("we b: x", "line 1"),
        ("web: x\n  and: more\n- z", "line 3"),
        ("web: a\0b", "line 1"),
    ],
)
def test_line_that_is_not_understood_is_named(text, line):
    with pytest.raises(ToppcloudError) as refused:
        parse_procfile(text)
    assert line in refused.value.what
    assert refused.value.reason == "invalid Procfile"


def test_empty_procfile_is_refused():
    with pytest.raises(ToppcloudError, match="no process type"):
        parse_procfile("# nothing\n\n")
