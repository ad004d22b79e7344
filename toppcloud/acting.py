"""Doing something as another account: for folders that pushed code may write, where it could set traps for root."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from typing import Any

from toppcloud.account import Account
from toppcloud.errors import ToppcloudError


def act_as(account: Account, work: Callable[[], Any]) -> Any:
    """`work()`, done by `account` in a forked child when that is not ourselves. The result must be JSON.

    Raises what `work` raised: ToppcloudError and OSError as such, RuntimeError for the rest. The caller has one thread.
    """
    if account.is_self:
        return work()
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reader)
        _answer(writer, account, work)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        answer = pipe.read()
    os.waitpid(pid, 0)
    return _take(json.loads(answer or b'{"failed": "the child process died"}'))


def _answer(writer: int, account: Account, work: Callable[[], Any]) -> None:
    """The child's whole life."""
    try:
        os.setgroups([])
        os.setgid(account.gid)
        os.setuid(account.uid)
        answer = {"value": work()}
    except ToppcloudError as error:
        answer = {"refused": [error.what, error.why, error.cure], "reason": error.reason}
    except OSError as error:
        answer = {"os_error": [error.errno, error.strerror, None if error.filename is None else str(error.filename)]}
    except BaseException as error:
        answer = {"failed": repr(error)}
    try:
        with os.fdopen(writer, "wb") as pipe:
            pipe.write(json.dumps(answer).encode())
    finally:
        os._exit(0)


def _take(answer: dict[str, Any]) -> Any:
    if "refused" in answer:
        raise ToppcloudError(*answer["refused"], reason=answer["reason"])
    if "os_error" in answer:
        raise OSError(*answer["os_error"])
    if "failed" in answer:
        raise RuntimeError(answer["failed"])
    return answer["value"]
