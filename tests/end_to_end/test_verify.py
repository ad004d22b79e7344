"""builds:verify: a release built again, apart, is the same or is told apart; nothing of the app changes."""

from __future__ import annotations

import base64
import hashlib
import json
import subprocess
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.live_node import LiveNode, Repository
from tests.plain_app import plain_files
from toppcloud.app_layout import SlugLayout
from toppcloud.slug import Slug, read_slug

pytestmark = pytest.mark.node
Make = Callable[..., Repository]

PINNED = "gunicorn==23.0.0\npackaging==25.0\n"
STAMP = "#!/bin/sh\ndate +%s%N > built_at.txt\n"


def hash_text(text: str) -> str:
    """As RECORD has it."""
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()


def make_wheel(folder: Path, version: str, text: str = "") -> None:
    """`tiny_verified_part` of that version, with one module."""
    folder.mkdir(exist_ok=True)
    folder.chmod(0o755)
    name = f"tiny_verified_part-{version}"
    path = folder / f"{name}-py3-none-any.whl"
    path.unlink(missing_ok=True)
    files = {
        "tiny_verified_part.py": f"VERSION = {version!r}\n{text}",
        f"{name}.dist-info/METADATA": f"Metadata-Version: 2.1\nName: tiny-verified-part\nVersion: {version}\n",
        f"{name}.dist-info/WHEEL": "Wheel-Version: 1.0\nGenerator: hand\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    with zipfile.ZipFile(path, "w") as wheel:
        for inner, content in files.items():
            wheel.writestr(inner, content)
        lines = [f"{inner},sha256={hash_text(content)},{len(content)}\n" for inner, content in files.items()]
        wheel.writestr(f"{name}.dist-info/RECORD", "".join([*lines, f"{name}.dist-info/RECORD,,\n"]))
    path.chmod(0o644)


def list_state(repository: Repository) -> list[tuple[str, int]]:
    """Every file of the app but those that it and the kernel write."""
    app = repository.node.layout.app(repository.app)
    names = ((str(path.relative_to(app.folder)), path.lstat().st_ino) for path in sorted(app.folder.rglob("*")))
    return [(name, inode) for name, inode in names if not name.startswith(("log/", "lock."))]


def read_live(repository: Repository) -> Slug:
    app = repository.node.layout.app(repository.app)
    slugs = [read_slug(SlugLayout(path)) for path in app.slugs.iterdir()]
    return max((slug for slug in slugs if slug), key=lambda slug: slug.created_at)


def test_release_with_exact_versions_is_the_same_and_nothing_changes(node: LiveNode, live_app: Make) -> None:
    repository = live_app(plain_files(**{"requirements.txt": PINNED}))
    before = list_state(repository)
    said = node.ssh("builds:verify", "-a", repository.app)
    assert said.status == 0, said.all
    assert said.out.startswith("v1 built again (")
    assert "is the same: python 2, 2 packages, Python 3" in said.out
    assert list_state(repository) == before
    assert list(node.layout.dry_runs.iterdir()) == []
    found = json.loads(node.ssh("builds:verify", "v1", "-a", repository.app, "--json").out)
    slug = read_live(repository)
    assert found["same"] is True
    assert found["slug_hash"] == found["hash_again"] == slug.hash
    assert sorted(slug.distribution_hashes) == ["gunicorn", "packaging"]


def test_file_that_each_build_writes_anew_is_named(node: LiveNode, live_app: Make) -> None:
    repository = live_app(plain_files(**{"requirements.txt": PINNED, "bin/post_compile": STAMP}))
    said = node.ssh("builds:verify", "-a", repository.app)
    assert said.status == 1, said.all
    assert "v1 built again" in said.out
    assert "is not the same: 1 file" in said.out
    assert "built_at.txt" in said.out
    assert "app.py" not in said.out


def test_version_that_moved_is_told_with_the_line_that_holds_it(node: LiveNode, new_app: Make) -> None:
    wheels = node.folder / "wheels-of-verify"
    make_wheel(wheels, "1.0")
    repository = new_app(plain_files(**{"requirements.txt": f"{PINNED}tiny-verified-part\n"}))
    assert node.ssh("apps:create", repository.app).status == 0
    assert node.ssh("config:set", f"UV_FIND_LINKS={wheels}", "-a", repository.app).status == 0
    assert repository.push().status == 0

    make_wheel(wheels, "1.1")
    said = node.ssh("builds:verify", "-a", repository.app)
    assert said.status == 1, said.all
    assert "tiny-verified-part 1.0 -> 1.1" in said.out
    assert "requirements.txt names no exact version of them. As they were: tiny-verified-part==1.0" in said.out

    (wheels / "tiny_verified_part-1.1-py3-none-any.whl").unlink()
    make_wheel(wheels, "1.0", text="OTHER = True\n")
    said = node.ssh("builds:verify", "-a", repository.app)
    assert said.status == 1, said.all
    assert "tiny-verified-part: same version, other files" in said.out

    (wheels / "tiny_verified_part-1.0-py3-none-any.whl").unlink()
    said = node.ssh("builds:verify", "-a", repository.app)
    assert said.status == 1, said.all
    assert f"v1 of {repository.app} cannot be built again as it was." in said.err
    assert "tiny-verified-part" in said.err
    assert node.request(repository.app).status == 200
    assert list(node.layout.dry_runs.iterdir()) == []


def test_person_who_goes_away_leaves_nothing_behind(node: LiveNode, live_app: Make) -> None:
    marker = node.folder / "slow-verify"
    slow = f"#!/bin/sh\n[ -e {marker} ] && exec sleep 300\ntrue\n"
    repository = live_app(plain_files(**{"bin/post_compile": slow}))
    marker.touch()
    person = subprocess.Popen(
        [*node.ssh_words(), f"builds:verify -a {repository.app}"],
        env=node.environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    assert person.stderr is not None
    assert any(b"bin/post_compile" in line for line in person.stderr)
    person.terminate()
    person.wait()
    deadline = time.monotonic() + 60
    while list(node.layout.dry_runs.iterdir()) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert list(node.layout.dry_runs.iterdir()) == []
    assert node.request(repository.app).status == 200


def test_what_cannot_be_compared_is_refused(node: LiveNode, live_app: Make) -> None:
    repository = live_app(plain_files(**{"requirements.txt": PINNED}))
    said = node.ssh("builds:verify", "v7", "-a", repository.app)
    assert (said.status, f"There is no release v7 of {repository.app}." in said.err) == (1, True)
