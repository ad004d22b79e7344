"""bin/pre_compile and bin/post_compile in whole builds."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path

import pytest

from tests.buildpacks.conftest import Builder
from toppcloud.errors import Cancelled, ToppcloudError

pytestmark = pytest.mark.node
SITE = {"public/index.html": "hello", "toppcloud.toml": '[web]\nstatic = "public"\n'}


def source_of(builder: Builder) -> Path:
    assert builder.previous
    return builder.app.slug(builder.previous.id).source


def test_hooks_have_variables_and_folders_and_their_lines_are_shown(builder: Builder) -> None:
    script = """#!/bin/bash
echo "in $(basename "$PWD") of $BUILD_DIR"
[ "$PWD" = "$BUILD_DIR" ] && echo same
echo "GREETING=$GREETING, from a file: $(cat "$ENV_DIR/GREETING")"
ls "$ENV_DIR" | tr '\\n' ' '; stat -c ' %a' "$ENV_DIR"
echo more >> "$CACHE_DIR/count"; echo "builds: $(wc -l < "$CACHE_DIR/count")"
echo "$ENV_DIR" > env-dir; id -un > who
echo problem >&2
"""
    for build in (1, 2):
        builder.push({**SITE, "bin/pre_compile": script}, {"GREETING": "two\nlines", "TOKEN": "x"})
        assert "-----> bin/pre_compile" in builder.lines
        assert "         same" in builder.lines
        assert "GREETING=two\n         lines, from a file: two\n         lines" in builder.text
        assert "         GREETING TOKEN  700" in builder.lines
        assert f"         builds: {build}" in builder.lines
        assert "         problem" in builder.lines
        assert "-----> bin/pre_compile done" in builder.text
    assert not Path((source_of(builder) / "env-dir").read_text().strip()).exists()
    assert (source_of(builder) / "who").read_text().strip() == builder.node.account.name


def test_pre_compile_chooses_the_python_and_post_compile_has_the_virtualenv(builder: Builder) -> None:
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    files = {
        "requirements.txt": "itsdangerous==2.2.0\n",
        "bin/pre_compile": f"echo {version} > .python-version; echo 'web: python app.py' > Procfile",
        "bin/post_compile": """#!/usr/bin/env bash
python -c 'import itsdangerous, sys; print("prefix is venv:", sys.prefix != sys.base_prefix)'
echo "VIRTUAL_ENV ends with ${VIRTUAL_ENV##*/}"
echo made > built.txt
""",
        "app.py": "",
    }
    slug = builder.push(files)
    assert "(.python-version)" in builder.text
    assert slug.processes == {"web": "python app.py"}
    assert "         prefix is venv: True" in builder.lines
    assert "         VIRTUAL_ENV ends with venv" in builder.lines
    assert (source_of(builder) / "built.txt").read_text() == "made\n"
    assert "built.txt" in builder.app.slug(slug.id).manifest.read_text()
    assert builder.text.index("requirements.txt") < builder.text.index("bin/post_compile")


def test_executable_script_and_other_interpreters_run(builder: Builder) -> None:
    script = (0o100755, "#!/usr/bin/python3\nimport os\nprint('python of', os.path.basename(os.getcwd()))\n")
    builder.push({**SITE, "bin/post_compile": script})
    assert "         python of source" in builder.lines


@pytest.mark.parametrize("name", ["bin/pre_compile", "bin/post_compile"])
def test_failing_hook_refuses_the_push_with_its_status(builder: Builder, name: str) -> None:
    with pytest.raises(ToppcloudError) as refusal:
        builder.push({**SITE, name: "#!/bin/sh\necho Some error!\nexit 3\n"})
    assert "         Some error!" in builder.lines
    assert refusal.value.what == f"{name} ended with 3."
    assert f"git rm {name}" in refusal.value.cure
    assert refusal.value.reason == f"{name} failed"


def test_hook_past_its_time_is_ended_with_what_it_started(builder: Builder) -> None:
    settings = dataclasses.replace(builder.node.settings, hook_timeout_s=1)
    builder.node = dataclasses.replace(builder.node, settings=settings)
    with pytest.raises(ToppcloudError) as refusal:
        builder.push({**SITE, "bin/pre_compile": "echo begun\nsleep 100 &\nsleep 100\n"})
    assert refusal.value.what == "bin/pre_compile did not end within 1 s (hook_timeout_s)."
    assert "         begun" in builder.lines


def test_cancelled_push_ends_the_hook(builder: Builder) -> None:
    builder.cancelled_by = "cancelled by ana"
    with pytest.raises(Cancelled):
        builder.push({**SITE, "bin/pre_compile": "sleep 100\n"})


@pytest.mark.parametrize(
    ("first", "words"),
    [
        ("#!/bin/bash\r\necho hello\r\n", "carriage return"),
        ("#!/usr/bin/no-such-program -x\n", "Its first line is #!/usr/bin/no-such-program -x"),
    ],
)
def test_first_line_that_names_no_program_is_quoted(builder: Builder, first: str, words: str) -> None:
    with pytest.raises(ToppcloudError) as refusal:
        builder.push({**SITE, "bin/pre_compile": (0o100755, first)})
    assert refusal.value.what == "bin/pre_compile cannot be run."
    assert words in refusal.value.why


def test_file_that_a_hook_swaps_for_a_link_is_not_read(builder: Builder, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("root's own line\n")
    with pytest.raises(ToppcloudError) as refusal:
        builder.push({**SITE, "bin/pre_compile": f"ln -s {secret} Procfile"})
    assert "root's own" not in f"{builder.text} {refusal.value.lines()}"
    assert refusal.value.what == "Procfile cannot be read."


def test_hook_that_is_a_pipe_by_then_stops_nothing(builder: Builder) -> None:
    slug = builder.push({**SITE, "bin/pre_compile": "rm -f bin/post_compile; mkfifo bin/post_compile; mkdir bin/x"})
    assert slug.web.static == "public"


def test_no_cache_gives_hooks_an_empty_folder(builder: Builder) -> None:
    script = 'ls "$CACHE_DIR" | wc -l; echo x > "$CACHE_DIR/file"'
    builder.push({**SITE, "bin/pre_compile": script})
    builder.push({**SITE, "bin/pre_compile": script})
    assert "         1" in builder.lines
    builder.uses_cache = False
    builder.push({**SITE, "bin/pre_compile": script})
    assert "         0" in builder.lines


def test_left_out_files_are_not_there_when_hooks_run(builder: Builder) -> None:
    files = {**SITE, ".slugignore": "*.psd\n", "art/a.psd": "x", "bin/pre_compile": "ls art 2>&1; ls bin"}
    builder.push(files)
    assert "-----> .slugignore: 1 file left out" in builder.text
    assert "a.psd" not in builder.text
    assert "         pre_compile" in builder.lines
    assert not (source_of(builder) / "art/a.psd").exists()
