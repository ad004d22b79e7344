"""The first person of a node: whoever starts it, with the SSH key that they have, or a new one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from toppcloud.console import Console
from toppcloud.errors import ToppcloudError
from toppcloud.files import write_file
from toppcloud.layout import Layout
from toppcloud.names import parse_person_name
from toppcloud.program import BASE_PATH

_FALLBACK_NAME = "admin"


@dataclass(frozen=True)
class Starter:
    """Who typed `node start`."""

    login: str
    home: Path
    admin_key: Path | None
    """--admin-key"""
    path: str = BASE_PATH
    """Their PATH: the node's daemons look for git there."""


def admit_first_person(layout: Layout, starter: Starter, console: Console) -> None:
    """Let the starter in: with --admin-key always, else only when nobody may come in yet."""
    if starter.admin_key is None and any(layout.people.glob("*/key.pub")):
        return
    from deploy.ssh_keys import parse_public_key  # asyncssh takes a fifth of a second to import

    name = choose_name(starter.login)
    texts = (
        [_read_key_file(starter.admin_key)] if starter.admin_key else _find_or_make_keys(starter.home, name, console)
    )
    keys = [parse_public_key(text) for text in texts]
    path = layout.person_key(name)
    known = path.read_text().splitlines() if path.exists() else []
    path.parent.mkdir(mode=0o755, exist_ok=True)
    write_file(path, "".join(f"{key}\n" for key in dict.fromkeys([*known, *keys])))


def choose_name(login: str) -> str:
    """The login name; `admin` when it cannot be a person's name here."""
    try:
        return parse_person_name(login)
    except ToppcloudError:
        return _FALLBACK_NAME


def _read_key_file(path: Path) -> str:
    cure = "Name a public key: --admin-key ~/.ssh/id_ed25519.pub"
    try:
        text = path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "It is not text"
        raise ToppcloudError(f"{path} cannot be read.", f"{why}.", cure) from error
    if "PRIVATE KEY" in text:
        raise ToppcloudError(f"{path} is a private key.", "What lets you in is its public half.", cure)
    return text


def _find_or_make_keys(home: Path, name: str, console: Console) -> list[str]:
    """The public keys in ~/.ssh that can be used; a new ed25519 key when there is none."""
    from deploy.ssh_keys import make_user_key, parse_public_key

    usable = []
    for path in sorted((home / ".ssh").glob("*.pub")):
        try:
            usable.append(parse_public_key(path.read_text()))
        except (ToppcloudError, OSError, UnicodeDecodeError):
            console.warning(f"{path} is not a key that can be used; it was passed over.")
    if usable:
        return usable
    key = home / ".ssh" / "id_ed25519"
    try:
        make_user_key(key, comment=name)
    except (PermissionError, NotADirectoryError) as error:
        raise ToppcloudError(
            "There is no SSH key that could be let in, and none can be made.",
            f"{error.filename or key} cannot be written.",
            "Set HOME to a folder of yours, or name a public key: --admin-key FILE.pub",
        ) from error
    except FileExistsError as error:
        raise ToppcloudError(
            "There is no SSH key that could be let in.",
            f"{home / '.ssh'} holds no public key that can be used, and {key} is there.",
            f"Write its public half: ssh-keygen -y -f {key} > {key}.pub      or name one: --admin-key FILE.pub",
        ) from error
    console.step(f"new SSH key: {key}")
    return [key.with_name("id_ed25519.pub").read_text()]
