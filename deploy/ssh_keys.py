"""SSH keys: the node's own, a first one for a person who has none, and public keys as people send them.

    ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIH... ana@laptop
Source: RFC 4253 section 6.6 and sshd(8), AUTHORIZED_KEYS FILE FORMAT.
"""

from __future__ import annotations

import os
from pathlib import Path

import asyncssh

from toppcloud.errors import ToppcloudError
from toppcloud.files import sync_folder, write_file

_WEAKEST_RSA_BITS = 2048


def make_host_key(path: Path) -> None:
    """Make the node's ed25519 key at `path` (0600) and `path`.pub, unless it is there. Runs twice harmlessly."""
    if not path.exists():
        _write_new_key(path, "toppcloud-node")
    else:
        public = asyncssh.read_private_key(path).export_public_key().decode()
        write_file(_public_path(path), public)


def make_user_key(path: Path, comment: str = "toppcloud") -> None:
    """Make an ed25519 key at `path` (0600) and `path`.pub for a person. Never over a file.

    Raises FileExistsError when either is there.
    """
    if os.path.lexists(_public_path(path)):
        raise FileExistsError(str(_public_path(path)))
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    _write_new_key(path, comment)


def fingerprint(public_text: str) -> str:
    """`SHA256:uNiVztksCsDhcc0u9e8BrrQXVUpKZIDTMczCvj3tD2s`, as ssh-keygen -l prints it."""
    return asyncssh.import_public_key(public_text).get_fingerprint()


def parse_public_key(text: str) -> str:
    """The one public key in `text` as one normalised line: `TYPE BASE64 [COMMENT]`, no newline at the end.

    Raises ToppcloudError when it is a private key, more than one key, no key at all, or one too weak to use.
    """
    if "PRIVATE KEY" in text:
        raise ToppcloudError(
            "That is a private key.",
            "It was not kept, but it has now been sent: a private key never leaves its machine.",
            "Send the public one, which ends in .pub: toppcloud keys:add NAME FILE.pub",
        )
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    if len(lines) != 1:
        raise ToppcloudError(
            "There is no public key." if not lines else f"There are {len(lines)} lines where one public key should be.",
            "A public key is one line: ssh-ed25519 AAAA… NAME",
            "Send one: toppcloud keys:add NAME ~/.ssh/id_ed25519.pub",
        )
    try:
        key = asyncssh.import_public_key(lines[0])
    except (asyncssh.KeyImportError, ValueError) as error:
        raise ToppcloudError(
            "That is not a public key.", f"{lines[0][:60]}: {error}", "It looks like this: ssh-ed25519 AAAA… NAME"
        ) from error
    _check_strength(key)
    return key.export_public_key("openssh").decode().strip()


def _check_strength(key: asyncssh.SSHKey) -> None:
    bits = getattr(getattr(key, "pyca_key", None), "key_size", None)
    if key.get_algorithm() == "ssh-dss" or (key.get_algorithm() == "ssh-rsa" and bits and bits < _WEAKEST_RSA_BITS):
        raise ToppcloudError(
            f"That key is too weak: {key.get_algorithm()} of {bits} bits.",
            f"RSA keys need {_WEAKEST_RSA_BITS} bits or more.",
            "Make a better one: ssh-keygen -t ed25519",
        )


def _write_new_key(path: Path, comment: str) -> None:
    key = asyncssh.generate_private_key("ssh-ed25519", comment=comment)
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(fd, "wb") as file:
        os.fchmod(fd, 0o600)
        file.write(key.export_private_key("openssh"))
        file.flush()
        os.fsync(fd)
    write_file(_public_path(path), key.export_public_key("openssh"))
    sync_folder(path.parent)


def _public_path(path: Path) -> Path:
    return path.with_name(f"{path.name}.pub")
