"""Words: split as a POSIX shell splits them, and quoted so that they arrive."""

from __future__ import annotations

import shutil
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from receiver.words import quote_words, split_words
from toppcloud.errors import ToppcloudError

TEXT = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0"))
QUOTING = st.text(st.sampled_from("ab \t\n'\"\\$`*#;"), max_size=12)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", []),
        ("  \t\n ", []),
        ("apps --json", ["apps", "--json"]),
        ("a  'b  c' \"d\te\"", ["a", "b  c", "d\te"]),
        ("'' \"\"", ["", ""]),
        ("a'b'\"c\"d", ["abcd"]),
        (r"a\ b \' \\", ["a b", "'", "\\"]),
        ("'two\nlines'", ["two\nlines"]),
        ("one\ntwo", ["one", "two"]),
        ("on\\\ne", ["one"]),
        ("\\\n", []),
        ('"on\\\ne"', ["one"]),
        (r'"\$HOME \`x\` \"q\" \\ \n"', ['$HOME `x` "q" \\ \\n']),
        (r"'\n$x'", [r"\n$x"]),
        ("$HOME `id` * ~ a#b #c ; &", ["$HOME", "`id`", "*", "~", "a#b", "#c", ";", "&"]),
        ("KEY=a=b=c", ["KEY=a=b=c"]),
        ("ü ☃ '\u00a0'", ["ü", "☃", "\u00a0"]),
    ],
)
def test_words_are_split_as_a_shell_splits_them(text, words):
    assert split_words(text) == words


@pytest.mark.parametrize(
    ("text", "said"), [("a 'b", "'"), ('a "b', '"'), ('"a\\"', '"'), ("a\\", "backslash"), ("\0", "NUL")]
)
def test_what_no_shell_could_split_is_wrong_usage(text, said):
    with pytest.raises(ToppcloudError) as refused:
        split_words(text)
    assert refused.value.status == 2
    assert said in refused.value.what


@given(st.lists(st.one_of(TEXT, QUOTING)))
def test_quoted_words_arrive_as_they_are(words):
    assert split_words(quote_words(words)) == words


@pytest.mark.skipif(not shutil.which("sh"), reason="needs a shell to compare with")
@settings(max_examples=60, deadline=None)
@given(st.text(st.sampled_from("ab \t\n'\"\\"), max_size=14))
def test_a_real_shell_agrees(text):
    script = f'set -- {text}\nfor w in "$@"; do printf "%s\\0" "$w"; done'
    shell = subprocess.run(["sh", "-c", f"for_words() {{ :; }}; {script}"], capture_output=True, check=False)
    try:
        words = split_words(text)
    except ToppcloudError:
        return  # the shell would go on reading the script as a part of the quote
    if "\n" in text.replace("\\\n", ""):
        return  # a newline outside of quotes ends the shell's command
    if shell.returncode == 0:
        assert shell.stdout == b"".join(word.encode() + b"\0" for word in words)
