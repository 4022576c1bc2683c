"""Sessions: random, one for each process, linked to the one before."""

from __future__ import annotations

import uuid

from footfall.resource import session


def test_ids_are_random_uuids_of_version_4() -> None:
    """A thousand of them: all different, all read by `uuid` as version 4 of RFC 9562's variant."""
    found = {session.random_uuid() for _ in range(1000)}
    assert len(found) == 1000
    parsed = [uuid.UUID(text) for text in found]
    assert {str(one) for one in parsed} == found
    assert {(one.version, one.variant) for one in parsed} == {(4, uuid.RFC_4122)}


def test_a_process_begins_anew_unless_it_was_given_a_session() -> None:
    """A UUID from the environment is taken, upper case too; any other text would be a name that travels."""
    given, before = str(uuid.uuid4()), str(uuid.uuid4())
    assert session.begin(given.upper(), before) == session.Session(given, before)
    for text in ("", "alice", given + "x", given[:-1], "/home/alice", f"{{{given}}}"):
        fresh = session.begin(text, text)
        assert uuid.UUID(fresh.id).version == 4
        assert fresh.id != given
        assert fresh.previous_id == ""


def test_children_know_where_they_come_from() -> None:
    """A fork child and a started process get sessions of their own that name the parent's."""
    parent = session.begin()
    child = session.after_fork(parent)
    assert child.id != parent.id
    assert child.previous_id == parent.id
    assert session.after_fork(child).previous_id == child.id
    started = session.begin("", session.for_children(parent)["FOOTFALL_PREVIOUS_SESSION_ID"])
    assert started.id != parent.id
    assert started.previous_id == parent.id
