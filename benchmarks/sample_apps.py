"""The apps that are pushed: a small Flask app, one in Node that only listens on its $PORT, one with packages only."""

from __future__ import annotations

from collections.abc import Sequence

_FLASK = """\
import os
from flask import Flask
VERSION = "code-{version}"
app = application = Flask(__name__)

@app.route("/", methods=["GET", "POST"])
def show():
    return f"{{VERSION}} config-{{os.environ.get('MARK', '')}};"
"""
_PLAIN = """\
def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"hello"]
"""
_NODE = """\
const crypto = require("crypto"), http = require("http");
http.createServer((request, response) => {{
  if ({rounds}) crypto.pbkdf2Sync("work", "salt", {rounds}, 32, "sha256");
  response.end("hello from node\\n");
}}).listen(process.env.PORT, "127.0.0.1");
"""
REQUIREMENTS = {
    "flask": ("flask", "gunicorn"),
    "django": ("django", "gunicorn", "whitenoise", "dj-database-url", "psycopg[binary]"),
}
"""By name: the least, and what a usual Django project asks for."""


def flask_source(version: str) -> dict[str, str]:
    """app.py, whose answer is `code-VERSION config-MARK;`"""
    return {"app.py": _FLASK.format(version=version)}


def flask_files(version: str, web: str = "gunicorn app:app", server: str = "gunicorn") -> dict[str, str]:
    return {**flask_source(version), "requirements.txt": f"flask\n{server}\n", "Procfile": f"web: {web}\n"}


def plain_files(requirements: Sequence[str]) -> dict[str, str]:
    """An app that needs none of its requirements but gunicorn: what it takes to answer does not differ."""
    return {"app.py": _PLAIN, "requirements.txt": "\n".join(requirements) + "\n", "Procfile": "web: gunicorn app:app\n"}


def node_files(rounds: int = 0) -> dict[str, str]:
    """`rounds` of hashing for each answer; without them it does next to nothing."""
    return {"server.js": _NODE.format(rounds=rounds), "requirements.txt": "", "Procfile": "web: node server.js\n"}
