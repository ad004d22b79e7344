from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toppcloud.dotenv import parse_assignments, parse_dotenv
from toppcloud.errors import ToppcloudError


def test_the_common_forms() -> None:
    text = """\
# settings of the shop
export SECRET_KEY="two\\nlines"   # comment
NAME='literal $HOME # and \\n'
PLAIN=up to the comment # here
HASH=a#b
EMPTY=
QUOTED_EMPTY=""
 INDENTED = spaced

MULTI="line 1
line 2"
URL=postgres://u:p@host/db?x=1&y=2
"""
    assert parse_dotenv(text) == {
        "SECRET_KEY": "two\nlines",
        "NAME": "literal $HOME # and \\n",
        "PLAIN": "up to the comment",
        "HASH": "a#b",
        "EMPTY": "",
        "QUOTED_EMPTY": "",
        "INDENTED": "spaced",
        "MULTI": "line 1\nline 2",
        "URL": "postgres://u:p@host/db?x=1&y=2",
    }


def test_windows_line_ends_and_byte_order_mark() -> None:
    assert parse_dotenv("\ufeffA=1\r\nB='x'\r\n") == {"A": "1", "B": "x"}


@pytest.mark.parametrize("text", ["A\n", "A=1\nnonsense\n", "=1\n", "A='open\n", "PORT=1\n", 'A="x" y\n'])
def test_what_cannot_be_read_is_refused_whole(text: str) -> None:
    with pytest.raises(ToppcloudError):
        parse_dotenv(text)


def test_the_line_is_named() -> None:
    with pytest.raises(ToppcloudError, match="Line 3"):
        parse_dotenv("A=1\nB='x'\nnonsense\n")


@given(st.text(alphabet=st.characters(codec="utf-8", exclude_characters="\0'\r")))
def test_single_quotes_keep_everything(value: str) -> None:
    assert parse_dotenv(f"A='{value}'\n") == {"A": value}


def test_assignments_keep_equals_signs_and_newlines() -> None:
    assert parse_assignments(["A=1=2", "B=x\ny", "C="]) == {"A": "1=2", "B": "x\ny", "C": ""}


def test_an_assignment_without_value_is_wrong_usage_and_shows_no_secret() -> None:
    with pytest.raises(ToppcloudError) as caught:
        parse_assignments(["SECRET"])
    assert caught.value.status == 2


@pytest.mark.parametrize("value", ["a\0b", "x" * 131072])
def test_what_no_program_can_be_given_is_refused_and_not_shown(value: str) -> None:
    for parse in (lambda: parse_dotenv(f"KEY='{value}'\n"), lambda: parse_assignments([f"KEY={value}"])):
        with pytest.raises(ToppcloudError, match="KEY") as refused:
            parse()
        assert value not in "".join(refused.value.lines())
