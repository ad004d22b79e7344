"""keys: who may come in."""

from __future__ import annotations

from deploy.ssh_keys import fingerprint, parse_public_key
from receiver.people import Person, add_person, read_people, remove_person
from receiver.session import Session
from toppcloud.errors import WRONG_USAGE, ToppcloudError
from toppcloud.names import parse_person_name

_LONGEST_KEY = 32 * 1024


def list_keys(session: Session, *, as_json: bool) -> None:
    """Each person with their key's fingerprint, oneself marked."""
    people = read_people(session.node.layout)
    if as_json:
        session.print_json([_as_json(person, session.person) for person in people])
        return
    session.print_table(
        (person.name, person.key.split()[0], _fingerprint(person), "you" if person.name == session.person else "")
        for person in people
    )


def add(session: Session, *, name: str, file: str | None) -> None:
    """Let somebody in, with the public key that comes on stdin."""
    if file is not None:
        raise ToppcloudError(
            f"'{file}' is a file on your machine, which the node cannot read.",
            "Over ssh, the public key comes on stdin.",
            f"Type: ssh … keys:add {name} < {file}",
            status=WRONG_USAGE,
        )
    key = parse_public_key(session.stdin.read(_LONGEST_KEY).decode("utf-8", "replace"))
    if add_person(session.node.layout, parse_person_name(name), key):
        session.write(f"{name} may push from now on, with {fingerprint(key)}.")
    else:
        session.write(f"{name} has that key already.")


def remove(session: Session, *, name: str) -> None:
    """Let somebody in no more."""
    remove_person(session.node.layout, name)
    session.write(f"{name} can no longer come in.")


def _as_json(person: Person, me: str) -> dict[str, object]:
    kind, _, *comment = person.key.split(None, 2)
    return {
        "name": person.name,
        "type": kind,
        "fingerprint": _fingerprint(person),
        "comment": comment[0] if comment else "",
        "you": person.name == me,
    }


def _fingerprint(person: Person) -> str:
    try:
        return fingerprint(person.key)
    except ValueError:
        return "(not a key)"
