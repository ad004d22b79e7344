"""buildpacks, buildpacks:set, :add, :remove, :clear: what builds the app at its next push."""

from __future__ import annotations

from hooks.buildpack_list import (
    add_buildpack,
    clear_buildpacks,
    read_buildpacks,
    read_live_buildpacks,
    remove_buildpack,
    set_buildpacks,
    show_buildpacks,
)
from receiver.session import Session

NEXT = "It counts from the next push on: git push, or toppcloud ps:rebuild"


def list_buildpacks(session: Session, *, app: str, as_json: bool) -> None:
    layout = session.app(app)
    names = show_buildpacks(read_buildpacks(layout))
    if as_json:
        session.print_json(names)
        return
    live = read_live_buildpacks(layout)
    _write_list(session, names)
    if not names:
        session.write(f"None is set for {app}: .buildpacks, app.json or the project's files tell.")
    if live:
        session.write(f"The live release was built by {', '.join(live)}.")


def set_list(session: Session, *, app: str, names: tuple[str, ...], index: int | None) -> None:
    _tell(session, set_buildpacks(session.app(app), names, index))


def add(session: Session, *, app: str, name: str, index: int | None) -> None:
    layout = session.app(app)
    names = add_buildpack(layout, name, index)
    _tell(session, names)
    if len(names) == 1 and not read_live_buildpacks(layout):
        other = "nodejs --index 1" if names == ("python",) else "python"
        session.write(f"No release tells what else builds {app}: this one alone does.")
        session.write(f"To add another: toppcloud buildpacks:add {other}")


def remove(session: Session, *, app: str, name: str | None, index: int | None) -> None:
    _tell(session, remove_buildpack(session.app(app), name, index))


def clear(session: Session, *, app: str) -> None:
    clear_buildpacks(session.app(app))
    _tell(session, ())


def _tell(session: Session, names: tuple[str, ...]) -> None:
    _write_list(session, show_buildpacks(names))
    if not names:
        session.write("None is set: .buildpacks, app.json or the project's files tell.")
    session.write(NEXT)


def _write_list(session: Session, names: list[str]) -> None:
    last = len(names)
    note = "names the process types"
    session.print_table((n, name, note if n == last > 1 else "") for n, name in enumerate(names, 1))
