"""A login node delivers what compute nodes left in the shared home (reliability.md section 3)."""

from __future__ import annotations

import errno
import os
import time
from pathlib import Path

import msgspec
import pytest

from footfall.delivery import deliver_for_others
from footfall.destination import Destination
from footfall.journal import lines
from footfall.journal.writer import Identity, Journal
from footfall.places import Places, adopt
from footfall.settings import Settings
from footfall.testing import ScriptedTransport
from footfall.testing.ledger import assert_ledger
from footfall.wire.base import Response

DAY = 86400.0


def places_of(state: Path, host: str) -> Places:
    base = state / "hosts" / host
    for name in ("journal", "outbox"):
        (base / name).mkdir(parents=True, mode=0o700, exist_ok=True)
    return Places(
        state=state,
        journal=base / "journal",
        outbox=base / "outbox",
        status=base / "status.json",
        config=None,
        network=True,
        host=host,
    )


def write_uses(places: Places, count: int, *, mode: str = "on") -> None:
    """A compute node's process: a journal, and then its death."""
    identity = Identity(process="ab" * 16, pid=os.getpid(), started="1", mode=mode)
    journal = Journal(lambda: places.journal, identity=lambda: identity, resource=dict)
    send_to = (Destination(wire="migas", endpoint="http://127.0.0.1:9"),)
    journal.define(lines.ProjectLine(n=1, project="a/b", version="1", send_to=send_to))
    journal.define(lines.FunctionLine(n=1, project=1, name="m:f"))
    for number in range(count):
        record = lines.End(function=1, time_ns=time.time_ns(), ids=f"{number + 1:048x}")
        assert journal.write(lines.encode(record))
    journal.close()


def age(places: Places, seconds: float) -> None:
    then = time.time() - seconds
    for path in (places.journal.parent, *places.journal.parent.rglob("*")):
        os.utime(path, (then, then))


def accepted() -> ScriptedTransport:
    return ScriptedTransport(then=Response(status=202, body=b'{"success":true,"message":""}'))


def test_what_a_gone_machine_left_is_delivered_once_and_removed(tmp_path: Path) -> None:
    """Still for a day: taken over, delivered whole, balanced. Still for two: gone; a further look finds nothing."""
    login, node = places_of(tmp_path, "login-1"), places_of(tmp_path, "node-7")
    write_uses(node, 30)
    age(node, DAY + 60)
    transport = accepted()
    for looks in range(2):
        found = list(deliver_for_others(login, Settings(), deadline=time.monotonic() + 20, transport=transport))
        assert [name for name, _ in found] == ["login-1~node-7"], looks
        assert_ledger(found[0][1])
        assert found[0][1].pending == 0
        assert len(transport.sent) == 30
        assert len({sent.request.idempotency_key for sent in transport.sent}) == 30
        if looks == 0:
            age(places_of(tmp_path, "login-1~node-7"), 2 * DAY + 60)
    assert sorted(path.name for path in (tmp_path / "hosts").iterdir()) == ["login-1"]
    assert list(deliver_for_others(login, Settings(), deadline=time.monotonic() + 5, transport=transport)) == []


def test_a_machine_that_still_writes_keeps_its_directory(tmp_path: Path) -> None:
    """Younger than a day: left alone, whoever looks."""
    login, node = places_of(tmp_path, "login-1"), places_of(tmp_path, "node-7")
    write_uses(node, 3)
    age(node, DAY - 600)
    assert adopt(login, now=time.time()) == []
    assert node.journal.is_dir()


def test_only_one_of_two_machines_takes_it(tmp_path: Path) -> None:
    """The rename decides; an owner that came to nothing is followed by the next after another day."""
    first, second = places_of(tmp_path, "login-1"), places_of(tmp_path, "login-2")
    node = places_of(tmp_path, "node-7")
    write_uses(node, 3)
    age(node, DAY + 60)
    [taken] = adopt(first, now=time.time())
    assert adopt(second, now=time.time()) == []
    assert [each.host for each in adopt(first, now=time.time())] == ["login-1~node-7"], "ours until it is done"
    age(taken, DAY + 60)
    assert [each.host for each in adopt(second, now=time.time())] == ["login-2~node-7"]
    assert not taken.journal.exists()
    assert adopt(msgspec.structs.replace(second, network=False), now=time.time()) == []


def test_nobody_looks_between_taking_and_being_alive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the moment in which one machine has renamed the directory, another must not find it old and nobody's."""
    first, second = places_of(tmp_path, "login-1"), places_of(tmp_path, "login-2")
    write_uses(places_of(tmp_path, "node-7"), 3)
    age(places_of(tmp_path, "node-7"), DAY + 60)
    rename, found = Path.rename, []

    def renamed_and_looked_at(path: Path, target: Path) -> Path:
        result = rename(path, target)
        found.extend(adopt(second, now=time.time()))
        return result

    monkeypatch.setattr(Path, "rename", renamed_and_looked_at)
    assert [each.host for each in adopt(first, now=time.time())] == ["login-1~node-7"]
    assert found == []


@pytest.mark.parametrize("years", [-10, 10])
def test_a_wrong_clock_adopts_nothing_alive_and_misses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, years: int
) -> None:
    """Ages are told by the clock that dates the files, not by the adopter's own (reliability.md C1)."""
    login, node, gone = (places_of(tmp_path, name) for name in ("login-1", "node-7", "node-8"))
    for each in (node, gone):
        write_uses(each, 3)
    age(gone, DAY + 60)
    now = time.time
    monkeypatch.setattr(time, "time", lambda: now() + years * 365 * DAY)
    transport = accepted()
    found = list(deliver_for_others(login, Settings(), deadline=time.monotonic() + 20, transport=transport))
    assert [name for name, _ in found] == ["login-1~node-8"]
    assert len(transport.sent) == 3


@pytest.mark.parametrize("blind", ["stat", "scandir"])
def test_an_error_is_no_age(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, blind: str) -> None:
    """A file system that answers EIO or ESTALE for what a living machine just wrote: nobody takes that."""
    login, node = places_of(tmp_path, "login-1"), places_of(tmp_path, "node-7")
    write_uses(node, 3)
    age(node, DAY + 60)
    (written,) = node.journal.glob("*.jsonl")
    os.utime(written)
    real = {"stat": Path.stat, "scandir": os.scandir}[blind]

    def failing(path: object, *arguments: object, **keywords: object) -> object:
        if str(path) in {str(written), str(node.journal)} and (blind == "scandir" or str(path) == str(written)):
            raise OSError(errno.ESTALE, os.strerror(errno.ESTALE))
        return real(path, *arguments, **keywords)

    monkeypatch.setattr(Path if blind == "stat" else os, blind, failing)
    assert adopt(login, now=time.time()) == []


def test_a_machine_may_leave_something_twice(tmp_path: Path) -> None:
    """While the first is still kept, the second gets a name beside it; both are known as ours from then on."""
    login = places_of(tmp_path, "login-1")
    names = ["login-1~node-7", "login-1~node-7~2", "login-1~node-7~3"]
    for count in range(1, 4):
        write_uses(places_of(tmp_path, "node-7"), 3, mode="local")
        age(places_of(tmp_path, "node-7"), DAY + 60)
        assert sorted(each.host for each in adopt(login, now=time.time())) == names[:count]
    age(places_of(tmp_path, "login-1~node-7~2"), DAY + 60)
    taken = adopt(places_of(tmp_path, "login-2"), now=time.time())
    assert [each.host for each in taken] == ["login-2~node-7~2"]


def test_a_journal_that_must_not_be_sent_stays(tmp_path: Path) -> None:
    """FOOTFALL=local keeps records on the machine: adopting sends nothing of them and removes nothing."""
    login, node = places_of(tmp_path, "login-1"), places_of(tmp_path, "node-7")
    write_uses(node, 5, mode="local")
    age(node, DAY + 60)
    transport = accepted()
    [(name, ledger)] = deliver_for_others(login, Settings(), deadline=time.monotonic() + 20, transport=transport)
    assert (transport.sent, ledger.pending) == ([], 0)
    assert len(list((tmp_path / "hosts" / name / "journal").glob("*.jsonl"))) == 1
