from __future__ import annotations

from pathlib import Path

from deploy.output_log import read_last_lines, shorten_tracebacks
from toppcloud.layout import Layout

APP_ERROR = [
    "Traceback (most recent call last):",
    '  File "/app/blog.py", line 1, in <module>',
    "    import markdown",
    "ModuleNotFoundError: No module named 'markdown'",
]
FAREWELL = [
    "Traceback (most recent call last):",
    '  File "/venv/bin/gunicorn", line 8, in <module>',
    "    sys.exit(run())",
    "gunicorn.errors.HaltServer: <HaltServer 'Worker failed to boot.' 3>",
]


def test_gunicorns_farewell_is_left_out_and_the_apps_error_stays() -> None:
    lines = ["Booting worker", *APP_ERROR, "Shutting down: Master", *FAREWELL]
    assert shorten_tracebacks(lines) == ["Booting worker", *APP_ERROR, "Shutting down: Master"]
    tie = ["", "During handling of the above exception, another exception occurred:", ""]
    assert shorten_tracebacks([*APP_ERROR, *FAREWELL, *tie, *FAREWELL]) == APP_ERROR


def test_frames_of_gunicorn_and_of_the_import_machinery_are_left_out() -> None:
    foreign = [
        '  File "/venv/lib/python3.11/site-packages/gunicorn/util.py", line 3, in import_app',
        "    mod = importlib.import_module(module)",
        "          ^^^^^^",
        '  File "/usr/lib/python3.11/importlib/__init__.py", line 126, in import_module',
        "    return 1",
        '  File "<frozen importlib._bootstrap>", line 1206, in _gcd_import',
    ]
    assert shorten_tracebacks([APP_ERROR[0], *foreign, *APP_ERROR[1:]]) == APP_ERROR


def test_traceback_without_an_end_stays() -> None:
    assert shorten_tracebacks(["x", *APP_ERROR[:3], *APP_ERROR]) == ["x", *APP_ERROR[:3], *APP_ERROR]


def test_lines_of_this_release_and_type_since_then_are_read(tmp_path: Path) -> None:
    app = Layout(tmp_path).app("blog")
    app.log.mkdir(parents=True)
    app.output.write_text(
        "2026-11-22T14:45:04.123Z v12 web.1 before\n"
        "2026-11-22T14:45:05.123Z v12 web.1 after\n"
        "2026-11-22T14:45:05.123Z v12 worker.1 of the worker\n"
        "2026-11-22T14:45:05.123Z v13 web.1 of another release\n"
    )
    since = 1795358705.0  # 2026-11-22T14:45:05Z
    assert read_last_lines(app, 12, process_type="web", since=since) == ["after"]
    assert read_last_lines(app, 12, process_type="web") == ["before", "after"]
