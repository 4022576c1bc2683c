"""Journals to outbox: what cannot be translated for a passing reason stays in its journal."""

from __future__ import annotations

import io
import os
import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from footfall.clock import SystemClock
from footfall.consent.choice import Choice
from footfall.destination import Destination
from footfall.errors import NotOfferedError, OutboxError
from footfall.export.intake import NOWHERE, Intake
from footfall.export.payload_log import PayloadLog
from footfall.journal import lines
from footfall.journal.reader import journals
from footfall.journal.writer import Identity, Journal
from footfall.ledger import Reason
from footfall.outbox.store import Outbox
from footfall.wire.base import Wire
from footfall.wire.load import load


def prepared(directory: Path, count: int) -> Outbox:
    (directory / "journal").mkdir(mode=0o700)
    identity = Identity(process="cd" * 16, pid=os.getpid())
    journal = Journal(lambda: directory / "journal", identity=lambda: identity, resource=dict)
    send_to = (Destination(wire="migas", endpoint="http://127.0.0.1:9"),)
    journal.define(lines.ProjectLine(n=1, project="a/b", version="1", send_to=send_to))
    journal.define(lines.FunctionLine(n=1, project=1, name="m:f"))
    for number in range(count):
        assert journal.write(lines.encode(lines.End(function=1, time_ns=time.time_ns(), ids=f"{number + 1:048x}")))
    journal.close()
    return Outbox.open(directory / "outbox.db", clock=SystemClock(), max_bytes=2**26, max_age_seconds=86400.0)


def intake(directory: Path, outbox: Outbox, trouble: Exception | None) -> Intake:
    def wires(destination: Destination) -> Wire:
        if trouble is not None:
            raise trouble
        return load(destination.wire, destination.options)

    return Intake(directory / "journal", outbox, wires=wires, is_alive=lambda _pid, _started: False)


def test_a_wire_that_cannot_be_loaded_now_costs_no_record(tmp_path: Path) -> None:
    """A process on its way out cannot start the threads that some imports want; the next one delivers."""
    outbox = prepared(tmp_path, 20)
    with pytest.raises(OutboxError, match="journals are kept"):
        intake(tmp_path, outbox, RuntimeError("cannot schedule new futures")).run()
    assert len(journals(tmp_path / "journal")) == 1
    assert intake(tmp_path, outbox, None).run() == 20
    [account] = outbox.ledger().accounts
    assert (account.accepted, account.pending, account.lost) == (20, 20, 0)
    assert journals(tmp_path / "journal") == []
    outbox.close()


def test_a_wire_that_is_not_installed_is_counted(tmp_path: Path, hidden_errors: list[object]) -> None:
    """That will not change by waiting: each record is booked with its reason, and the books balance."""
    outbox = prepared(tmp_path, 7)
    assert intake(tmp_path, outbox, NotOfferedError("no such wire")).run() == 7
    [account] = outbox.ledger().accounts
    assert account.balanced
    assert account.dropped == {Reason.UNTRANSLATABLE: 7}
    assert len(hidden_errors) == 1
    outbox.close()


def test_a_start_that_a_server_does_not_hear_of_is_no_loss(tmp_path: Path) -> None:
    """Its end tells of the same use, and is the one record in the books."""
    (tmp_path / "journal").mkdir(mode=0o700)
    identity = Identity(process="ce" * 16, pid=os.getpid())
    journal = Journal(lambda: tmp_path / "journal", identity=lambda: identity, resource=dict)
    send_to = tuple(Destination(wire=wire, endpoint="http://127.0.0.1:9") for wire in ("access", "migas"))
    journal.define(lines.ProjectLine(n=1, project="a/b", version="1", send_to=send_to))
    journal.define(lines.FunctionLine(n=1, project=1, name="m:f", service="a_b", starts=True))
    now_ns = time.time_ns()
    assert journal.write(lines.encode(lines.Start(function=1, time_ns=now_ns, ids=f"{1:048x}")))
    assert journal.write(lines.encode(lines.End(function=1, time_ns=now_ns, ids=f"{1:048x}")))
    journal.close()
    outbox = Outbox.open(tmp_path / "outbox.db", clock=SystemClock(), max_bytes=2**26, max_age_seconds=86400.0)
    assert intake(tmp_path, outbox, None).run() == 2
    accounts = {account.destination.partition(":")[0]: account for account in outbox.ledger().accounts}
    assert (accounts["access"].pending, accounts["access"].lost) == (1, 0)
    assert (accounts["migas"].pending, accounts["migas"].lost) == (2, 0)
    outbox.close()


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Journal]:
    """The journal of a living process, in the middle of a run, with one use besides."""
    (tmp_path / "journal").mkdir(mode=0o700)
    identity = Identity(process="ef" * 16, pid=os.getpid())
    journal = Journal(lambda: tmp_path / "journal", identity=lambda: identity, resource=dict)
    send_to = (Destination(wire="migas", endpoint="http://127.0.0.1:9"),)
    journal.define(lines.ProjectLine(n=1, project="a/b", version="1", send_to=send_to))
    journal.define(lines.FunctionLine(n=1, project=1, name="a/b", starts=True))
    journal.define(lines.FunctionLine(n=2, project=1, name="m:f"))
    now_ns = time.time_ns()
    assert journal.write(lines.encode(lines.Start(function=1, time_ns=now_ns, ids=f"{1:048x}")))
    assert journal.write(lines.encode(lines.End(function=2, time_ns=now_ns, ids=f"{2:048x}")))
    yield journal
    journal.close()


@contextmanager
def no_descriptors() -> Iterator[None]:
    """Take all that this process may have."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    highest = max(int(name) for name in os.listdir("/proc/self/fd"))
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(highest + 8, soft), hard))
    held: list[int] = []
    try:
        with suppress(OSError):
            while True:
                held.append(os.dup(0))
        yield
    finally:
        for fd in held:
            os.close(fd)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_journals_that_cannot_be_listed_are_not_taken_for_gone(tmp_path: Path, running: Journal) -> None:
    """Out of descriptors: were their offsets forgotten, all would be taken in again, under other keys in a batch."""
    outbox = Outbox.open(tmp_path / "outbox.db", clock=SystemClock(), max_bytes=2**26, max_age_seconds=86400.0)
    into = intake(tmp_path, outbox, None)
    assert into.run() == 2
    before = outbox.offsets()
    with no_descriptors(), pytest.raises(OutboxError, match="cannot be listed: Too many open files"):
        into.run()
    assert outbox.offsets() == before
    assert into.run() == 0
    [account] = outbox.ledger().accounts
    assert (account.accepted, account.duplicates) == (2, 0)
    outbox.close()


def test_a_journal_that_cannot_be_read_just_now_says_nothing_of_its_process(
    tmp_path: Path, running: Journal, hidden_errors: list[object]
) -> None:
    """A run in it is not reported as killed; it ends when it ends."""
    outbox = Outbox.open(tmp_path / "outbox.db", clock=SystemClock(), max_bytes=2**26, max_age_seconds=86400.0)
    into = intake(tmp_path, outbox, None)
    assert into.run() == 2
    assert running.path is not None
    aside = running.path.with_suffix(".aside")
    running.path.rename(aside)
    running.path.mkdir()
    assert into.run() == 0
    assert len(hidden_errors) == 1
    running.path.rmdir()
    aside.rename(running.path)
    end = lines.End(function=1, time_ns=time.time_ns(), ids=f"{1:048x}", duration_ns=5)
    assert running.write(lines.encode(end))
    assert into.run() == 1
    assert b"ProcessKilled" not in b"".join(request.body for _, request in outbox.peek(9))
    outbox.close()


def test_a_run_goes_on_in_a_journal_that_was_begun_while_the_one_before_was_read(
    tmp_path: Path, running: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sealed journal is gone after it was read, and the next one was not there when the round began.

    Seen with 100 000 uses behind a Collector: a run was told of as killed, and then as complete.
    """
    outbox = Outbox.open(tmp_path / "outbox.db", clock=SystemClock(), max_bytes=2**26, max_age_seconds=86400.0)
    into = intake(tmp_path, outbox, None)

    def listed(directory: Path) -> list[Path]:
        monkeypatch.undo()
        found = journals(directory)
        assert running.rotate()
        return found

    monkeypatch.setattr("footfall.export.intake.journals", listed)
    assert into.run() == 2
    end = lines.End(function=1, time_ns=time.time_ns(), ids=f"{1:048x}", duration_ns=5)
    assert running.write(lines.encode(end))
    assert into.run() == 1
    assert b"ProcessKilled" not in b"".join(request.body for _, request in outbox.peek(9))
    outbox.close()


ALL = Destination(wire="migas", endpoint="http://127.0.0.1:9")
CATALOG = Destination(wire="otlp", endpoint="http://127.0.0.1:8", services=("intake_catalog",))
OTHERS = Destination(wire="otlp", endpoint="http://127.0.0.1:7", services=("intake_cli", "intake_build"))


def of_services(directory: Path, *send_to: Destination) -> Outbox:
    """Return an outbox beside a journal with 1 use of no service, 2 of the catalog, 3 of the command line."""
    (directory / "journal").mkdir(mode=0o700)
    identity = Identity(process="ab" * 16, pid=os.getpid())
    journal = Journal(lambda: directory / "journal", identity=lambda: identity, resource=dict)
    journal.define(lines.ProjectLine(n=1, project="a/b", version="1", send_to=send_to))
    number = 0
    for n, (service, count) in enumerate([("", 1), ("intake_catalog", 2), ("intake_cli", 3)], start=1):
        journal.define(lines.FunctionLine(n=n, project=1, name=f"m:f{n}", service=service))
        for _ in range(count):
            number += 1
            assert journal.write(
                lines.encode(lines.End(function=n, time_ns=time.time_ns(), ids=f"{1:032x}{number:016x}"))
            )
    journal.close()
    return Outbox.open(directory / "outbox.db", clock=SystemClock(), max_bytes=2**26, max_age_seconds=86400.0)


def accounts(outbox: Outbox) -> dict[str, tuple[int, dict[Reason, int]]]:
    """Return what is pending and what was dropped, by destination; the books must balance."""
    ledger = outbox.ledger()
    assert ledger.balanced
    outbox.close()
    return {each.destination: (each.pending, dict(each.dropped)) for each in ledger.accounts}


def test_a_destination_gets_the_records_of_its_services_and_the_rest_is_no_loss(tmp_path: Path) -> None:
    """Nobody meant it for that server, so it is not booked there; one without services gets everything."""
    outbox = of_services(tmp_path, ALL, CATALOG, OTHERS)
    assert intake(tmp_path, outbox, None).run() == 6
    assert accounts(outbox) == {ALL.key: (6, {}), CATALOG.key: (2, {}), OTHERS.key: (3, {})}


def test_what_no_destination_takes_is_booked_like_what_has_none(tmp_path: Path) -> None:
    """Nothing vanishes uncounted."""
    outbox = of_services(tmp_path, CATALOG)
    assert intake(tmp_path, outbox, None).run() == 6
    assert accounts(outbox) == {CATALOG.key: (2, {}), NOWHERE.key: (0, {Reason.NO_DESTINATION: 4})}


def test_what_the_user_refused_is_booked_where_it_would_have_gone(tmp_path: Path) -> None:
    """An account counts what its destination lost."""
    outbox = of_services(tmp_path, CATALOG)
    into = Intake(
        tmp_path / "journal",
        outbox,
        wires=lambda destination: load(destination.wire, destination.options),
        is_alive=lambda _pid, _started: False,
        choice=lambda: Choice(everything="off"),
    )
    assert into.run() == 6
    assert accounts(outbox) == {
        CATALOG.key: (0, {Reason.OPTED_OUT: 2}),
        NOWHERE.key: (0, {Reason.OPTED_OUT: 4}),
    }


def test_the_log_of_payloads_shows_what_would_be_sent_where(tmp_path: Path) -> None:
    """`FOOTFALL=log` tells the truth: of six records two are for the catalog's server."""
    of_services(tmp_path, CATALOG).close()
    printed = io.StringIO()
    assert PayloadLog(tmp_path / "journal", "ab" * 16, stream=lambda: printed).flush() == 1
    assert [name for name in ("f1", "f2", "f3") if name in printed.getvalue()] == ["f2"]
