"""A push as a person sees it: real git, real ssh, a real node."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable

import pytest

from benchmarks.live_node import LiveNode, Repository
from benchmarks.load import Traffic
from tests.plain_app import plain_files

pytestmark = pytest.mark.node
Make = Callable[..., Repository]


def remote_lines(transcript: str) -> list[str]:
    """What the node said, with figures, hashes and trailing blanks taken out."""
    lines = [line.removeprefix("remote: ").rstrip() for line in transcript.splitlines() if line.startswith("remote:")]
    lines = [re.sub(r"\s+\d+\.\d+ s\b", " S s", line) for line in lines]
    lines = [re.sub(r"\b[0-9a-f]{7}\b", "COMMIT", line) for line in lines]
    return [re.sub(r"localhost:\d+", "localhost:PORT", line) for line in lines]


def releases(repository: Repository) -> list[dict[str, object]]:
    said = repository.toppcloud("releases", "--json")
    assert said.status == 0, said.all
    value: list[dict[str, object]] = json.loads(said.out)
    return value


def test_a_first_push_creates_the_app_and_says_each_step(node: LiveNode, new_app: Make) -> None:
    repository = new_app()
    said = repository.push()
    assert said.status == 0, said.all
    lines = remote_lines(said.err)
    assert lines[0].startswith(f'-----> {repository.app}: 1 commit, 3 files (COMMIT "First")')
    assert any(line.startswith("-----> Python 3.") for line in lines)
    assert any("web: gunicorn app:app; answered / with 200" in line for line in lines)
    assert "-----> v1 live" in lines
    assert lines[-1].strip() == f"http://{repository.app}.localhost:PORT/"
    assert node.request(repository.app).text == "one mark=;"


def test_a_redirect_to_https_which_the_node_has_not_is_told(new_app: Make) -> None:
    app = "def app(e, s):\n    s('301 x', [('Location', 'https://' + e['HTTP_HOST'] + '/in')])\n    return [b'']\n"
    repository = new_app(plain_files(**{"app.py": app}))
    said = repository.push()
    assert said.status == 0, said.all
    assert f"!     / leads to https://{repository.app}.localhost/in, and this node has no https" in said.all


def test_the_next_push_reuses_the_virtualenv_and_goes_live(node: LiveNode, live_app: Make) -> None:
    repository = live_app()
    repository.commit("Second", {"app.py": plain("two")})
    said = repository.push()
    assert said.status == 0, said.all
    assert "virtualenv reused" in said.err
    assert "v2 live, v1 draining" in said.err
    assert node.request(repository.app).text.startswith("two")
    assert [(r["version"], r["status"], r["kind"]) for r in releases(repository)] == [
        (2, "live", "push"),
        (1, "superseded", "push"),
    ]


def test_config_and_rollback_come_and_go_with_releases(node: LiveNode, live_app: Make) -> None:
    repository = live_app()
    said = repository.toppcloud("config:set", "MARK=a b'c\nd", "OTHER=2")
    assert said.status == 0, said.all
    assert node.request(repository.app).text == "one mark=a b'c\nd;"
    assert repository.toppcloud("config:get", "MARK").out == "a b'c\nd\n"
    assert "nothing to change" in repository.toppcloud("config:set", "OTHER=2").out
    assert len(releases(repository)) == 2
    said = repository.toppcloud("rollback")
    assert said.status == 0, said.all
    assert "code and config of v1" in said.out
    assert "Left behind: MARK, OTHER" in said.out
    assert node.request(repository.app).text == "one mark=;"
    assert repository.toppcloud("config:get", "MARK").status == 1


def test_staged_config_waits_for_the_next_release(node: LiveNode, live_app: Make) -> None:
    repository = live_app()
    assert repository.toppcloud("config:set", "MARK=later", "--stage").status == 0
    assert node.request(repository.app).text == "one mark=;"
    assert repository.toppcloud("config:set", "B=1").status == 0
    assert node.request(repository.app).text == "one mark=later;"


def test_nothing_new_names_the_live_release_and_the_way_to_build_again(live_app: Make) -> None:
    repository = live_app()
    said = repository.push()
    assert said.status == 0
    assert "v1 is live" in said.err
    assert "ps:rebuild" in said.err
    said = repository.toppcloud("ps:rebuild")
    assert said.status == 0, said.all
    assert releases(repository)[0]["kind"] == "rebuild"


def test_a_forced_push_deploys(node: LiveNode, live_app: Make) -> None:
    repository = live_app()
    repository.git("commit", "-q", "--amend", "-m", "Amended")
    repository.commit("x", {"app.py": plain("forced")})
    assert repository.push().status != 0
    assert repository.push("--force", "toppcloud", "main").status == 0
    assert node.request(repository.app).text.startswith("forced")


TURNS_AWAY = "def app(e, s):\n    s('400 Bad Request', [])\n    return [b'']\n"
FAILURES = {
    "pip failure": ({"requirements.txt": "gunicorn\nno-such-package-of-anyone==9.9\n"}, "no-such-package-of-anyone"),
    "syntax error": ({"app.py": "def app(:\n"}, "SyntaxError"),
    "missing module": ({"app.py": "import markdown_of_nobody\n"}, "markdown_of_nobody"),
    "release command": ({"Procfile": "web: gunicorn app:app\nrelease: echo migrating; exit 3\n"}, "migrating"),
    "answers 500": (
        {"app.py": "def app(e, s):\n    s('500 Oops', [])\n    return [b'']\n"},
        "answered / with 500",
    ),
    "never answers": (
        {"Procfile": "web: sleep 60\n", "toppcloud.toml": "[checks]\ntimeout = 1\n"},
        "never answered",
    ),
    "missing Procfile": ({"Procfile": None}, "Procfile"),
    "unknown Python": ({".python-version": "3.99\n"}, "3.99"),
}


@pytest.mark.parametrize("name", FAILURES)
def test_a_failing_push_is_refused_and_the_old_release_serves_on(node: LiveNode, live_app: Make, name: str) -> None:
    repository = live_app()
    files, words = FAILURES[name]
    if files.get("Procfile", "") is None:
        repository.git("rm", "-q", "Procfile")
        files = {"app.py": "x = 1\n"}
    repository.commit(name, files)  # type: ignore[arg-type]
    with Traffic(node.http_port, node.host(repository.app), 50) as traffic:
        said = repository.push()
        time.sleep(0.2)
        tally = traffic.stop()
    assert said.status == 1, said.all
    assert words in said.err, said.err
    assert "[remote rejected] main -> main (" in said.err
    assert tally.failures == []
    assert node.request(repository.app).text.startswith("one")
    assert releases(repository)[-1]["status"] == "live"
    slugs = node.layout.app(repository.app).slugs
    assert len(list(slugs.iterdir())) == 1
    repository.git("reset", "-q", "--hard", "HEAD~1")
    repository.commit("Cured", {"app.py": plain("cured")})
    said = repository.push("--force", "toppcloud", "main")
    assert said.status == 0, said.all
    assert node.request(repository.app).text.startswith("cured")


def test_a_refused_first_push_leaves_the_app_to_be_cured_by_config(node: LiveNode, new_app: Make) -> None:
    repository = new_app({**plain_files("needs"), "app.py": "import os\nos.environ['NEEDED']\n" + plain("needs")})
    said = repository.push()
    assert said.status == 1
    assert "NEEDED" in said.err
    assert repository.toppcloud("config:set", "NEEDED=1").status == 0
    said = repository.push()
    assert said.status == 0, said.all
    assert node.request(repository.app).text.startswith("needs")


def test_another_branch_is_refused_with_the_line_to_type(live_app: Make) -> None:
    repository = live_app()
    repository.git("checkout", "-q", "-b", "feature")
    said = repository.push("toppcloud", "feature")
    assert said.status == 1
    assert "git push toppcloud feature:main" in said.err


def test_a_name_one_letter_away_is_refused(node: LiveNode, live_app: Make) -> None:
    repository = live_app()
    said = repository.push(f"ssh://toppcloud@127.0.0.1:{node.ssh_port}/{repository.app}x", "main")
    assert said.status != 0
    assert repository.app in said.err
    assert "apps:create" in said.err


def test_clone_gives_back_what_was_pushed(node: LiveNode, live_app: Make) -> None:
    repository = live_app()
    clone = node.folder / f"clone-{repository.app}"
    said = node.run(
        ["git", "clone", "-q", f"ssh://toppcloud@127.0.0.1:{node.ssh_port}/{repository.app}.git", str(clone)]
    )
    assert said.status == 0, said.all
    assert (clone / "app.py").read_text() == (repository.path / "app.py").read_text()


def plain(version: str) -> str:
    return plain_files(version)["app.py"]


def test_push_from_a_shallow_clone_makes_an_app(node: LiveNode, new_app: Make) -> None:
    repository = new_app()
    repository.commit("Second", {"note": "2"})
    shallow = node.folder / f"shallow-{repository.app}"
    repository.git("clone", "-q", "--depth", "1", f"file://{repository.path}", str(shallow))
    said = node.run(["git", "push", repository.git("remote", "get-url", "toppcloud"), "main"], cwd=shallow)
    assert said.status == 0, said.all
    assert "1 commit, 4 files" in said.err


def test_a_first_push_that_runs_nothing_goes_live_and_says_so(node: LiveNode, new_app: Make) -> None:
    repository = new_app({"requirements.txt": "", "tool.py": "print('one-off')\n"})
    said = repository.push()
    assert said.status == 0, said.all
    assert "No process runs" in said.err
    assert repository.toppcloud("run", "python", "tool.py").out.strip() == "one-off"


def test_an_app_that_turns_its_own_host_away_goes_live_with_a_warning(new_app: Make) -> None:
    said = new_app({"requirements.txt": "", "Procfile": "web: gunicorn app:app\n", "app.py": TURNS_AWAY}).push()
    assert said.status == 0, said.all
    assert "is answered with 400 when asked as app-" in said.err
    assert "ALLOWED_HOSTS" in said.err
