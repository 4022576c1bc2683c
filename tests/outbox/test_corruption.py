"""Damage stays small: any bytes in the file, and what cannot be vouched for is counted (reliability.md P13, D5)."""

from __future__ import annotations

import random
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from outboxhelp import DAY, a_destination, a_request, open_outbox

from footfall.ledger import Reason
from footfall.outbox.store import Outbox, Settlement
from footfall.testing.clock import FakeClock
from footfall.testing.ledger import assert_ledger
from footfall.wire.base import DELIVERED, Request

PAGE = 4096
MUTATIONS = 300
GROUPS = 6
RECORDS = 2


def seed_outbox(directory: Path, clock: FakeClock) -> dict[str, Request]:
    """Make an outbox with two destinations, order keys, large bodies, retries, refusals; return its requests."""
    outbox = open_outbox(directory, clock, reserve_bytes=PAGE * 8)
    rows = [outbox.destination(a_destination(name)) for name in "ab"]
    requests = {
        str(number): a_request(
            number,
            body=random.Random(number).randbytes(5000 if number % 20 == 0 else 300),
            order="o" if number % 7 == 0 else "",
            records=RECORDS,
        )
        for number in range(120)
    }
    batch = [(rows[int(key) % 2], request) for key, request in requests.items()]
    outbox.intake(
        batch, offsets={"j": 4}, now_ns=clock.now_ns(), open_runs={"j/1": b"{}"}, observed={"o/p": 1}, corrupt=1
    )
    for leased in outbox.lease(rows[0], now_ns=clock.now_ns(), ttl_seconds=30, limit=10):
        outbox.settle(leased, verdict=DELIVERED, now_ns=clock.now_ns())
        del requests[leased.request.idempotency_key]
    outbox.note_refusal(rows[0], status=400, detail="no", path="/", now_ns=clock.now_ns())
    outbox.close()
    return requests


def flip(data: bytearray, chance: random.Random) -> None:
    """Flip single bits."""
    for _ in range(chance.choice([1, 1, 3, 50])):
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)


def flip_early(data: bytearray, chance: random.Random) -> None:
    """In the pages that hold header, schema, books and interior nodes."""
    data[chance.randrange(PAGE * 12)] = chance.randrange(256)


def cut(data: bytearray, chance: random.Random) -> None:
    """Cut the end off."""
    del data[chance.randrange(len(data)) :]


def swap(data: bytearray, chance: random.Random) -> None:
    """Exchange two pages."""
    first, second = (chance.randrange(len(data) // PAGE) * PAGE for _ in range(2))
    data[first : first + PAGE], data[second : second + PAGE] = (
        data[second : second + PAGE],
        data[first : first + PAGE],
    )


def wipe(data: bytearray, chance: random.Random) -> None:
    """Overwrite a page."""
    first = chance.randrange(len(data) // PAGE) * PAGE
    data[first : first + PAGE] = chance.choice([bytes(PAGE), chance.randbytes(PAGE)])


def noise(data: bytearray, chance: random.Random) -> None:
    """Overwrite a stretch across whatever lies there."""
    first = chance.randrange(len(data))
    data[first : first + 200] = chance.randbytes(min(200, len(data) - first))


def replace(data: bytearray, chance: random.Random) -> None:
    """Put something else in its place."""
    data[:] = chance.randbytes(chance.choice([0, 1, 100, PAGE, 3 * PAGE]))


MUTATORS: list[Callable[[bytearray, random.Random], None]] = [flip, flip, flip_early, cut, swap, wipe, noise, replace]


def drain(outbox: Outbox, clock: FakeClock) -> dict[str, Request]:
    """Deliver everything; return it by key."""
    delivered: dict[str, Request] = {}
    for _ in range(60):
        outbox.trim(now_ns=clock.now_ns())
        for known in outbox.destinations():
            leased = outbox.lease(known.id, now_ns=clock.now_ns(), ttl_seconds=30)
            outcomes = [Settlement(leased=item, verdict=DELIVERED) for item in leased]
            for item, done in zip(leased, outbox.settle_all(outcomes, now_ns=clock.now_ns()), strict=True):
                assert item.request.idempotency_key not in delivered
                if done:  # not when the row itself turned out to be damaged meanwhile
                    delivered[item.request.idempotency_key] = item.request
        if not outbox.pending():
            break
        clock.advance(3600)
    return delivered


@pytest.fixture(scope="module")
def original(tmp_path_factory) -> tuple[bytes, dict[str, Request]]:
    """Bytes of a healthy file, and what is in it."""
    directory = tmp_path_factory.mktemp("original")
    requests = seed_outbox(directory, FakeClock())
    return (directory / "outbox.db").read_bytes(), requests


@pytest.mark.parametrize("group", range(GROUPS))
def test_any_bytes_open_and_what_is_left_is_delivered(tmp_path, original, group):
    """Whatever is changed in the file, it opens, drains and balances.

    What comes out is what went in, bit by bit; and when something is missing, a count says so.
    """
    data, requests = original
    for number in range(MUTATIONS // GROUPS):
        chance = random.Random(f"{group}/{number}")
        mutator = chance.choice(MUTATORS)
        directory = tmp_path / str(number)
        directory.mkdir()
        mutated = bytearray(data)
        mutator(mutated, chance)
        (directory / "outbox.db").write_bytes(mutated)
        clock = FakeClock()
        try:
            outbox = open_outbox(directory, clock, reserve_bytes=PAGE * 8)
            for name in "ab":
                outbox.destination(a_destination(name))
            delivered = drain(outbox, clock)
            ledger = outbox.ledger()
            assert_ledger(ledger)
            assert ledger.pending == 0
            assert delivered.items() <= requests.items()
            missing = len(requests) - len(delivered)
            dropped = sum(account.lost for account in ledger.accounts)
            assert not missing or dropped or ledger.corrupt > 1 or outbox.set_aside()
            outbox.close()
        except BaseException:
            print(f"{mutator.__name__}, group {group}, number {number}")
            raise
        shutil.rmtree(directory)


def damage(path: Path, where: Callable[[sqlite3.Connection], int]) -> None:
    """Overwrite with noise the page that *where* names."""
    connection = sqlite3.connect(path)
    page = where(connection)
    connection.close()
    with path.open("r+b") as file:
        file.seek((page - 1) * PAGE + 100)
        file.write(random.Random(page).randbytes(2000))


def root_of(name: str) -> Callable[[sqlite3.Connection], int]:
    """Name the first page of a table or index."""

    def find(connection: sqlite3.Connection) -> int:
        return int(connection.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", (name,)).fetchone()[0])

    return find


def leaf_of(name: str) -> Callable[[sqlite3.Connection], int]:
    """Name a page in the midst of the rows of a table."""

    def find(connection: sqlite3.Connection) -> int:
        query = "SELECT pageno FROM dbstat WHERE name = ? AND pagetype = 'leaf' ORDER BY path LIMIT 1 OFFSET 2"
        return int(connection.execute(query, (name,)).fetchone()[0])

    return find


@pytest.mark.parametrize("index", ["requests_due", "requests_digest", "requests_order", "requests_lease"])
def test_a_damaged_index_loses_nothing(tmp_path, clock, index):
    """Rows are read in the order of the table, and every one of them is delivered."""
    requests = seed_outbox(tmp_path, clock)
    damage(tmp_path / "outbox.db", root_of(index))
    outbox = open_outbox(tmp_path, clock)
    assert drain(outbox, clock) == requests
    assert_ledger(outbox.ledger())
    assert outbox.offsets() == {"j": 4}
    assert outbox.open_runs("") == {"j/1": b"{}"}
    outbox.close()


def test_a_damaged_page_of_rows_costs_the_rows_on_it(tmp_path, clock):
    """The rows before and behind it are delivered; those on it are counted `corrupt`, none is forgotten."""
    requests = seed_outbox(tmp_path, clock)
    damage(tmp_path / "outbox.db", leaf_of("requests"))
    outbox = open_outbox(tmp_path, clock)
    delivered = drain(outbox, clock)
    missing = len(requests) - len(delivered)
    assert 0 < missing < 20
    lost = sum(account.dropped.get(Reason.CORRUPT, 0) for account in outbox.ledger().accounts)
    assert lost == missing * RECORDS
    assert sum(account.accepted for account in outbox.ledger().accounts) == 120 * RECORDS
    assert outbox.set_aside() == 1
    outbox.close()


def test_a_flipped_bit_in_a_body_is_never_delivered(tmp_path, clock):
    """SQLite would not notice; the request is dropped and counted, its neighbours go out."""
    requests = seed_outbox(tmp_path, clock)
    path = tmp_path / "outbox.db"
    data = path.read_bytes()
    victim = requests["77"]
    at = data.index(victim.body) + 150
    path.write_bytes(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
    outbox = open_outbox(tmp_path, clock)
    assert drain(outbox, clock) == {key: request for key, request in requests.items() if key != "77"}
    assert sum(account.dropped.get(Reason.CORRUPT, 0) for account in outbox.ledger().accounts) == RECORDS
    assert_ledger(outbox.ledger())
    outbox.close()


def test_three_damaged_files_are_kept(tmp_path, clock):
    """Each for whoever wants to look, and no more: a disk that fails must not be filled with the remains."""
    for number in range(5):
        (tmp_path / "outbox.db").write_bytes(b"this is no database" * 100 + bytes([number]))
        outbox = open_outbox(tmp_path, clock)
        assert outbox.set_aside() == 1
        outbox.close()
    kept = {path.name: path.read_bytes()[-1] for path in tmp_path.glob("outbox.db.bad-*")}
    assert kept == {"outbox.db.bad-3": 2, "outbox.db.bad-4": 3, "outbox.db.bad-5": 4}


def test_another_programs_database_is_set_aside(tmp_path, clock):
    """It is not ours to write to."""
    connection = sqlite3.connect(tmp_path / "outbox.db")
    connection.execute("CREATE TABLE theirs (x)")
    connection.commit()
    connection.close()
    outbox = open_outbox(tmp_path, clock)
    assert outbox.pending() == 0
    assert outbox.set_aside() == 1
    outbox.close()
    assert (tmp_path / "outbox.db.bad-1").exists()


def test_damage_found_while_in_use_is_repaired_on_the_way(tmp_path, clock):
    """The call that meets it goes through on the new file; ids and leases that the caller holds stay good."""
    outbox = open_outbox(tmp_path, clock)
    row = outbox.destination(a_destination())
    requests = [(row, a_request(number)) for number in range(5)]
    outbox.intake(requests, offsets={"j": 5}, now_ns=clock.now_ns())
    (leased,) = outbox.lease(row, now_ns=clock.now_ns(), ttl_seconds=30, limit=1)
    outbox.database.run("test", lambda connection: connection.execute("DROP INDEX requests_due").rowcount)
    outbox.database.run("test", lambda connection: connection.execute("DROP TABLE drops").rowcount)
    assert outbox.intake([(row, a_request(0)), (row, a_request(9))], offsets={"j": 9}, now_ns=clock.now_ns()) == 1
    assert outbox.ledger().balanced
    assert outbox.set_aside() == 1
    assert outbox.settle(leased, verdict=DELIVERED, now_ns=clock.now_ns())
    assert len(outbox.lease(row, now_ns=clock.now_ns(), ttl_seconds=30)) == 5
    assert outbox.offsets() == {"j": 9}
    outbox.close()


def test_books_that_do_not_fit_the_rows_are_made_anew(tmp_path, clock):
    """Rows that vanished without an error are found by their absence, so that nobody waits for them for ever."""
    outbox = open_outbox(tmp_path, clock)
    row = outbox.destination(a_destination())
    outbox.intake([(row, a_request(1, records=3))], offsets={}, now_ns=clock.now_ns())
    outbox.database.run("test", lambda connection: connection.execute("DELETE FROM requests").rowcount)
    assert outbox.pending() == 3
    outbox.trim(now_ns=clock.now_ns())
    (account,) = outbox.ledger().accounts
    assert (account.accepted, account.pending, account.dropped) == (3, 0, {Reason.CORRUPT: 3})
    outbox.close()


def test_a_damaged_memory_of_the_time_expires_nothing(tmp_path, clock):
    """One flipped bit there would age every request at once, were it believed."""
    requests = seed_outbox(tmp_path, clock)
    outbox = open_outbox(tmp_path, clock)
    outbox.close()
    path = tmp_path / "outbox.db"
    data = path.read_bytes()
    at = data.index(b'{"tick":') + len(b'{"tick":')
    path.write_bytes(data[:at] + b"9" + data[at + 1 :])
    outbox = open_outbox(tmp_path, clock)
    clock.advance(13 * DAY)
    assert outbox.trim(now_ns=clock.now_ns()) == 0
    assert drain(outbox, clock) == requests
    outbox.close()
