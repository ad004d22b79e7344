"""What builds gathered, served by each router: hashed names for good, packed files, and those of the slug before."""

from __future__ import annotations

import contextlib
import dataclasses
import gzip
import http.client
from dataclasses import dataclass

import pytest

from buildpacks.public_tree import make_public_tree
from deploy.public_files import hide_files, publish_files
from deploy.release import Release, mark_live, write_release
from deploy.start_key import StartKey
from toppcloud.account import this_account
from toppcloud.app_layout import AppLayout
from toppcloud.slug import Slug, Web, write_slug

pytestmark = pytest.mark.node
FOR_GOOD = "public, max-age=31536000, immutable"
BIG = "p { color: red }\n" * 400
HASHED, PLAIN = "/static/css/app.55e7cbb9ba48.css", "/static/css/app.css"
DJANGO = (("static", "collected"),)
FILES = {
    "manage.py": "secret",
    "collected/css/app.css": BIG,
    "collected/css/app.55e7cbb9ba48.css": BIG,
    "collected/small.css": "p {}",
    "collected/.env": "secret",
    "collected/own.js": "own " * 999,
    "collected/own.js.gz": "packed by the app",
}
SLUG = Slug("", "", "", "", "python 2", {"web": "x"}, None, {}, None, None, None, None, {}, "")


@dataclass
class Seen:
    status: int
    body: bytes
    headers: http.client.HTTPMessage


@dataclass
class Shop:
    """An app whose slugs and releases are made by hand, in the order of a real deploy."""

    tiny: object
    host: str
    app: AppLayout
    name: str

    def make_slug(self, slug_id, files, static=DJANGO, web=None, previous=None, links=()):
        layout = self.app.slug(slug_id)
        for path, text in files.items():
            target = layout.source / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text)
        for path, target in links:
            (layout.source / path).symlink_to(target)
        slug = dataclasses.replace(SLUG, id=slug_id, static=static, web=web or Web())
        make_public_tree(layout, slug, self.app.slug(previous) if previous else None, this_account())
        write_slug(layout, slug)
        return slug

    def release(self, version, slug):
        """Publish and activate it; its process says `v1.1` to what is no file."""
        key = StartKey(self.name, version, 1)
        layout = self.app.release(version)
        self.live.run(key)
        if slug.web.static:
            (layout.source / slug.web.static).mkdir(parents=True)
        publish_files(self.app, layout, slug, is_stopped=False)
        self.live.activate(key)
        write_release(layout, Release(version, "push", "", "", slug.id, "ana", "", {"web": "x"}, None))
        mark_live(layout)
        self.live.wait_until_up(f"v{version}.1", path="/dynamic")
        return layout

    def get(self, path, method="GET", **headers):
        connection = http.client.HTTPConnection("127.0.0.1", self.tiny.http_port, timeout=20)
        with contextlib.closing(connection):
            given = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, path, headers={"Host": self.host, **given})
            response = connection.getresponse()
            return Seen(response.status, response.read(), response.headers)

    def is_apps(self, path):
        return self.get(path).body.startswith(b"v")


@pytest.fixture(scope="module")
def make_shop(routed_node, make_module_app):
    def make(name):
        live = make_module_app(routed_node, name)
        shop = Shop(routed_node, live.host, routed_node.layout.app(name), name)
        shop.live = live
        shop.app.slugs.mkdir(parents=True)
        return shop

    return make


@pytest.fixture(scope="module")
def shop(make_shop):
    shop = make_shop("shop")
    shop.release(1, shop.make_slug("first", FILES))
    return shop


def test_names_that_tell_their_content_are_kept_for_good_and_others_asked_for_again(shop):
    assert shop.get(HASHED).headers["Cache-Control"] == FOR_GOOD
    assert shop.get(PLAIN).headers["Cache-Control"] == "no-cache"
    assert shop.get(HASHED).headers["Content-Type"] == "text/css; charset=utf-8"
    assert (shop.app.release(1).folder / "public" / HASHED[1:]).read_text() == BIG


@pytest.mark.parametrize("path", [HASHED, PLAIN])
def test_packed_file_is_sent_to_who_takes_it(shop, path):
    packed = shop.get(path, Accept_Encoding="gzip, br")
    assert packed.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(packed.body).decode() == BIG
    assert packed.headers["Content-Type"] == "text/css; charset=utf-8"
    plain = shop.get(path)
    assert plain.headers["Content-Encoding"] is None
    assert plain.body.decode() == BIG
    for answer in (packed, plain):
        assert "Accept-Encoding" in answer.headers["Vary"]
    assert packed.headers["ETag"] != plain.headers["ETag"]


def test_small_files_are_not_packed_and_what_the_app_packed_is_taken(shop):
    assert shop.get("/static/small.css", Accept_Encoding="gzip").headers["Content-Encoding"] is None
    assert shop.get("/static/own.js", Accept_Encoding="gzip").body == b"packed by the app"


def test_head_part_and_revalidation_are_right_for_packed_and_plain(shop):
    for wanted in ({}, {"Accept_Encoding": "gzip"}):
        whole = shop.get(HASHED, **wanted)
        head = shop.get(HASHED, method="HEAD", **wanted)
        assert (head.status, head.body) == (200, b"")
        assert head.headers["Content-Length"] == str(len(whole.body))
        assert head.headers["Content-Encoding"] == whole.headers["Content-Encoding"]
        again = shop.get(HASHED, If_None_Match=whole.headers["ETag"], **wanted)
        assert (again.status, again.body) == (304, b"")
        assert again.headers["Cache-Control"] == FOR_GOOD
        again = shop.get(HASHED, If_Modified_Since=whole.headers["Last-Modified"], **wanted)
        assert again.status == 304
        part = shop.get(HASHED, Range="bytes=2-5", **wanted)
        assert part.body == (whole.body[2:6] if part.status == 206 else whole.body)
    assert shop.get(HASHED, Range="bytes=2-5").status == 206


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/static/",
        "/static",
        "/static/css",
        "/static/css/app.css/",
        "/manage.py",
        "/static/.env",
        "/static/../manage.py",
        "/public/static/small.css",
        "/collected/small.css",
        "/dynamic",
    ],
)
def test_what_is_no_public_file_is_the_apps(shop, path):
    answer = shop.get(path)
    assert answer.body == b"v1.1" or (answer.status == 400 and ".." in path)


def test_links_of_the_app_lead_nobody_out(make_shop, routed_node):
    shop = make_shop("leaking")
    env = shop.app.release(1).env
    env.parent.mkdir(parents=True)
    env.write_text("secret")
    links = [
        ("collected/passwd.txt", "/etc/passwd"),
        ("collected/env.txt", env),
        ("collected/env.55e7cbb9ba48.css", env),
        ("collected/up", ".."),
        ("collected/settings.txt", "../settings.py"),
    ]
    files = {"collected/app.css": "p {}", "settings.py": "secret"}
    shop.release(1, shop.make_slug("first", files, links=links))
    assert shop.get("/static/app.css").body == b"p {}"
    for name in ("passwd.txt", "env.txt", "env.55e7cbb9ba48.css", "up/settings.py", "settings.txt"):
        assert shop.is_apps(f"/static/{name}")


def test_folder_that_is_a_link_is_not_published(make_shop):
    shop = make_shop("linked")
    shop.release(1, shop.make_slug("first", {"a.txt": "x"}, static=(("etc", "etc"),), links=[("etc", "/etc")]))
    assert shop.is_apps("/etc/passwd")


def test_pages_loaded_before_a_deploy_find_their_files(make_shop):
    shop = make_shop("deployed")
    first = shop.make_slug("first", {**FILES, "collected/gone.js": "1"})
    shop.release(1, first)
    changed = {path: text for path, text in FILES.items() if "55e7" not in path}
    second = shop.make_slug("second", {**changed, "collected/css/app.000cbb9ba48e.css": "p {}"}, previous="first")
    shop.release(2, second)
    answer = shop.get(HASHED, Accept_Encoding="gzip")
    assert gzip.decompress(answer.body).decode() == BIG
    assert shop.get("/static/gone.js").body == b"1"
    assert shop.get("/static/css/app.000cbb9ba48e.css").headers["Cache-Control"] == FOR_GOOD
    shop.release(3, second)  # a config change: the slug is the same one
    assert shop.get(HASHED).status == 200
    shop.release(4, first)  # a rollback
    assert shop.get("/static/css/app.000cbb9ba48e.css").body == b"p {}"


def test_address_that_is_the_apps_now_is_not_taken_by_the_slug_before(make_shop):
    shop = make_shop("moved")
    shop.release(1, shop.make_slug("first", FILES))
    shop.release(2, shop.make_slug("second", {"collected/x.css": "x"}, static=(("assets", "collected"),)))
    assert shop.get("/assets/x.css").body == b"x"
    assert shop.is_apps(PLAIN)


def test_folder_of_web_and_gathered_files_are_served_together(make_shop):
    shop = make_shop("both")
    files = {**FILES, "public/robots.txt": "none", "public/index-BkN2Xw3a.js": "1"}
    release = shop.release(1, shop.make_slug("first", files, web=Web(static="public")))
    (release.source / "public/upload.txt").write_text("written by the app")
    assert shop.get(HASHED).headers["Cache-Control"] == FOR_GOOD
    assert shop.get("/index-BkN2Xw3a.js").headers["Cache-Control"] == FOR_GOOD
    assert shop.get("/upload.txt").body == b"written by the app"
    assert shop.get("/upload.txt").headers["Cache-Control"] == "no-cache"
    assert shop.is_apps("/missing.txt")


def test_stopped_app_shows_none_of_them(make_shop):
    shop = make_shop("stopped")
    release = shop.release(1, shop.make_slug("first", FILES))
    shop.release(2, shop.make_slug("second", {"collected/x.css": "x"}))
    hide_files(shop.app.release(2))
    for path in (HASHED, PLAIN, "/static/x.css"):
        assert shop.is_apps(path)
    assert release.public.is_symlink()


def test_slug_before_may_be_gone(make_shop):
    shop = make_shop("pruned")
    shop.release(1, shop.make_slug("first", FILES))
    shop.release(2, shop.make_slug("second", {"collected/x.css": "x"}))
    (shop.app.slug("first").folder).rename(shop.app.slugs / "elsewhere")
    assert shop.is_apps(HASHED)
    assert shop.get("/static/x.css").body == b"x"
