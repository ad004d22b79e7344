"""Scripts in .profile.d and .profile: what they set reaches the program, and nothing else of it changes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from deploy.profile import find_profile, leaves_processes, with_profile
from deploy.start_key import StartKey
from toppcloud.program import ProgramFailed, run

PRINT = ["/usr/bin/printenv", "GREETING"]


def write_profile(source: Path, **scripts: str) -> Path:
    """`own` is .profile, others are .profile.d/NAME.sh."""
    (source / ".profile.d").mkdir(parents=True, exist_ok=True)
    for name, text in scripts.items():
        (source / ".profile" if name == "own" else source / f".profile.d/{name}.sh").write_text(text)
    return source


def run_with(source: Path, argv: list[str], **environment: str) -> tuple[str, ...]:
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(source), **environment}
    return run(with_profile(source, argv), env=environment, cwd=source).lines


def test_project_without_scripts_is_run_as_it_was(tmp_path: Path) -> None:
    (tmp_path / ".profile.d").mkdir()
    (tmp_path / ".profile.d" / "notes.txt").write_text("export A=1")
    assert with_profile(tmp_path, PRINT) == PRINT
    assert with_profile(tmp_path / "none", PRINT) == PRINT


def test_scripts_are_read_by_name_and_profile_last(tmp_path: Path) -> None:
    write_profile(tmp_path, b="GREETING=$GREETING-b", a="export GREETING=a", own="GREETING=$GREETING-own")
    assert [path.name for path in find_profile(tmp_path)] == ["a.sh", "b.sh", ".profile"]
    assert run_with(tmp_path, PRINT) == ("a-b-own",)


def test_program_is_looked_for_in_the_path_that_a_script_sets(tmp_path: Path) -> None:
    write_profile(tmp_path, tools='export PATH="$HOME/.tools/bin:$PATH"')
    (tmp_path / ".tools/bin").mkdir(parents=True)
    tool = tmp_path / ".tools/bin/hello"
    tool.write_text("#!/bin/sh\necho hello from $0")
    tool.chmod(0o755)
    assert run_with(tmp_path, ["hello"]) == (f"hello from {tool}",)


def test_words_of_the_program_stay_as_they_are(tmp_path: Path) -> None:
    write_profile(tmp_path, odd="set -- other words; set -eu; cd /tmp; export GREETING='a  b'")
    words = ["$HOME", "*", "a  b", "", "it's", '"', "\n;"]
    script = 'printf "<%s>" "$@"; printf "%s" "$GREETING"'
    lines = run_with(tmp_path, ["/bin/bash", "-c", script, "name", *words])
    assert "\n".join(lines) == "".join(f"<{word}>" for word in words) + "a  b"


def test_config_vars_are_known_to_scripts_and_win_when_they_say_so(tmp_path: Path) -> None:
    write_profile(tmp_path, default="export GREETING=${GREETING:-default}")
    assert run_with(tmp_path, PRINT) == ("default",)
    assert run_with(tmp_path, PRINT, GREETING="of the config") == ("of the config",)


@pytest.mark.parametrize(
    ("script", "status", "said"),
    [
        ("exit 3", 3, ""),
        ("true", 127, "no-such-program: not found"),
    ],
)
def test_failure_has_its_own_status_and_words(tmp_path: Path, script: str, status: int, said: str) -> None:
    write_profile(tmp_path, a=script)
    with pytest.raises(ProgramFailed) as caught:
        run_with(tmp_path, ["no-such-program"])
    assert caught.value.status_code == status
    assert said in "".join(caught.value.output)


@pytest.mark.parametrize(
    ("script", "leaves"),
    [
        ("agent --verbose &", True),
        ("agent > log 2>&1 & disown", True),
        ("a && b; c &> log; d >& log; e 2>&1", False),
        ("# this & that\nexport A='x' # and & that", False),
    ],
)
def test_program_that_a_script_leaves_beside_is_stopped_along(tmp_path: Path, script: str, leaves: bool) -> None:
    assert leaves_processes(write_profile(tmp_path, a=script)) == leaves


def test_what_a_link_leads_to_is_not_read_by_us(tmp_path: Path) -> None:
    write_profile(tmp_path, a="")
    (tmp_path / "agent").write_text("agent &")
    (tmp_path / ".profile.d/b.sh").symlink_to(tmp_path / "agent")
    os.mkfifo(tmp_path / ".profile.d/c.sh")
    assert not leaves_processes(tmp_path)


@pytest.mark.node
def test_web_process_has_its_socket_its_pid_and_its_signals(tiny_node, make_app, until) -> None:
    app = make_app(tiny_node, "profiled")
    key = StartKey("profiled", 1, 1)
    source = key.release_layout(tiny_node.layout).source
    write_profile(source, tools='export GREETING="in $HOME"', own="cd /tmp; cd -")
    server = ["/usr/bin/python3", "-S", str(source / "tiny_server.py"), "hello"]
    app.go_live(1, argv=with_profile(source, server), env={"HOME": str(source)})
    app.wait_until_up("hello")
    program = "profiled.web.1.v1.1"
    seen = tiny_node.get(app.host, "/env").json
    assert seen["env"]["GREETING"] == f"in {source}"
    assert seen["env"]["LISTEN_PID"] == str(tiny_node.pid(program))
    assert seen["env"]["LISTEN_FDS"] == "1"
    assert seen["cwd"] == str(source)
    assert not [name for name in seen["env"] if name.startswith("toppcloud")]
    tiny_node.supervisor.stop(program)
    assert tiny_node.supervisor.state(program).exit_status == 0  # it drained: the signal reached it, and no shell
