from __future__ import annotations

import pytest

from deploy.command_text import find_gunicorn_config, parse_command, render_argv, scales_by_workers


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("gunicorn a:b --log-file $HOME/log", "exec gunicorn a:b --log-file $HOME/log"),
        ("gunicorn *.py", "exec gunicorn *.py"),
        ("A=1 B='x y' gunicorn app", "A=1 B='x y' exec gunicorn app"),
        ("a; b", "a; b"),
        ("true && gunicorn x", "true && gunicorn x"),
        ("cd x", "cd x"),
        ('gunicorn "$(cat name)"', 'gunicorn "$(cat name)"'),
        ("gunicorn 'open", "gunicorn 'open"),
        ("yes | head", "yes | head"),
    ],
)
def test_one_program_replaces_its_shell_and_others_do_not(text: str, line: str) -> None:
    assert render_argv(parse_command(text), 5123) == ["/bin/bash", "-c", line]


@pytest.mark.parametrize(
    ("text", "argv"),
    [
        ("gunicorn a:b --bind 0.0.0.0:$PORT", ["gunicorn", "a:b", "--bind", "0.0.0.0:5123"]),
        ("x \"${PORT}\" '$PORT' $PORTS", None),
        ("x ${PORT}", ["x", "5123"]),
        ("python -c 'a;b'", ["python", "-c", "a;b"]),
        ("bash start.sh", ["bash", "start.sh"]),
        ("gunicorn 'blog:create_app()'", ["gunicorn", "blog:create_app()"]),
    ],
)
def test_a_plain_line_is_run_without_a_shell(text: str, argv: list[str] | None) -> None:
    rendered = render_argv(parse_command(text), 5123)
    assert rendered == argv if argv else rendered[0] == "/bin/bash"


def test_extra_words_are_quoted() -> None:
    assert (
        render_argv(parse_command("A=1 gunicorn app"), 1, ("--config", "/a b/c.py"))[2]
        == "A=1 exec gunicorn app --config '/a b/c.py'"
    )


@pytest.mark.parametrize(
    ("text", "config"),
    [
        ("gunicorn app", None),
        ("gunicorn -c conf.py app", "conf.py"),
        ("gunicorn -cconf.py app", "conf.py"),
        ("gunicorn --config=a.py app --config b.py", "b.py"),
        ("gunicorn app --config python:pkg.conf", "python:pkg.conf"),
        ("gunicorn app; gunicorn -c x", None),
    ],
)
def test_the_apps_own_gunicorn_config_is_found(text: str, config: str | None) -> None:
    assert find_gunicorn_config(parse_command(text)) == config


@pytest.mark.parametrize(
    ("text", "given", "expected"),
    [
        ("gunicorn app", "", True),
        ("gunicorn -k uvicorn_worker.UvicornWorker app", "--threads 4", True),
        ("gunicorn -w 3 app", "", False),
        ("gunicorn --workers=3 app", "", False),
        ("gunicorn app", "--workers 3", False),
        ("gunicorn app; true", "", False),
        ("uvicorn app", "", False),
    ],
)
def test_gunicorn_scales_by_workers_unless_their_number_is_fixed(text: str, given: str, expected: bool) -> None:
    assert scales_by_workers(parse_command(text), given) is expected
