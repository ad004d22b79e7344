"""A WSGI app that needs nothing but gunicorn, and says which version of it answers."""

from __future__ import annotations

APP = """\
import json, os
VERSION = "{version}"

def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    if environ["PATH_INFO"] == "/environ":
        return [json.dumps(dict(os.environ)).encode()]
    if environ["PATH_INFO"] == "/request":
        return [json.dumps({{k: v for k, v in environ.items() if isinstance(v, str)}}).encode()]
    return [f"{{VERSION}} mark={{os.environ.get('MARK', '')}};".encode()]
"""


def plain_files(version: str = "one", **more: str) -> dict[str, str]:
    """A WSGI app that needs nothing but gunicorn."""
    return {
        "app.py": APP.format(version=version),
        "requirements.txt": "gunicorn\n",
        "Procfile": "web: gunicorn app:app\n",
        **more,
    }
