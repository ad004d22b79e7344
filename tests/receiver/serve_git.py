"""Stands where ssh would: `GIT_SSH_COMMAND="python serve_git.py SETTINGS.json"`. Serves git on its descriptors.

SETTINGS: {"root": folder of repositories, "git": path or null, "limits": [..], "deploy": "accept" | ...}
"""

import json
import os
import shlex
import sys
import time
from pathlib import Path

from receiver.pack_limits import PackLimits
from receiver.receive_pack import serve_receive_pack
from receiver.reception import Admission
from receiver.upload_pack import serve_upload_pack
from toppcloud.errors import ToppcloudError


def main() -> int:
    settings = json.loads(Path(sys.argv[1]).read_text())
    command, path = shlex.split(sys.argv[-1])
    repository = Path(settings["root"]) / path.strip("/")
    git = Path(settings["git"]) if settings["git"] else None
    if command == "git-upload-pack":
        return serve_upload_pack(repository, 0, 1, 2, git=git, protocol=os.environ.get("GIT_PROTOCOL", ""))
    return serve_receive_pack(
        repository,
        0,
        1,
        2,
        limits=PackLimits(*settings["limits"]),
        git=git,
        deploy=lambda push, console: deploy(settings, push, console),
        admit=lambda options: Admission(repository, is_dry_run="dry-run" in options),
        describe_live=lambda: ["v18 is live.", "To build it again: toppcloud ps:rebuild"],
    )


def deploy(settings, push, console):
    console.step(f"blog: {push.store[push.commit.encode()].message.decode().strip()}", 0.5)
    for option in push.options:
        console.detail(f"option {option}")
    match settings["deploy"]:
        case "refuse":
            raise ToppcloudError(
                "v19 never answered.", "It exits at start.", "Push again.", reason="web exits at start", output=["boom"]
            )
        case "crash":
            raise RuntimeError("kaboom")
        case "crash after moving":
            push.move_branch()
            raise RuntimeError("kaboom")
        case "forget":
            return
        case "wait":
            Path(settings["root"], "waiting").touch()
            while not Path(settings["root"], "go").exists():
                time.sleep(0.01)
        case "until gone":
            Path(settings["root"], "waiting").touch()
            while not push.is_gone():
                time.sleep(0.01)
            Path(settings["root"], "noticed").touch()
            raise ToppcloudError("The pusher went away.", reason="pusher went away")
    if push.is_dry_run:
        console.step(f"tried {push.branch}")
        return
    push.check_unmoved()
    push.keep_objects()
    push.keep_objects()
    push.move_branch()
    console.step("v18 live")


sys.exit(main())
