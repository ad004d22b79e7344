"""What an app's process is given, and what it is not."""

from __future__ import annotations

import json

import pytest

from deploy.start_key import StartKey

pytestmark = pytest.mark.node


def test_process_has_exactly_its_environment_its_socket_and_its_user(tiny_node, make_app):
    app = make_app(tiny_node, "exact")
    app.go_live(1, env={"GREETING": 'it\'s 100% ; #1\n"two" lines', "EMPTY": ""})
    app.wait_until_up("v1.1")
    seen = tiny_node.get(app.host, "/env").json
    pid = tiny_node.pid("exact.web.1.v1.1")
    assert seen["env"] == {
        "PATH": "/usr/bin:/bin",
        "GREETING": 'it\'s 100% ; #1\n"two" lines',
        "EMPTY": "",
        "LISTEN_FDS": "1",
        "LISTEN_PID": str(pid),
        "LC_CTYPE": "C.UTF-8",  # Python's own, from having no locale
    }
    assert seen["uid"] == tiny_node.node.account.uid != 0 or tiny_node.node.account.is_self
    assert seen["cwd"].endswith("apps/exact/releases/1/source")


def test_ignored_signals_are_not_inherited(tiny_node, make_app, until):
    app = make_app(tiny_node, "signals")
    app.run(StartKey("signals", 1, 1), argv=["/bin/sh", "-c", "grep SigIgn /proc/self/status; exec sleep 100"])
    until(lambda: "SigIgn" in app.log())
    of_libc = 0b11 << 31  # 32 and 33 are glibc's own: a program that was started by make has them ignored
    assert int(app.log().split("SigIgn:")[1].split()[0], 16) & ~of_libc == 0
    tiny_node.supervisor.remove("signals.web.1.v1.1")


@pytest.mark.parametrize(
    ("argv", "said", "status"),
    [
        (["no-such-program"], "toppcloud: no-such-program: no such program", 127),
        (["/etc/passwd"], "toppcloud: /etc/passwd: Permission denied", 126),
    ],
)
def test_program_that_cannot_run_says_so_in_the_apps_log(tiny_node, make_app, until, argv, said, status):
    app = make_app(tiny_node, f"cannot-{status}")
    app.run(StartKey(app.name, 1, 1), argv=argv)
    until(lambda: said in app.log())
    until(lambda: tiny_node.supervisor.state(f"{app.name}.web.1.v1.1").exit_status == status)
    tiny_node.supervisor.remove(f"{app.name}.web.1.v1.1")


def test_program_may_open_its_stdout_anew(tiny_node, make_app, until):
    app = make_app(tiny_node, "reopen")
    app.run(StartKey("reopen", 1, 1), argv=["/bin/sh", "-c", "echo again > /dev/stdout; exec sleep 100"])
    until(lambda: "web.1 again\n" in app.log())
    tiny_node.supervisor.remove("reopen.web.1.v1.1")


def test_start_waits_for_a_socket_that_is_not_held_yet(tiny_node, make_app):
    app = make_app(tiny_node, "unheld")
    key = StartKey("unheld", 1, 1)
    program = app.render(key)
    spec = key.layout(tiny_node.layout).spec("web.1")
    spec.write_text(json.dumps({**json.loads(spec.read_text()), "socket": "unheld/9/9"}))
    tiny_node.supervisor.add(key.layout(tiny_node.layout).program("web.1"))
    tiny_node.supervisor.start(program)
    assert tiny_node.supervisor.state(program).is_running  # it waits: the holder may just be away
    tiny_node.doorman.open_socket("unheld", 1, 1)
    spec.write_text(json.dumps({**json.loads(spec.read_text()), "socket": "unheld/1/1"}))
    tiny_node.supervisor.stop(program)
    tiny_node.supervisor.start(program)
    app.activate(key)
    app.wait_until_up("v1.1")
