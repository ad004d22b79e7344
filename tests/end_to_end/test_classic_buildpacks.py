"""Classic buildpacks through the whole node: two in order, from folders and from git, at build time and at run time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from benchmarks.live_node import LiveNode, Repository

pytestmark = [pytest.mark.node, pytest.mark.git]

SERVER = """\
import http.server, os, socket

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(f"{open('said.txt').read()} {os.environ['GREETING']}".encode())

    def log_message(self, *words):
        pass  # nobody has an address on this socket

server = http.server.HTTPServer(("", 0), Handler, bind_and_activate=False)
server.socket = socket.socket(fileno=3)  # the node's, through all scripts of .profile.d
server.server_name, server.server_port = "", 0
server.serve_forever()
"""
TOOLS = {
    "bin/detect": '#!/bin/sh\ntest -f "$1/wanted.txt" && echo Tools',
    "bin/compile": """\
#!/bin/bash
set -eu
mkdir -p "$1/.tools" "$1/.profile.d"
printf '#!/bin/sh\\necho "$(cat "$(dirname "$0")/../wanted.txt") by $1"' > "$1/.tools/speak"
printf '#!/bin/sh\\nexec python3 server.py' > "$1/.tools/serve"
chmod +x "$1/.tools/"*
echo 'export PATH="$HOME/.tools:$PATH" GREETING="${GREETING:-hello}"' > "$1/.profile.d/tools.sh"
echo "export PATH=\\"$1/.tools:\\$PATH\\" SPEAKER=tools" > "$(dirname "$0")/../export"
echo "-----> tools are in place, for $(whoami)"
""",
}
WORDS = {
    "bin/detect": "#!/bin/sh\necho Words",
    "bin/compile": """\
#!/bin/bash
set -eu
count=$(( $(cat "$2/count" 2> /dev/null || echo 0) + 1 ))
echo $count > "$2/count"
echo "build $count: $(speak "$SPEAKER") to $(cat "$3/WHO")" > "$1/said.txt"
""",
    "bin/release": """\
#!/bin/sh
echo '---'
echo 'default_process_types:'
echo '  web: serve'
echo '  release: echo released by $(command -v speak)'
""",
}


def write_buildpack(folder: Path, files: Mapping[str, str]) -> Path:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o755)
    return folder


def commit_buildpack(node: LiveNode, folder: Path) -> str:
    """As a repository; returns the commit's first seven digits."""
    identity = ("-c", "user.name=Ana", "-c", "user.email=ana@example.com")
    commands = (("init", "-q", "-b", "main"), ("add", "--all"), ("commit", "-q", "--allow-empty", "-m", "Buildpack"))
    for words in commands:
        assert node.run(["git", *identity, *words], cwd=folder).status == 0
    return node.run(["git", "rev-parse", "HEAD"], cwd=folder).out[:7]


@pytest.fixture
def app(new_app: Callable[..., Repository]) -> Repository:
    """An app for both buildpacks; WHO is set."""
    repository = new_app({"wanted.txt": "said", "server.py": SERVER})
    assert repository.toppcloud("apps:create", repository.app).status == 0
    assert repository.toppcloud("config:set", "WHO=ana").status == 0
    return repository


def test_two_folders_build_one_after_the_other_and_the_last_names_the_processes(
    node: LiveNode, app: Repository
) -> None:
    tools = write_buildpack(node.folder / "packs/tools", TOOLS)
    words = write_buildpack(node.folder / "packs/words", WORDS)
    app.commit("Buildpacks", {".buildpacks": f"# in order\n{tools}\n\n{words}\n"})
    said = app.push()
    assert said.status == 0, said.all
    assert "-----> tools are in place, for " in said.all
    assert "for root" not in said.all
    assert "released by " in said.all  # .profile.d counts for the release command
    assert node.request(app.app).text == "build 1: said by tools to ana\n hello"

    assert app.toppcloud("config:set", "GREETING=good day").status == 0
    assert node.request(app.app).text.endswith(" good day")
    assert app.toppcloud("run", "--", "speak", "run").out == "said by run\n"

    app.commit("Another word", {"wanted.txt": "sung"})
    assert app.push().status == 0
    assert "build 2: sung by tools" in node.request(app.app).text
    assert app.toppcloud("ps:sleep").status == 0
    assert "build 2: sung by tools" in node.request(app.app).text
    assert app.toppcloud("rollback").status == 0
    assert "build 1: said by tools" in node.request(app.app).text

    app.git("rm", "-q", "wanted.txt")
    app.commit("Not for tools any more", {})
    refused = app.push()
    assert refused.status != 0
    assert "The project is not for the buildpack" in refused.all
    assert "build 1: said by tools" in node.request(app.app).text


def test_repositories_are_fetched_at_each_build_and_commands_name_them(node: LiveNode, app: Repository) -> None:
    tools = write_buildpack(node.folder / "repositories/tools", TOOLS)
    words = write_buildpack(node.folder / "repositories/words", WORDS)
    commit_buildpack(node, tools)
    first = commit_buildpack(node, words)
    assert app.toppcloud("buildpacks:set", f"file://{words}/.git").status == 0
    assert app.toppcloud("buildpacks:add", f"file://{tools}/.git", "--index", "1").status == 0
    twice = app.toppcloud("buildpacks:add", f"file://{tools}/.git")
    assert (twice.status, "twice" in twice.all) == (1, True)

    said = app.push()
    assert said.status == 0, said.all
    assert f"file://{words}/.git#{first}" in app.toppcloud("buildpacks").all
    assert "build 1: said by tools" in node.request(app.app).text

    write_buildpack(words, {"bin/compile": WORDS["bin/compile"].replace("build $count", "newer build $count")})
    second = commit_buildpack(node, words)
    assert app.toppcloud("ps:rebuild").status == 0
    assert f"#{second}" in app.toppcloud("buildpacks").all
    assert "newer build 2: said by tools" in node.request(app.app).text

    words.rename(words.with_name("gone"))
    rebuilt = app.toppcloud("ps:rebuild")
    assert rebuilt.status == 1
    assert "/words/.git is not there." in rebuilt.all
    assert "newer build 2: said by tools" in node.request(app.app).text
