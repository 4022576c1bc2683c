"""Journals to outbox: what cannot be translated for a passing reason stays in its journal."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from footfall.clock import SystemClock
from footfall.destination import Destination
from footfall.errors import NotOfferedError, OutboxError
from footfall.export.intake import Intake
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
