"""Files beside the outbox: kept as a whole or not at all, gone after their rows, and damage counted."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from outboxhelp import a_destination, open_outbox

from footfall.errors import OutboxError
from footfall.ledger import Reason
from footfall.outbox import handover
from footfall.outbox.depot import ABANDONED_SECONDS, Depot
from footfall.outbox.handover import Handed, Standing
from footfall.testing.clock import FakeClock
from footfall.testing.ledger import assert_ledger
from footfall.wire.base import DELIVERED, Action, Attachment, Request, Verdict

A, B = "a" * 32, "b" * 32


def a_parcel(key: str) -> Handed:
    attachment = Attachment(name="", size=0, crc32=0, at=4, parcel=key)
    request = Request(path="/upload", body=b"headtail", content_type="t", idempotency_key=key, attachment=attachment)
    return Handed(a_destination(), request)


class Bench:
    """A directory of files and its outbox."""

    def __init__(self, folder: Path, clock: FakeClock) -> None:
        self.folder, self.clock = folder, clock
        self.files = folder / "files"
        self.source = folder / "package.tar.gz"
        self.source.write_bytes(b"package" * 1000)
        self.allowed = True
        self.outbox = open_outbox(folder, clock)
        self.depot = self._depot()

    def _depot(self) -> Depot:
        return Depot(self.outbox, self.files, allows=lambda project, time_ns: self.allowed, max_bytes=2**20)

    def reopen(self) -> None:
        self.outbox.close()
        self.outbox = open_outbox(self.folder, self.clock)
        self.depot = self._depot()

    def keep(self, *keys: str) -> None:
        handover.keep(self.files, [(a_parcel(key), self.source) for key in keys], project="owner/tool")

    def run(self) -> int:
        return self.depot.run(self.clock.now_ns())

    def settle(self, verdict: Verdict) -> None:
        for leased in self.outbox.lease(1, now_ns=self.clock.now_ns(), ttl_seconds=60):
            self.outbox.settle(leased, verdict=verdict, now_ns=self.clock.now_ns())

    def stand(self, *keys: str) -> dict[str, Standing]:
        return handover.standings(self.files, keys or (A, B))

    def kinds(self) -> list[str]:
        return sorted(path.name.partition(".")[2] for path in self.files.iterdir())


@pytest.fixture
def bench(tmp_path: Path, clock: FakeClock) -> Iterator[Bench]:
    it = Bench(tmp_path, clock)
    yield it
    assert_ledger(it.outbox.ledger())
    it.outbox.close()


def test_a_parcel_from_hand_to_server(bench: Bench) -> None:
    """Known from the moment that `keep` returns; its file goes after its row; its outcome stays until forgotten."""
    assert (bench.run(), bench.stand()) == (0, {})
    bench.keep(A, B)
    assert bench.stand() == dict.fromkeys((A, B), handover.PENDING)
    assert (bench.depot.unread(), handover.unread_parcels(bench.files)) == (2, 2)
    assert bench.run() == 2
    assert (bench.kinds(), bench.depot.unread(), bench.outbox.pending()) == (
        ["file", "file", "outcome", "outcome"],
        0,
        2,
    )
    assert bench.depot.size_bytes() == 2 * 7000
    leased = bench.outbox.lease(1, now_ns=bench.clock.now_ns(), ttl_seconds=60)
    attachment = leased[0].request.attachment
    assert attachment is not None
    assert (attachment.size, attachment.parcel, (bench.files / attachment.name).read_bytes()) == (
        7000, A, bench.source.read_bytes()
    )  # fmt: skip
    for each in leased:
        bench.outbox.settle(each, verdict=DELIVERED, now_ns=bench.clock.now_ns())
    bench.run()
    assert bench.kinds() == ["outcome", "outcome"]
    assert {each.state for each in bench.stand().values()} == {"delivered"}
    handover.forget(bench.files, [A])
    assert set(bench.stand()) == {B}
    bench.run()
    assert bench.kinds() == ["outcome"]


def test_a_known_key_is_passed_over(bench: Bench) -> None:
    """Waiting, taken in, or settled: it is kept once."""
    for state in ("batch", "row", "settled"):
        bench.keep(A)
        assert len(list(bench.files.glob("*.batch"))) == (state == "batch"), state
        bench.run()
        if state == "row":
            bench.settle(DELIVERED)
            bench.run()
    assert bench.outbox.ledger().accounts[0].accepted == 1


def test_all_or_none(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second file cannot be copied: the first does not stay either."""
    with pytest.raises(FileNotFoundError):
        handover.keep(bench.files, [(a_parcel(A), bench.source), (a_parcel(B), bench.folder / "gone")])
    assert bench.kinds() == []
    assert bench.stand() == {}

    def full(fd: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        bench.keep(A)
    assert bench.kinds() == []


@pytest.mark.parametrize("key", ["", "a", "A" * 32, "../" + "a" * 29, "a" * 33])
def test_only_keys_are_names(bench: Bench, key: str) -> None:
    """No text of a user becomes a name (reliability.md S8)."""
    with pytest.raises(OutboxError, match="32 hexadecimal digits"):
        bench.keep(key)
    assert bench.stand(key) == {}


def test_a_batch_that_is_read_again_adds_nothing(bench: Bench) -> None:
    """Killed between the rows and the end of the batch; even when the parcel was delivered in between."""
    bench.keep(A)
    (batch,) = bench.files.glob("*.batch")
    text = batch.read_bytes()
    bench.run()
    batch.write_bytes(text)
    bench.reopen()
    assert bench.run() == 0
    bench.settle(DELIVERED)
    batch.write_bytes(text)
    bench.reopen()
    assert bench.run() == 0
    account = bench.outbox.ledger().accounts[0]
    assert (account.accepted, account.delivered) == (1, 1)
    assert bench.kinds() == ["outcome"]


def test_a_file_that_somebody_deleted(bench: Bench) -> None:
    """Its row is dropped and counted; so is a parcel whose file was gone before it was taken in."""
    bench.keep(A)
    bench.run()
    (bench.files / f"{A}.file").unlink()
    bench.keep(B)
    (bench.files / f"{B}.file").write_bytes(b"another")
    bench.run()
    assert bench.stand() == dict.fromkeys((A, B), Standing(state="dropped", reason="corrupt"))
    assert bench.outbox.ledger().accounts[0].dropped == {Reason.CORRUPT: 2}
    assert bench.outbox.pending() == 0


def test_what_a_killed_sender_left_goes_after_hours(bench: Bench) -> None:
    """Not before: it might be copying still. A part that no row names goes at once."""
    bench.keep(A)
    bench.run()
    for name in (f"{B}.file", f"{B}.new", f".{B}.batch.0123.tmp", f"{B}.part"):
        (bench.files / name).write_bytes(b"x")
    bench.run()
    assert bench.kinds() == sorted(["file", "file", "new", f"{B}.batch.0123.tmp", "outcome"])
    long_ago = os.stat(bench.files).st_mtime - ABANDONED_SECONDS - 60
    for path in bench.files.iterdir():
        os.utime(path, (long_ago, long_ago))
    bench.run()
    assert bench.kinds() == ["file", "outcome"], "what waits stays, however old"


def test_the_user_said_no(bench: Bench) -> None:
    """What was handed over before is not sent, and counted."""
    bench.keep(A)
    bench.allowed = False
    bench.run()
    assert bench.stand(A)[A] == Standing(state="dropped", reason="opted_out")
    assert bench.outbox.ledger().accounts[0].dropped == {Reason.OPTED_OUT: 1}
    assert bench.kinds() == ["outcome"]
    bench.allowed = True
    bench.keep(B)
    bench.run()
    assert bench.outbox.withdraw(lambda project: project == "owner/tool") == 1
    bench.run()
    assert bench.stand(B)[B] == Standing(state="dropped", reason="opted_out")
    assert bench.kinds() == ["outcome", "outcome"]


def test_a_damaged_batch_is_set_aside(bench: Bench) -> None:
    """Counted once; one of a newer layout waits for who can read it."""
    bench.keep(A)
    (bench.files / f"{B}.batch").write_bytes(b'{"version": 1, "handed": 7}')
    (bench.files / f"{'c' * 32}.batch").write_bytes(b'{"version": 2}')
    assert bench.run() == 1
    assert bench.run() == 0
    assert bench.outbox.ledger().corrupt == 1
    assert bench.kinds() == ["bad", "batch", "file", "outcome"]


def test_a_lost_outbox_is_no_secret(bench: Bench) -> None:
    """Somebody deletes the database: parcels that were pending are called dropped, not pending for ever."""
    bench.keep(A)
    bench.run()
    bench.outbox.close()
    for path in bench.folder.glob("outbox.db*"):
        path.unlink()
    bench.reopen()
    bench.run()
    assert bench.stand(A)[A] == Standing(state="dropped", reason="corrupt")


def test_a_damaged_outbox_keeps_its_parcels(bench: Bench) -> None:
    """What can be read of the old file is read: rows, names and fates."""
    bench.keep(A, B)
    bench.run()
    bench.settle(Verdict(action=Action.RETRY, detail="503"))
    bench.outbox.database.run("spoil", lambda c: c.execute("DROP INDEX requests_due").rowcount)
    bench.reopen()
    bench.run()
    assert bench.outbox.set_aside() == 1
    assert bench.outbox.pending() == 2
    assert bench.stand() == dict.fromkeys((A, B), Standing(state="pending", detail="503", attempts=1))
    assert bench.kinds() == ["file", "file", "outcome", "outcome"]


def test_files_are_private(bench: Bench) -> None:
    """Mode 0600 in a directory of mode 0700, whatever the umask (reliability.md S1)."""
    before = os.umask(0)
    try:
        bench.keep(A)
        bench.run()
    finally:
        os.umask(before)
    assert bench.files.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in bench.files.iterdir()} == {0o600}
