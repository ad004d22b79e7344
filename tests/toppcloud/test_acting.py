import os
from pathlib import Path

import pytest

from toppcloud.account import Account, find_account, this_account
from toppcloud.acting import act_as
from toppcloud.errors import ToppcloudError


def other_account() -> Account:
    """Another account when we may become one, else ourselves."""
    account = this_account() if os.geteuid() else find_account("nobody")
    assert account
    return account


def test_result_comes_back_from_the_account_that_did_it() -> None:
    assert act_as(other_account(), lambda: {"uid": os.geteuid(), "groups": os.getgroups() if os.getuid() else []}) == {
        "uid": other_account().uid,
        "groups": os.getgroups() if other_account().is_self else [],
    }


def test_refusal_and_system_error_come_back_as_what_they_are(tmp_path: Path) -> None:
    def refuse() -> None:
        raise ToppcloudError("what", "why", "cure", reason="short")

    with pytest.raises(ToppcloudError) as refused:
        act_as(other_account(), refuse)
    assert (refused.value.lines(), refused.value.reason) == (["what", "why", "cure"], "short")
    with pytest.raises(FileNotFoundError) as missing:
        act_as(other_account(), lambda: os.stat("/nowhere/at/all"))
    assert missing.value.filename == "/nowhere/at/all"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as another account")
def test_files_of_root_are_out_of_reach_and_bugs_are_told(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("x")
    secret.chmod(0o600)
    with pytest.raises(PermissionError):
        act_as(other_account(), secret.read_text)
    with pytest.raises(RuntimeError, match="KeyError"):
        act_as(other_account(), lambda: {}["missing"])
    with pytest.raises(RuntimeError, match="died"):
        act_as(other_account(), lambda: os._exit(1))
