"""The people who may come in: one folder each, `people/NAME/key.pub`. What lies there now is what counts.

    people/ana/key.pub:  ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIH... ana@laptop
A file may hold several keys, one a line, when an operator writes it; commands write one.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import dataclass

from toppcloud.errors import ToppcloudError, suggest_nearest
from toppcloud.files import remove_tree, write_file
from toppcloud.layout import Layout
from toppcloud.lock import hold_lock

_LOCK_TIMEOUT_S = 10.0


@dataclass(frozen=True)
class Person:
    """A name and one of its keys."""

    name: str
    key: str
    """`ssh-ed25519 AAAA… ana@laptop`"""


def read_people(layout: Layout) -> list[Person]:
    """All people, by name; one entry per key."""
    return [Person(name, key) for name in _names(layout) for key in _read_keys(layout, name)]


def find_person(layout: Layout, public_data: bytes) -> str | None:
    """Whose key this is, or None. `public_data` is the key as it goes over the wire (RFC 4253, 6.6)."""
    wanted = base64.b64encode(public_data).decode()
    return next((person.name for person in read_people(layout) if _encoded(person.key) == wanted), None)


def add_person(layout: Layout, name: str, key: str) -> bool:
    """Let `name` in with the normalised public key `key`. False when that was so already.

    Raises ToppcloudError when the name has another key, or the key is another person's.
    """
    layout.people.mkdir(mode=0o755, exist_ok=True)
    with hold_lock(layout.people_lock, by=name, doing="adding a key", timeout_s=_LOCK_TIMEOUT_S):
        for person in read_people(layout):
            if _encoded(person.key) == _encoded(key):
                if person.name == name:
                    return False
                raise ToppcloudError(
                    f"That key is {person.name}'s already.",
                    "A key says who somebody is, so it has one name.",
                    f"To change the name: toppcloud keys:remove {person.name}, then add it again",
                )
            if person.name == name:
                raise ToppcloudError(
                    f"{name} has another key already.",
                    "Each name has one key.",
                    f"Replace it: toppcloud keys:remove {name}; or add this one as another name, such as {name}-2",
                )
        layout.person_key(name).parent.mkdir(mode=0o755, exist_ok=True)
        write_file(layout.person_key(name), f"{key}\n")
    return True


def remove_person(layout: Layout, name: str) -> None:
    """Let `name` in no more. Raises ToppcloudError when there is no such person, or when nobody would be left."""
    with hold_lock(layout.people_lock, by=name, doing="removing a key", timeout_s=_LOCK_TIMEOUT_S):
        names = {person.name for person in read_people(layout)}
        if name not in names:
            raise ToppcloudError(
                f"There is nobody called '{name}'.{suggest_nearest(name, names)}", cure="See: toppcloud keys"
            )
        if names == {name}:
            raise ToppcloudError(
                f"{name}'s is the last key.",
                "Without it nobody could come in again.",
                "Add another first: toppcloud keys:add NAME FILE.pub",
            )
        remove_tree(layout.person_key(name).parent)


def _names(layout: Layout) -> list[str]:
    try:
        return sorted(path.name for path in layout.people.iterdir() if not path.name.startswith("."))
    except FileNotFoundError:
        return []


def _read_keys(layout: Layout, name: str) -> Iterator[str]:
    try:
        text = layout.person_key(name).read_text(errors="replace")
    except (FileNotFoundError, NotADirectoryError):
        return
    for line in text.splitlines():
        if len(line.split()) >= 2 and not line.lstrip().startswith("#"):
            yield line.strip()


def _encoded(key: str) -> str:
    return key.split()[1]
