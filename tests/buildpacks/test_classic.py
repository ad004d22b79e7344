"""Projects built by tiny buildpacks of the classic API, really run; and the ways in which such a build goes wrong."""

from __future__ import annotations

import dataclasses
import io
import os
import subprocess
import tarfile
import threading
import time
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from wsgiref.simple_server import WSGIRequestHandler, make_server

import pytest
from dulwich import porcelain
from dulwich.repo import Repo
from dulwich.server import DictBackend
from dulwich.web import make_wsgi_chain

from toppcloud.errors import Cancelled, ToppcloudError

pytestmark = pytest.mark.node

FIRST = {
    "bin/detect": '#!/bin/sh\ntest -f "$1/tool.txt" && echo Tool\n',
    "bin/compile": """#!/usr/bin/env bash
set -e
echo "-----> Installing the tool"
echo -e "\\e[1;33m       in colour\\e[0m"
mkdir -p "$1/vendor/bin" "$1/.profile.d"
printf '#!/bin/sh\\necho the tool\\n' > "$1/vendor/bin/tool"
chmod +x "$1/vendor/bin/tool"
echo 'export PATH="$HOME/vendor/bin:$PATH"' > "$1/.profile.d/tool.sh"
echo "export PATH=\\"$1/vendor/bin:\\$PATH\\" TOOL_HOME=$1/vendor" > "$(dirname "$0")/../export"
echo 'declare -x DECLARED="two words"' >> "$(dirname "$0")/../export"
""",
    "bin/release": "#!/bin/sh\necho 'default_process_types: {web: never}'\n",
}
SECOND = {
    "bin/detect": "#!/bin/sh\necho Second\n",
    "bin/compile": '#!/bin/sh\ntool > "$1/said.txt"\necho "$TOOL_HOME $DECLARED" >> "$1/said.txt"\n',
    "bin/release": """#!/bin/sh
cat <<END
---
default_process_types:
  web: tool --port \\$PORT
  worker: tool work
config_vars:
  TOOL_MODE: fast
  PATH: vendor/bin:/usr/bin
END
""",
}
NOTHING = {"bin/detect": "#!/bin/sh\necho Nothing\n", "bin/compile": "#!/bin/sh\ntrue\n"}


def write_buildpack(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o755)
    return folder


def commit(folder: Path, files: dict[str, str]) -> str:
    """Write and commit the files; returns the commit."""
    write_buildpack(folder, files)
    if not (folder / ".git").exists():
        porcelain.init(str(folder))
    with Repo(str(folder)) as repository:
        repository.get_worktree().stage([os.fsencode(name) for name in files])
        sha = porcelain.commit(repository, message=b"x", author=b"a <a@b.c>", committer=b"a <a@b.c>")
    return sha.decode()


def compile_with(script: str) -> dict[str, str]:
    return {**NOTHING, "bin/compile": f"#!/bin/bash\n{script}\n"}


def test_two_in_order_the_second_has_what_the_first_exports_and_names_the_processes(builder, folder):
    first = write_buildpack(folder / "first", FIRST)
    second = write_buildpack(folder / "second", SECOND)
    slug = builder.push({"tool.txt": "", ".buildpacks": f"{first}\n{second}\n"})
    source = builder.app.slug(slug.id).source
    assert (source / "said.txt").read_text().splitlines() == ["the tool", f"{source}/vendor two words"]
    assert slug.processes == {"web": "tool --port $PORT", "worker": "tool work"}
    assert slug.environment == {"TOOL_MODE": "fast"}
    assert slug.paths == ("vendor/bin",)
    assert slug.buildpack == f"{first}, {second}"
    assert "-----> Installing the tool" in builder.lines
    assert "       in colour" in builder.lines
    assert not (first / "export").exists()
    assert not builder.app.slug(slug.id).tmp.exists()


def test_procfile_wins_over_what_the_buildpack_names(builder, folder):
    second = {**SECOND, "bin/compile": '#!/bin/sh\nprintf "web: written\\nrelease: migrate\\n" > "$1/Procfile"\n'}
    slug = builder.push({".buildpacks": f"{write_buildpack(folder / 'x', second)}\n"})
    assert slug.processes == {"web": "written", "worker": "tool work"}
    assert slug.release_command == "migrate"


def test_config_vars_are_files_and_not_variables(builder, folder):
    script = 'cd "$3"; for f in *; do echo "$f=$(cat "$f")"; done; stat -c %a .; echo "SECRET is ${SECRET-unset}"; env'
    address = write_buildpack(folder / "x", compile_with(script))
    slug = builder.push({".buildpacks": f"{address}\n"}, {"SECRET": "two\nlines", "B": "1", "PATH": "/evil"})
    assert builder.lines[builder.lines.index("B=1") :][:2] == ["B=1", "PATH=/evil"]
    assert "SECRET=two" in builder.lines
    assert "700" in builder.lines
    assert "SECRET is unset" in builder.lines
    assert "BUILDPACK_LOG_FILE=/dev/null" in builder.lines
    assert "SOURCE_VERSION=" + "a41c9e2f" * 5 in builder.lines
    assert not builder.app.slug(slug.id).env_dir.exists()


def test_cache_lasts_from_build_to_build_unless_the_push_says_no(builder, folder):
    address = write_buildpack(folder / "x", compile_with('echo run >> "$2/runs"; echo "runs: $(wc -l < "$2/runs")"'))
    for uses_cache, expected in ((True, "1"), (True, "2"), (False, "1"), (True, "2")):
        builder.uses_cache = uses_cache
        builder.push({".buildpacks": f"{address}\n"})
        assert f"runs: {expected}" in builder.lines


def test_runs_as_the_account_of_pushed_code(builder, folder, account):
    closed = write_buildpack(folder / "closed", {"secret": "s3cret"})
    (closed / "secret").chmod(0o600)
    script = f'id -u; cat {closed}/secret || true; touch {folder}/written || echo "not written"; cp /bin/true "$1/mine"'
    slug = builder.push({".buildpacks": f"{write_buildpack(folder / 'x', compile_with(script))}\n"})
    assert str(account.uid) in builder.lines
    if os.geteuid() == 0:
        assert "s3cret" not in builder.text
        assert "not written" in builder.lines
        assert (builder.app.slug(slug.id).source / "mine").stat().st_uid == 0


def test_programs_run_in_the_buildpacks_own_folder(builder, folder):
    files = {**compile_with('cat lib/said.txt; test "$PWD" = "$(cd "$(dirname "$0")/.." && pwd)" && echo at home')}
    address = write_buildpack(folder / "x", {**files, "lib/said.txt": "from its own file\n"})
    builder.push({".buildpacks": f"{address}\n"})
    assert "from its own file" in builder.lines
    assert "at home" in builder.lines


def test_detect_that_says_no_refuses(builder, folder):
    address = write_buildpack(folder / "x", FIRST)
    with pytest.raises(ToppcloudError, match="not for the buildpack") as caught:
        builder.push({".buildpacks": f"{address}\n"})
    assert caught.value.reason == "app not compatible with buildpack"


def test_compile_that_fails_refuses_with_its_lines(builder, folder):
    address = write_buildpack(folder / "x", compile_with('echo " !     No such version"; exit 3'))
    with pytest.raises(ToppcloudError, match="failed") as caught:
        builder.push({".buildpacks": f"{address}\n"})
    assert "ended with 3" in caught.value.why
    assert " !     No such version" in builder.lines


def test_compile_that_takes_too_long_is_ended_with_all_it_started(builder, folder):
    mark = f"300.{time.time_ns()}"
    address = write_buildpack(folder / "x", compile_with(f"sleep {mark} & sleep {mark}"))
    settings = dataclasses.replace(builder.node.settings, build_timeout_s=1)
    builder.node = dataclasses.replace(builder.node, settings=settings)
    with pytest.raises(ToppcloudError) as caught:
        builder.push({".buildpacks": f"{address}\n"})
    assert "did not end within 1 s" in caught.value.why
    found = subprocess.run(["pgrep", "-f", f"sleep {mark}"], stdout=subprocess.PIPE, check=False)
    assert found.stdout == b""


def test_what_runs_on_in_the_background_is_ended(builder, folder):
    mark = f"301.{time.time_ns()}"
    address = write_buildpack(folder / "x", compile_with(f"sleep {mark} >/dev/null 2>&1 &"))
    builder.push({".buildpacks": f"{address}\n"})
    found = subprocess.run(["pgrep", "-f", f"sleep {mark}"], stdout=subprocess.PIPE, check=False)
    assert found.stdout == b""


def test_build_is_cancelled_inside_a_buildpack(builder, folder):
    builder.cancelled_by = "ana"
    address = write_buildpack(folder / "x", compile_with("sleep 100"))
    with pytest.raises(Cancelled):
        builder.push({".buildpacks": f"{address}\n"})


@pytest.mark.parametrize(
    ("files", "what"),
    [
        ({"bin/detect": "#!/bin/sh\n"}, "is no buildpack"),
        ({"README": ""}, "is no buildpack"),
        ({**NOTHING, "bin/release": "#!/bin/sh\necho '- a'\n"}, "cannot be understood"),
        ({**NOTHING, "bin/release": "#!/bin/sh\nyes\n"}, "cannot be understood|failed"),
        ({**NOTHING, "bin/release": "#!/bin/sh\nexit 1\n"}, "failed"),
        ({**NOTHING, "export": "exit 4\n"}, "failed"),
        ({**NOTHING, "bin/compile": "#!/no/such/program\n"}, "cannot be run"),
        ({**NOTHING, "bin/detect": "#!/no/such/program\n"}, "cannot be run"),
    ],
)
def test_buildpack_that_is_broken_is_refused(builder, folder, files, what, monkeypatch):
    monkeypatch.setattr("buildpacks.classic._SHORT_TIMEOUT_S", 2.0)
    with pytest.raises(ToppcloudError, match=what):
        builder.push({".buildpacks": f"{write_buildpack(folder / 'x', files)}\n"})


def test_folder_that_is_not_there_or_closed_is_refused(builder, folder):
    with pytest.raises(ToppcloudError, match="is not there"):
        builder.push({".buildpacks": f"{folder}/nothing\n"})
    closed = write_buildpack(folder / "x", NOTHING)
    closed.chmod(0o700)
    if os.geteuid() == 0:
        with pytest.raises(ToppcloudError, match="cannot be read"):
            builder.push({".buildpacks": f"{closed}\n"})


def test_links_and_traps_in_the_project_lead_nowhere(builder, folder):
    """What compile leaves in the project is not followed by whoever takes it over."""
    target = folder / "target"
    target.write_text("kept")
    target.chmod(0o600)
    script = f'ln -s {target} "$1/link"; mkfifo "$1/pipe"; ln -s / "$1/.profile.d"; chmod 0 "$1/tool.txt"'
    slug = builder.push({"tool.txt": "", ".buildpacks": f"{write_buildpack(folder / 'x', compile_with(script))}\n"})
    assert (target.stat().st_uid, target.stat().st_mode & 0o777) == (os.geteuid(), 0o600)
    assert slug.processes == {}


def test_built_in_one_after_a_classic_one_sees_what_that_wrote(builder, folder):
    script = 'mv "$1"/site/* "$1"/; rmdir "$1/site"'
    address = write_buildpack(folder / "x", compile_with(script))
    slug = builder.push({"site/index.html": "<p>hello", ".buildpacks": f"{address}\nstatic\n"})
    assert slug.buildpack.startswith(f"{address}, static")
    assert (builder.app.slug(slug.id).source / "index.html").is_file()


class TestFetched:
    """By git over HTTP, from a repository on the node, from an archive."""

    @pytest.fixture
    def served(self, folder: Path) -> Iterator[tuple[Path, str, Callable[[], None]]]:
        """A repository, the address that it is served at, and what ends that."""
        origin = folder / "origin"
        commit(origin, compile_with("echo version 1"))
        with Repo(str(origin)) as repository:
            application = make_wsgi_chain(DictBackend({"/x.git": repository}))
            with make_server("127.0.0.1", 0, application, handler_class=_Quiet) as server:
                thread = threading.Thread(target=server.serve_forever, daemon=True)
                thread.start()

                def stop() -> None:
                    server.shutdown()
                    thread.join()
                    server.server_close()

                yield origin, f"http://ana:s3cret@127.0.0.1:{server.server_port}/x.git", stop
                stop()

    def test_newest_commit_is_used_and_recorded_and_what_was_before_when_the_host_is_away(self, builder, served):
        origin, url, stop = served
        slug = builder.push({".buildpacks": f"{url}\n"})
        assert "version 1" in builder.lines
        second = commit(origin, compile_with("echo version 2"))
        slug = builder.push({".buildpacks": f"{url}\n"})
        assert "version 2" in builder.lines
        assert slug.buildpack.endswith(f"/x.git#{second[:7]}")
        assert "s3cret" not in builder.text + slug.buildpack
        stop()
        builder.push({".buildpacks": f"{url}\n"})
        assert "version 2" in builder.lines
        assert "Its copy of before is used." in builder.text
        assert "s3cret" not in builder.text

    def test_host_that_does_not_answer(self, builder, served):
        _, url, _ = served
        port = url.rpartition(":")[2]
        with pytest.raises(ToppcloudError, match="has no copy of it") as caught:
            builder.push({".buildpacks": f"{url.replace(port, '1/x.git')}\n"})
        assert "s3cret" not in " ".join(caught.value.lines())

    def test_branch_tag_and_commit(self, builder, served):
        origin, url, _ = served
        with Repo(str(origin)) as repository:
            first = repository.head()
            porcelain.tag_create(repository, b"v1", annotated=True, message=b"one", author=b"a <a@b.c>")
            porcelain.branch_create(repository, b"old")
        commit(origin, compile_with("echo version 2"))
        for ref in ("v1", "old", first.decode(), first.decode()[:8]):
            slug = builder.push({".buildpacks": f"{url}#{ref}\n"})
            assert "version 1" in builder.lines
            assert slug.buildpack.endswith(f"#{first.decode()[:7]}")
        with pytest.raises(ToppcloudError, match="is not there") as caught:
            builder.push({".buildpacks": f"{url}#v9\n"})
        assert "old" in caught.value.why

    def test_repository_on_the_node(self, builder, folder):
        commit(folder / "work", compile_with("echo committed"))
        porcelain.clone(str(folder / "work"), str(folder / "bare.git"), bare=True).close()
        (folder / "bare.git").chmod(0o755)
        for address in (f"file://{folder}/bare.git", f"{folder}/bare.git", f"{folder}/work#master"):
            builder.push({".buildpacks": f"{address}\n"})
            assert "committed" in builder.lines
        if os.geteuid() == 0:
            (folder / "bare.git" / "objects").chmod(0o700)
            with pytest.raises(ToppcloudError, match="cannot be read"):
                builder.push({".buildpacks": f"file://{folder}/bare.git\n"})

    @pytest.mark.skipif(os.geteuid() != 0, reason="there is one account only")
    def test_repository_whose_links_lead_to_a_closed_one_shows_nothing_of_it(self, builder, folder, account):
        sha = commit(folder / "closed/work", compile_with("echo secret"))
        (folder / "closed").chmod(0o700)
        trap = folder / "trap.git"
        porcelain.init(str(trap), bare=True)
        (trap / "objects/info/alternates").write_text(f"{folder}/closed/work/.git/objects\n")
        (trap / "refs/heads/master").write_text(f"{sha}\n")
        account.own_tree(trap)
        with pytest.raises(ToppcloudError):
            builder.push({".buildpacks": f"{trap}\n"})
        assert "secret" not in builder.text

    def test_archive(self, builder, folder):
        for number, wrap in enumerate(("", "x-main/")):
            path = folder / f"{number}.tgz"
            pack(path, {f"{wrap}{name}": text for name, text in compile_with("echo unpacked").items()})
            slug = builder.push({".buildpacks": f"file://{path}\n"})
            assert "unpacked" in builder.lines
            assert slug.buildpack.startswith(f"file://{path}#")

    @pytest.mark.parametrize("name", ["../evil", "/tmp/evil", "bin/../../evil"])
    def test_archive_that_leads_outside_is_refused(self, builder, folder, name):
        pack(folder / "x.tgz", {**NOTHING, name: "evil"})
        with pytest.raises(ToppcloudError, match="cannot be used") as caught:
            builder.push({".buildpacks": f"file://{folder}/x.tgz\n"})
        assert "leads outside" in caught.value.why
        cache = builder.node.layout.cache
        assert not list(cache.glob("buildpacks/evil")) + list(cache.glob("evil")) + list(Path("/tmp").glob("evil"))

    @pytest.mark.parametrize("to", ["/etc/passwd", "../../x", "bin/../../x"])
    def test_archive_with_a_link_that_leads_outside_is_refused(self, builder, folder, to):
        pack(folder / "x.tgz", {**NOTHING, "lib": to}, links={"lib"})
        with pytest.raises(ToppcloudError, match="cannot be used"):
            builder.push({".buildpacks": f"file://{folder}/x.tgz\n"})

    def test_archive_with_a_device_is_refused(self, builder, folder):
        pack(folder / "x.tgz", {**NOTHING, "null": ""}, kind=tarfile.CHRTYPE)
        with pytest.raises(ToppcloudError, match="cannot be used"):
            builder.push({".buildpacks": f"file://{folder}/x.tgz\n"})

    def test_no_archive_at_all_is_refused(self, builder, folder):
        (folder / "x.tgz").write_text("<html>")
        with pytest.raises(ToppcloudError, match="cannot be used"):
            builder.push({".buildpacks": f"file://{folder}/x.tgz\n"})


class _Quiet(WSGIRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


def pack(path: Path, files: dict[str, str], links: Collection[str] = (), kind: bytes = tarfile.REGTYPE) -> None:
    """`kind` is that of the last file."""
    with tarfile.open(path, "w:gz") as archive:
        for name, text in files.items():
            member = tarfile.TarInfo(name)
            member.mode = 0o755
            if name in links:
                member.type, member.linkname = tarfile.SYMTYPE, text
            else:
                member.size = len(text.encode())
                member.type = kind if name == list(files)[-1] else tarfile.REGTYPE
            archive.addfile(member, io.BytesIO(text.encode()))
