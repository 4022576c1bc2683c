"""Parcels the whole way out, against a server process with faults: nothing lost, nothing under two keys."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from insightshelp import SECRET, Line

from footfall.collect.shipping import Outcome
from footfall.ledger import Reason
from footfall.testing.ledger import assert_ledger
from footfall.testing.sink import Sink

PARCELS = 3
TAKEN_WITHOUT_A_WORD = {"lostack", "closemid", "drip:0.2", "drip:0.2:body", "headers"}

FAULTS = [
    *("refuse", "half500", "status:503", "status:408", "status:429", "noanswer", "lostack", "closemid", "hang"),
    *("drip:0.2", "drip:0.2:body", "huge", "gzipbomb:64", "badjson", "portal", "headers", "interim", "garbage"),
    *("status:200", "status:204", "status:400", "status:401", "status:403", "status:415", "cookie", "ok"),
    *("redirect:302:http://127.0.0.1:9/", "status:503:retry-after=3600", "ratelimit:2:60:retry-after=5", "toobig:3000"),
]


@pytest.fixture(scope="module")
def sink(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sink]:
    """One server for all tests of this module; each tells its parcels by their request ids."""
    with Sink(tmp_path_factory.mktemp("sink")) as it:
        yield it


@pytest.fixture(autouse=True)
def secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SECRET, "user:password")


def opened(folder: Path, sink: Sink, *, tag: int, timeout_seconds: float = 5, max_bytes: int = 2**30) -> Line:
    return Line(folder, sink, tag=tag, timeout_seconds=timeout_seconds, max_bytes=max_bytes)


@pytest.mark.parametrize("mode", FAULTS)
def test_it_comes_back_by_itself(sink: Sink, tmp_path: Path, mode: str) -> None:
    """During the fault every parcel is kept; afterwards each arrives, and then its file is gone (issue 5, N rows)."""
    slow = mode.startswith(("hang", "drip", "interim", "huge"))
    line = opened(tmp_path, sink, tag=FAULTS.index(mode) + 1, timeout_seconds=0.4 if slow else 5)
    try:
        line.ship(PARCELS)
        line.deliver_through(mode)
        assert_ledger(line.delivery.outbox.ledger())
        assert [(outcome.state, outcome.reason) for outcome in line.outcomes()] == [("delivered", "")] * PARCELS
        assert line.files() == [".outcome"] * PARCELS
        if not mode.startswith("toobig"):
            copies = Counter((each.key, each.body_sha256) for each in line.arrived())
            assert len(copies) == len({key for key, _ in copies}) == PARCELS
            if mode not in TAKEN_WITHOUT_A_WORD:
                assert sum(copies.values()) == PARCELS
    finally:
        line.close()


def test_a_parcel_says_what_keeps_it(sink: Sink, tmp_path: Path) -> None:
    """Pending, with the status of the last answer; the server's words only as far as the wire quotes them."""
    line = opened(tmp_path, sink, tag=100)
    try:
        sink.set_mode("status:403")
        line.ship()
        assert line.outcomes() == [Outcome(state="pending")]
        line.delivery.step()
        line.delivery.step()
        (outcome,) = line.outcomes()
        assert (outcome.state, outcome.status) == ("pending", 403)
        assert line.delivery.ledger().pending == 1
        assert line.delivery.status().file_bytes == line.package.stat().st_size
        sink.set_mode("ok")
        line.clock.advance(3600)
        line.deliver_all()
        assert line.outcomes() == [Outcome(state="delivered", status=202)]
        line.shipper.forget(line.keys)
        assert line.shipper.outcomes(line.keys) == {}
        line.delivery.step()
        assert line.files() == []
    finally:
        line.close()


def test_a_refused_parcel_is_dropped_and_counted(sink: Sink, tmp_path: Path) -> None:
    """404 is no matter of settings."""
    line = opened(tmp_path, sink, tag=101)
    try:
        sink.set_mode("status:404")
        line.ship()
        line.deliver_all()
        assert line.outcomes() == [Outcome(state="dropped", reason=Reason.REFUSED.value, status=404)]
        assert line.delivery.ledger().accounts[0].dropped == {Reason.REFUSED: 1}
    finally:
        sink.set_mode("ok")
        line.close()


def test_what_cannot_be_split_is_too_big(sink: Sink, tmp_path: Path) -> None:
    """In the end a table of one row is left, and the server says how small is small enough."""
    line = opened(tmp_path, sink, tag=102)
    try:
        sink.set_mode("toobig:100")
        line.ship()
        line.deliver_all()
        (outcome,) = line.outcomes()
        assert (outcome.state, outcome.reason, outcome.status) == ("dropped", Reason.TOO_BIG.value, 413)
        assert_ledger(line.delivery.outbox.ledger())
        assert line.files() == [".outcome"]
    finally:
        sink.set_mode("ok")
        line.close()


def test_the_limit_of_files_drops_the_oldest(sink: Sink, tmp_path: Path) -> None:
    """Counted `over_size`; the requests of uses are not touched, for which another limit holds."""
    line = opened(tmp_path, sink, tag=103, max_bytes=2 * 5000)
    try:
        assert 3 * line.package.stat().st_size > 2 * 5000
        sink.set_mode("status:503")
        for _ in range(3):
            line.ship()
            line.delivery.bring_in()
        line.delivery.bring_in()
        states = [outcome.state for outcome in line.outcomes()]
        assert states[-1] == "pending"
        assert "dropped" in states
        assert set(line.delivery.ledger().accounts[0].dropped) == {Reason.OVER_SIZE}
        sink.set_mode("ok")
        line.deliver_all()
        assert_ledger(line.delivery.outbox.ledger())
    finally:
        sink.set_mode("ok")
        line.close()


def test_an_old_parcel_expires_like_any_request(sink: Sink, tmp_path: Path) -> None:
    """Fourteen days without a server, during which somebody tried."""
    line = opened(tmp_path, sink, tag=104)
    try:
        sink.set_mode("refuse")
        line.ship()
        for _ in range(15):
            line.delivery.step()
            line.clock.advance(86_400)
        line.delivery.step()
        line.delivery.step()
        assert line.outcomes() == [Outcome(state="dropped", reason=Reason.EXPIRED.value)]
        assert line.files() == [".outcome"]
    finally:
        sink.set_mode("ok")
        line.close()


def test_no_credential_is_on_the_disk(sink: Sink, tmp_path: Path) -> None:
    """The batch, the row and the outcome name where it is, never what it is (reliability.md S3)."""
    line = opened(tmp_path, sink, tag=105)
    try:
        sink.set_mode("status:401")
        line.ship()
        written = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
        line.delivery.step()
        line.delivery.step()
        written += b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
        assert b"env:INSIGHTS" in written
        assert b"password" not in written
        assert b"dXNlcjpwYXNzd29yZA" not in written
        assert {path.stat().st_mode & 0o777 for path in line.places.files.iterdir()} == {0o600}
    finally:
        sink.set_mode("ok")
        line.close()


@pytest.mark.parametrize(("mode", "status", "reason"), [("status:503", 503, ""), ("refuse", 0, "no answer")])
def test_waiting_ends_with_an_attempt(sink: Sink, tmp_path: Path, mode: str, status: int, reason: str) -> None:
    """Whoever ships is not held up for ever by a server that does not take it: each call is one more attempt."""
    line = opened(tmp_path, sink, tag=106 + bool(status))
    try:
        sink.set_mode(mode)
        line.ship()
        line.close()
        for _ in range(2):
            (outcome,) = line.shipper.wait(line.keys, timeout_seconds=60).values()
            assert outcome == Outcome(state="pending", reason=reason, status=status)
    finally:
        sink.set_mode("ok")


def test_waiting_for_somebody_else_who_delivers(sink: Sink, tmp_path: Path) -> None:
    """The outbox is held: its holder is watched, and not waited for beyond the time."""
    line = opened(tmp_path, sink, tag=108)
    try:
        line.ship()
        assert line.shipper.wait(line.keys, timeout_seconds=0.2) == {line.keys[0]: Outcome(state="pending")}
        helper = threading.Thread(target=line.deliver_all)
        helper.start()
        assert line.shipper.wait(line.keys, timeout_seconds=60) == {
            line.keys[0]: Outcome(state="delivered", status=202)
        }
        helper.join(60)
    finally:
        line.close()
