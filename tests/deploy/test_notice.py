"""What the node did by itself is told once, to one."""

from __future__ import annotations

import threading

from deploy.notice import take_notice, write_notice
from toppcloud.app_layout import AppLayout


def test_notice_is_taken_once_and_says_when_it_was(tmp_path):
    app = AppLayout(tmp_path)
    assert take_notice(app) == []
    write_notice(app, ["v2 was taken back.", "v3 is live."])
    first, second = take_notice(app)
    assert first.endswith("s ago: v2 was taken back.")
    assert second == "v3 is live."
    assert take_notice(app) == []
    assert list(tmp_path.iterdir()) == []


def test_of_many_commands_at_once_one_shows_it(tmp_path):
    app = AppLayout(tmp_path)
    write_notice(app, ["v2 was taken back."])
    taken: list[list[str]] = []
    threads = [threading.Thread(target=lambda: taken.append(take_notice(app))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(bool(lines) for lines in taken) == 1
