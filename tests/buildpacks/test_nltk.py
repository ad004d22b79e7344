"""nltk.txt with a small index of our own, served on the loopback interface.

It is NLTK 3.9.1, since later ones refuse addresses of the machine itself; to them it is an index out of reach.
"""

from __future__ import annotations

import functools
import hashlib
import http.server
import io
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from buildpacks.nltk import parse_nltk_txt
from tests.buildpacks.conftest import Builder
from tests.buildpacks.test_build import run_in
from toppcloud.errors import ToppcloudError

pytestmark = pytest.mark.node
FILES = {"requirements.txt": "nltk==3.9.1\n", "Procfile": "web: python app.py\n", "app.py": ""}
WORDS = "from nltk.corpus import stopwords; print(*stopwords.words('english'))"


class Handler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def index(tmp_path: Path) -> Iterator[str]:
    """The address of an index with one package, `stopwords`, of two words."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("stopwords/english", "and\nthe\n")
    data = buffer.getvalue()
    (tmp_path / "stopwords.zip").write_bytes(data)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=str(tmp_path)))
    address = f"http://127.0.0.1:{server.server_port}"
    checksums = f'checksum="{hashlib.md5(data).hexdigest()}" sha256_checksum="{hashlib.sha256(data).hexdigest()}"'
    (tmp_path / "index.xml").write_text(
        f'<nltk_data><packages><package id="stopwords" name="Stopwords" subdir="corpora" unzip="1" {checksums}'
        f' size="{len(data)}" unzipped_size="8" url="{address}/stopwords.zip"/></packages>'
        '<collections><collection id="all" name="All"><item ref="stopwords"/></collection></collections></nltk_data>'
    )
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"{address}/index.xml"
    server.shutdown()
    server.server_close()


def source_of(builder: Builder) -> Path:
    assert builder.previous
    return builder.app.slug(builder.previous.id).source


def test_corpora_are_found_by_the_running_app_and_fetched_once(builder: Builder, index: str, tmp_path: Path) -> None:
    files = {**FILES, "nltk.txt": "# for search\nstopwords\n", "bin/post_compile": "python words.py", "words.py": WORDS}
    slug = builder.push(files, {"NLTK_INDEX_URL": index})
    assert "-----> nltk.txt: stopwords" in builder.text
    assert "         and the" in builder.lines
    assert "nltk_data/corpora/stopwords/english" in builder.app.slug(slug.id).manifest.read_text()
    assert run_in(builder, slug, source_of(builder), "python", "words.py").stdout == "and the\n"
    (tmp_path / "index.xml").unlink()
    slug = builder.push({**files, "app.py": "x = 1"}, {"NLTK_INDEX_URL": index})
    assert "-----> nltk.txt: stopwords, as before" in builder.text
    assert run_in(builder, slug, source_of(builder), "python", "words.py").stdout == "and the\n"
    builder.uses_cache = False
    with pytest.raises(ToppcloudError, match="cannot be read"):
        builder.push(files, {"NLTK_INDEX_URL": index})


def test_data_of_the_project_stays_beside_what_is_fetched(builder: Builder, index: str) -> None:
    builder.push({**FILES, "nltk.txt": "all", "nltk_data/corpora/own/a.txt": "mine"}, {"NLTK_INDEX_URL": index})
    corpora = source_of(builder) / "nltk_data/corpora"
    assert (corpora / "own/a.txt").read_text() == "mine"
    assert (corpora / "stopwords/english").is_file()


def test_name_that_is_not_in_the_index_refuses_the_push(builder: Builder, index: str) -> None:
    with pytest.raises(ToppcloudError) as refusal:
        builder.push({**FILES, "nltk.txt": "stopwords\nstopwoods\n"}, {"NLTK_INDEX_URL": index})
    assert "         not in the index: stopwoods" in builder.lines
    assert refusal.value.what == "nltk.txt names what NLTK's index has not."


def test_index_that_cannot_be_reached_is_named(builder: Builder) -> None:
    files = {**FILES, "requirements.txt": "nltk\n", "nltk.txt": "stopwords\n"}
    with pytest.raises(ToppcloudError) as refusal:
        builder.push(files, {"NLTK_INDEX_URL": "http://me:secret@127.0.0.1:1/index.xml"})
    assert refusal.value.what == "nltk.txt: the index of NLTK's data cannot be read."
    assert "http://***@127.0.0.1:1/index.xml" in refusal.value.why
    assert "secret" not in builder.text


def test_nltk_without_the_file_is_a_line_and_the_file_without_nltk_is_none(builder: Builder) -> None:
    builder.push(FILES)
    assert "-----> NLTK without nltk.txt: no corpora are fetched" in builder.lines
    builder.push({**FILES, "requirements.txt": "itsdangerous==2.2.0\n", "nltk.txt": "invalid!\n"})
    assert "nltk.txt" not in builder.text
    assert not (source_of(builder) / "nltk_data").exists()


@pytest.mark.parametrize("line", ["invalid!", "-x", "../up", "a;b"])
def test_line_that_is_no_name_is_quoted(line: str) -> None:
    with pytest.raises(ToppcloudError) as refusal:
        parse_nltk_txt(f"stopwords\n{line}\n")
    assert refusal.value.what == f"nltk.txt, line 2, is no name of NLTK's index: {line}"


def test_names_are_read_once_each() -> None:
    assert parse_nltk_txt("\n a b\r\n# c\nb # d\n") == ("a", "b")
