"""What the node did to an app by itself, kept in apps/blog/notice.json until somebody's next command shows it, once.

{"at": "2026-11-22T14:45:04Z", "lines": ["v18 was taken back: …"]}
"""

from __future__ import annotations

import contextlib
import secrets

from toppcloud.app_layout import AppLayout
from toppcloud.durations import now_utc, parse_iso, render_age, render_iso
from toppcloud.files import read_json, write_json


def write_notice(app: AppLayout, lines: list[str]) -> None:
    """Have `lines` shown at the app's next command, in place of what nobody has seen yet."""
    write_json(app.notice, {"at": render_iso(now_utc()), "lines": lines})


def take_notice(app: AppLayout) -> list[str]:
    """What is to be shown, if anything; nobody else gets it. The first line says when it was."""
    aside = app.notice.with_name(f".new-{secrets.token_hex(4)}")  # boot sweeps it, should we die here
    try:
        app.notice.rename(aside)
    except FileNotFoundError:
        return []
    value = read_json(aside)
    with contextlib.suppress(FileNotFoundError):
        aside.unlink()
    first, *rest = value["lines"]
    return [f"{render_age(parse_iso(value['at']), now_utc())}: {first}", *rest]
