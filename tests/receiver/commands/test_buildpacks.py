"""What commands say when they change the list of buildpacks."""

from __future__ import annotations

from receiver.commands import buildpacks


def test_one_that_is_added_before_the_first_release_is_said_to_build_alone(session):
    buildpacks.add(session, app="blog", name="nodejs", index=1)
    assert b"this one alone does.\nTo add another: toppcloud buildpacks:add python\n" in session.stdout.getvalue()


def test_nothing_of_the_kind_is_said_of_two(session):
    buildpacks.add(session, app="blog", name="python", index=None)
    session.stdout.seek(0)
    session.stdout.truncate()
    buildpacks.add(session, app="blog", name="nodejs", index=1)
    assert b"alone" not in session.stdout.getvalue()
