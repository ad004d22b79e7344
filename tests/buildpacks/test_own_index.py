"""Packages from an index of the app's own, served here, and hashes in requirements.txt."""

from __future__ import annotations

import functools
import hashlib
import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.tiny_wheel import make_wheel
from toppcloud.errors import ToppcloudError

NAME = "extra_of_ours-1.0-py3-none-any.whl"
WORKER = {"Procfile": "worker: python -m extra_of_ours\n"}


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def index(tmp_path: Path) -> Iterator[str]:
    """The address of an index that has one package."""
    page = tmp_path / "simple/extra-of-ours/index.html"
    page.parent.mkdir(parents=True)
    (page.parent / NAME).write_bytes(make_wheel("extra_of_ours"))
    page.write_text(f'<a href="{NAME}">{NAME}</a>')
    handler = functools.partial(_Quiet, directory=str(tmp_path))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/simple"
        server.shutdown()
        thread.join()


def test_package_comes_from_an_extra_index(builder, index):
    slug = builder.push({**WORKER, "requirements.txt": "extra-of-ours\n"}, {"PIP_EXTRA_INDEX_URL": index})
    assert slug.distributions == {"extra-of-ours": "1.0"}


def test_hashes_of_a_list_are_held_to(builder, index):
    given = {"PIP_EXTRA_INDEX_URL": index}
    right = hashlib.sha256(make_wheel("extra_of_ours")).hexdigest()
    wrong = "0" * 64
    with pytest.raises(ToppcloudError) as refused:
        builder.push({**WORKER, "requirements.txt": f"extra-of-ours==1.0 --hash=sha256:{wrong}\n"}, given)
    assert refused.value.reason == "installing requirements.txt failed"
    assert "hash" in builder.text.lower()
    slug = builder.push({**WORKER, "requirements.txt": f"extra-of-ours==1.0 --hash=sha256:{right}\n"}, given)
    assert slug.distributions == {"extra-of-ours": "1.0"}
