"""Static files beside an app, and without one: served by each router itself, from the live release."""

from __future__ import annotations

import pytest

from deploy.start_key import StartKey

pytestmark = pytest.mark.node


@pytest.fixture(scope="module")
def site(routed_node, make_module_app):
    """An app whose release has static files: it answers what they do not."""
    app = make_module_app(routed_node, "site")
    public = write_files(app, StartKey("site", 1, 1))
    (public.parent / "secret.txt").write_text("secret")
    app.go_live(1)
    app.wait_until_up("v1.1", path="/dynamic")
    return app


def write_files(app, key):
    release = key.release_layout(app.tiny.layout)
    public = release.folder / "source" / "public"
    for name, text in {
        "index.html": "<p>home",
        "style.css": "p {}",
        "app.mjs": "1",
        "site.webmanifest": "{}",
        "font.woff2": "w",
        "docs/index.html": "<p>docs",
        "empty/other.txt": "x",
        ".env": "secret",
        ".git/config": "secret",
        "toppcloud.toml": "secret",
        ".well-known/security.txt": "mail us",
        "with space & ü.txt": "odd",
        "[a]*.txt": "globs",
        "%41.txt": "percent",
    }.items():
        path = public / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    release.public.symlink_to("source/public")
    return public


@pytest.mark.parametrize(
    ("path", "text", "media_type"),
    [
        ("/", "<p>home", "text/html; charset=utf-8"),
        ("/index.html", "<p>home", "text/html; charset=utf-8"),
        ("/style.css", "p {}", "text/css; charset=utf-8"),
        ("/style.css?v=3", "p {}", "text/css; charset=utf-8"),
        ("/app.mjs", "1", "text/javascript; charset=utf-8"),
        ("/site.webmanifest", "{}", "application/manifest+json; charset=utf-8"),
        ("/font.woff2", "w", "font/woff2"),
        ("/docs/", "<p>docs", "text/html; charset=utf-8"),
        ("/.well-known/security.txt", "mail us", "text/plain; charset=utf-8"),
        ("/with%20space%20&%20%C3%BC.txt", "odd", "text/plain; charset=utf-8"),
        ("/%5Ba%5D*.txt", "globs", "text/plain; charset=utf-8"),
        ("/%2541.txt", "percent", "text/plain; charset=utf-8"),
    ],
)
def test_file_that_is_there_is_served_with_its_type(routed_node, site, path, text, media_type):
    answer = routed_node.get(site.host, path)
    assert (answer.status, answer.text) == (200, text)
    assert answer.headers["Content-Type"] == media_type


@pytest.mark.parametrize(
    "path",
    [
        "/dynamic",
        "/empty/",
        "/empty",
        "/style.css/more",
        "/.env",
        "/.git/config",
        "/toppcloud.toml",
        "/%2eenv",
        "/docs/../.env",
        "/../secret.txt",
        "/%2e%2e/secret.txt",
        "/..%2fsecret.txt",
        "/" + "x" * 400,
        "/" + "/".join(["x" * 200] * 30),
    ],
)
def test_what_is_no_public_file_is_the_apps(routed_node, site, path):
    answer = routed_node.get(site.host, path)
    assert (answer.status, answer.text) == (200, "v1.1") or (answer.status == 400 and ".." in path.replace("%2e", "."))


def test_post_to_a_file_is_the_apps(routed_node, site):
    assert routed_node.get(site.host, "/style.css", method="POST", body=b"x").text == "v1.1:x"


def test_folder_is_asked_for_with_a_slash(routed_node, site):
    answer = routed_node.get(site.host, "/docs?page=2")
    assert (answer.status, answer.headers["Location"]) == (308, "/docs/?page=2")
    assert routed_node.get(site.host, "//docs").headers.get("Location", "") in ("", "/docs/")


def test_head_tells_what_get_would_send(routed_node, site):
    answer = routed_node.get(site.host, "/style.css", method="HEAD")
    assert (answer.status, answer.text, answer.headers["Content-Length"]) == (200, "", "4")


def test_visitor_who_has_it_is_told_so(routed_node, site):
    first = routed_node.get(site.host, "/style.css")
    assert first.headers["Last-Modified"]
    again = routed_node.get(site.host, "/style.css", If_None_Match=first.headers["ETag"])
    assert (again.status, again.text) == (304, "")


def test_part_of_a_file_can_be_had(routed_node, site):
    answer = routed_node.get(site.host, "/style.css", Range="bytes=0-0")
    assert (answer.status, answer.text) == (206, "p")


def test_deploy_changes_the_files_with_the_rest(routed_node, make_module_app):
    app = make_module_app(routed_node, "changes")
    for release, word in ((1, "old"), (2, "new")):
        (write_files(app, StartKey("changes", release, 1)) / "style.css").write_text(word)
    app.go_live(1)
    assert routed_node.get(app.host, "/style.css").text == "old"
    app.go_live(2)
    assert routed_node.get(app.host, "/style.css").text == "new"


def test_app_beside_files_may_fail_like_any_other(routed_node, make_module_app):
    app = make_module_app(routed_node, "failing")
    write_files(app, StartKey("failing", 1, 1))
    app.go_live(1)
    app.wait_until_up("v1.1", path="/dynamic")
    assert routed_node.get(app.host, "/die").status == 502
    StartKey("failing", 1, 1).layout(routed_node.layout).socket.unlink()
    answer = routed_node.get(app.host, "/dynamic")
    assert answer.status == 502
    assert "does not answer" in answer.text
    assert answer.headers["Retry-After"]
    assert routed_node.get(app.host, "/style.css").status == 200


def test_status_of_an_app_beside_files_is_its_own(routed_node, make_module_app):
    app = make_module_app(routed_node, "refusing")
    write_files(app, StartKey("refusing", 1, 1))
    script = (
        "import http.server, socketserver, socket\n"
        "HEAD = b'HTTP/1.0 %s Said\\r\\nContent-Length: 0\\r\\n\\r\\n'\n"
        "class Teapot(http.server.BaseHTTPRequestHandler):\n"
        "    address_string = lambda self: ''\n"
        "    def do_GET(self): self.wfile.write(HEAD % self.path[1:4].encode())\n"
        "class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):\n"
        "    def server_bind(self): self.socket.close(); self.socket = socket.socket(fileno=3)\n"
        "    server_activate = lambda self: None\n"
        "Server('x', Teapot).serve_forever()\n"
    )
    app.go_live(1, argv=["/usr/bin/python3", "-S", "-c", script])
    for status in (200, 302, 404, 418, 500):
        assert routed_node.get(app.host, f"/{status}").status == status
