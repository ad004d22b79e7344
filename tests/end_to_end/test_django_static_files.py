"""A Django project behind each router: its static files come from the router, and pages of yesterday find theirs."""

from __future__ import annotations

import http.client
import re
import socket

import pytest

from benchmarks.live_node import LiveNode, Repository

pytestmark = [pytest.mark.node, pytest.mark.git]
FOR_GOOD = "public, max-age=31536000, immutable"
MANAGE = """\
import os, sys
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "blog.settings")
from django.core.management import execute_from_command_line
execute_from_command_line(sys.argv)
"""
SETTINGS = """\
import os
from pathlib import Path
SECRET_KEY = "x"
ALLOWED_HOSTS = ["*"]
ROOT_URLCONF = "blog.urls"
INSTALLED_APPS = ["django.contrib.staticfiles", "blog"]
MIDDLEWARE = []
TEMPLATES = [{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}]
STATIC_URL = "static/"
STATIC_ROOT = Path(__file__).parent.parent / "staticfiles"
STORAGES = {"staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.ManifestStaticFilesStorage"}}
DATABASES = {"default": {"ENGINE": "django.db.backends.postgresql", "HOST": "/nowhere", "NAME": "unreachable"}}
"""
WHITENOISE = """\
MIDDLEWARE = ["whitenoise.middleware.WhiteNoiseMiddleware"]
STORAGES = {"staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"}}
"""
WSGI = """\
import os
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "blog.settings")
from django.core.wsgi import get_wsgi_application
application = get_wsgi_application()
"""
URLS = """\
from django.shortcuts import render
from django.urls import path
urlpatterns = [path("", lambda request: render(request, "page.html"))]
"""
PAGE = '{% load static %}<link rel="stylesheet" href="{% static "blog/site.css" %}">'
RED, BLUE = ("".join(f".c{number} {{ color: {word} }}\n" for number in range(200)) for word in ("red", "blue"))
FILES = {
    "requirements.txt": "django>=4.2,<5.3\ngunicorn\n",
    "manage.py": MANAGE,
    "blog/__init__.py": "",
    "blog/settings.py": SETTINGS,
    "blog/urls.py": URLS,
    "blog/wsgi.py": WSGI,
    "blog/templates/page.html": PAGE,
    "blog/static/blog/site.css": RED,
}


def push(repository: Repository) -> str:
    said = repository.push()
    assert said.status == 0, said.all
    return said.all


def find_css(live: LiveNode, app: str) -> str:
    found = re.search('href="([^"]+)"', live.request(app, "/").text)
    assert found
    return found[1]


def assert_served_for_good(live: LiveNode, app: str, css: str, text: str) -> None:
    plain = live.request(app, css)
    assert (plain.status, plain.text) == (200, text)
    assert plain.headers["Cache-Control"] == FOR_GOOD
    packed = live.request(app, css, headers={"Accept-Encoding": "gzip"})
    assert packed.headers["Content-Encoding"] == "gzip"
    assert int(packed.headers["Content-Length"]) < len(text) / 2


def test_static_files_of_a_django_project_outlive_a_deploy_and_need_no_process(routed):
    repository = routed.repository("shop", FILES)
    assert "collectstatic: 3 files at /static/" in push(repository)
    old = find_css(routed, "shop")
    assert re.fullmatch(r"/static/blog/site\.[0-9a-f]{12}\.css", old)
    assert_served_for_good(routed, "shop", old, RED)
    headers = routed.request("shop", "/static/blog/site.css").headers
    etag = headers.get("ETag") or headers["Etag"]

    repository.commit("Other page", {"blog/templates/page.html": PAGE + "<p>second"})
    push(repository)
    answer = routed.request("shop", "/static/blog/site.css", headers={"If-None-Match": etag})
    assert answer.status == 304  # the file is as it was

    repository.commit("Blue", {"blog/static/blog/site.css": BLUE})
    push(repository)
    new = find_css(routed, "shop")
    assert new != old
    assert_served_for_good(routed, "shop", new, BLUE)
    assert routed.request("shop", old).text == RED
    assert routed.request("shop", "/static/blog/site.css").text == BLUE

    assert repository.toppcloud("config:set", "A=1").status == 0
    assert routed.request("shop", old).text == RED
    assert repository.toppcloud("rollback", "v2").status == 0
    assert find_css(routed, "shop") == old
    assert_served_for_good(routed, "shop", old, RED)
    assert routed.request("shop", new).text == BLUE

    assert "sleeps" in repository.toppcloud("ps:sleep").out
    assert_served_for_good(routed, "shop", old, RED)
    assert "asleep" in repository.toppcloud("ps").out
    assert repository.toppcloud("ps:stop").status == 0
    assert routed.request("shop", old).status == 503
    assert repository.toppcloud("ps:start").status == 0
    assert_served_for_good(routed, "shop", old, RED)


def test_whitenoise_goes_on_working_behind_the_router(routed):
    files = {
        **FILES,
        "requirements.txt": FILES["requirements.txt"] + "whitenoise==6.9.0\n",
        "blog/settings.py": SETTINGS + WHITENOISE,
    }
    repository = routed.repository("white", files)
    push(repository)
    css = find_css(routed, "white")
    assert_served_for_good(routed, "white", css, RED)
    assert ask_the_app(routed, "white", css) == RED.encode()


def ask_the_app(live: LiveNode, app: str, path: str) -> bytes:
    """Past the router."""
    connection = http.client.HTTPConnection(live.host(app))
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.connect(str((live.layout.app(app).current / "web.sock").resolve()))
    connection.request("GET", path)
    body = connection.getresponse().read()
    connection.close()
    return body
