"""Yes means synced (reliability.md P14); no means that the sender keeps its copy, and is asked to come back (G1)."""

from __future__ import annotations

import http.client
import os
import random
import threading
import time
from collections import Counter
from pathlib import Path

import pytest

from footfall.ledger import Ledger
from footfall.places import find
from footfall.status import read_status
from footfall.testing.ledger import assert_ledger
from footfall.testing.sink import Sink
from footfall.usage import Usage
from footfall.wire.migas import MigasWire
from footfall.wire.otlp import OtlpWire
from tests.gateway.gatewayhelp import HANG_SECONDS, PROTOBUF, Gateway, use

KILLS = int(os.environ.get("GATEWAY_KILLS", "12"))
"""At each push; for more spans, set it higher."""
SENDERS = 4
BATCH = 20
LEAST_ACKNOWLEDGED = 500


class Sender(threading.Thread):
    """Sends batches like a Collector: the same bytes again until they are acknowledged.

    Attributes:
        acknowledged: Numbers of the uses that got a yes.
        doubtful: Batches sent again after a connection that broke.
    """

    def __init__(self, first: int, gateways: list[Gateway], stop: threading.Event) -> None:
        super().__init__(daemon=True)
        self._first = first
        self._gateways = gateways
        self._stop_sending = stop
        self.acknowledged: list[int] = []
        self.doubtful = 0

    def run(self) -> None:
        next_number = self._first
        while not self._stop_sending.is_set():
            numbers = range(next_number, next_number + BATCH)
            (request,) = OtlpWire().translate([use(number) for number in numbers])
            headers = {"content-type": PROTOBUF, "content-encoding": "gzip"}
            while not self._stop_sending.is_set():
                try:
                    answer = self._gateways[-1].ask(request.path, request.body, headers=headers)
                except (OSError, http.client.HTTPException):
                    self.doubtful += 1
                    time.sleep(0.02)
                    continue
                assert answer.status in {200, 503}, answer
                if answer.status == 200:
                    assert answer.body == b""
                    self.acknowledged += numbers
                    next_number += BATCH
                    break


def ledger_of(gateway: Gateway) -> Ledger:
    places = find(str(gateway.state), {})
    assert places is not None
    status = read_status(places)
    assert status is not None
    return status.ledger


def test_killed_again_and_again_nothing_acknowledged_is_lost(tmp_path: Path) -> None:
    """Senders that try again, a gateway killed at any moment: what was acknowledged arrives, copies have equal keys."""
    chance = random.Random(7)
    with Sink(tmp_path / "sink") as sink:
        configuration = {"projects": {"demo/lib": [{"migas": sink.url}]}}
        gateways = [Gateway.start(tmp_path / "gateway", configuration)]
        stop = threading.Event()
        senders = [Sender(10**6 * number, gateways, stop) for number in range(SENDERS)]
        try:
            for sender in senders:
                sender.start()
            for _ in range(KILLS):
                time.sleep(chance.uniform(0.02, 0.4))
                gateways[-1].kill()
                gateways.append(Gateway.start(tmp_path / "gateway", configuration))
        finally:
            stop.set()
            for sender in senders:
                sender.join(HANG_SECONDS)
        last = gateways[-1]
        acknowledged = [number for sender in senders for number in sender.acknowledged]
        assert len(acknowledged) >= LEAST_ACKNOWLEDGED
        deadline = time.monotonic() + HANG_SECONDS
        while pending(last) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert last.stop() == 0
        assert_ledger(ledger_of(last))
        # migas has no place for an id, and all these crumbs are equal: told apart by the key alone.
        arrived = Counter(request.key for request in sink.requests())
        keys = {request.idempotency_key for request in MigasWire().translate([use(number) for number in acknowledged])}
        assert keys - arrived.keys() == set()
        copies = sum(arrived.values()) - len(arrived)
        assert copies <= 8 * KILLS + BATCH * sum(sender.doubtful for sender in senders)


def pending(gateway: Gateway) -> float:
    figures = gateway.figures()
    return sum(value for key, value in figures.items() if key.startswith("footfall_records_pending"))


def test_a_batch_that_is_sent_twice_is_kept_once(tmp_path: Path) -> None:
    """The answer was lost, the Collector sends again: the same keys, and one record each while they wait."""
    configuration = {
        "projects": {"demo/lib": [{"migas": "http://127.0.0.1:9"}, {"ramen": "http://127.0.0.1:9", "system_serial": 1}]}
    }
    with Gateway.start(tmp_path / "gateway", configuration) as gateway:
        batch = [use(number) for number in range(20)]
        for _ in range(3):
            (answer,) = gateway.tell(*batch)
            assert (answer.status, answer.body) == (200, b"")
        assert gateway.stop() == 0
        for account in ledger_of(gateway).accounts[1:]:
            assert (account.accepted, account.pending, account.duplicates) == (20, 20, 40)


# Both ways to have no room, in the process of the gateway: after a mark in the state directory, when it is asked to.
LIMIT_FILES = """
import os, pathlib, resource, signal, sys, threading, time
sys.dont_write_bytecode = True
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
from footfall.outbox import reserve
reserve.PLENTY_BYTES = 2**62
base = pathlib.Path({state!r}).parent
def watch():
    while True:
        time.sleep(0.01)
        if (base / "full").exists():
            largest = max(path.stat().st_size for path in pathlib.Path({state!r}).rglob("outbox.db*"))
            resource.setrlimit(resource.RLIMIT_FSIZE, (largest, resource.RLIM_INFINITY))
            (base / "full").unlink()
            (base / "is-full").touch()
        if (base / "free").exists():
            resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
            (base / "free").unlink()
            (base / "is-free").touch()
threading.Thread(target=watch, daemon=True).start()
"""


def wait_for(path: Path) -> None:
    deadline = time.monotonic() + HANG_SECONDS
    while not path.exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert path.exists()


def fill(gateway: Gateway, first: int, most: int) -> list[Usage]:
    """Send until it says no; return what it said yes to. The no asks to come back."""
    taken: list[Usage] = []
    for number in range(first, first + most):
        batch = [use(number * 100 + each, arguments={"text": "word " * 50}) for each in range(100)]
        (answer,) = gateway.tell(*batch)
        if answer.status != 200:
            assert answer.status == 503
            assert int(answer.headers["retry-after"]) > 0
            return taken
        taken += batch
    pytest.fail("never full")


def test_a_full_disk_is_a_no_with_a_wait(tmp_path: Path) -> None:
    """No room: 503 and Retry-After, nothing of the batch is kept, what was acknowledged still goes out; then room."""
    with Sink(tmp_path / "sink", mode="status:503") as sink:
        directory = tmp_path / "gateway"
        state = directory / "state"
        configuration = {
            "projects": {"demo/lib": [{"ramen": sink.url, "system_serial": 1}]},
            "limits": {"retry_after_seconds": 1},
        }
        with Gateway.start(directory, configuration, prelude=LIMIT_FILES.format(state=str(state))) as gateway:
            assert gateway.tell(use(1))[0].status == 200
            (directory / "full").touch()
            wait_for(directory / "is-full")
            taken = [use(1), *fill(gateway, 1, 500)]
            assert gateway.ask("/readyz").status == 503
            assert gateway.ask("/healthz").status == 200
            assert pending(gateway) == len(taken)
            sink.set_mode("ok")
            (directory / "free").touch()
            wait_for(directory / "is-free")
            deadline = time.monotonic() + HANG_SECONDS
            while gateway.tell(use(10**6))[0].status == 503 and time.monotonic() < deadline:
                time.sleep(0.05)
            sink.wait_for(
                lambda requests: len({each.path for each in requests if each.accepted}) > len(taken), HANG_SECONDS
            )
            assert gateway.stop() == 0
        assert_ledger(ledger_of(gateway))
        assert sum(account.lost for account in ledger_of(gateway).accounts) == 0


def test_a_full_outbox_is_a_no_and_nothing_older_is_dropped(tmp_path: Path) -> None:
    """Beyond its size it refuses what is new, and keeps all that it said yes to."""
    configuration = {
        "projects": {"demo/lib": [{"migas": "http://127.0.0.1:9"}]},
        "limits": {"outbox_bytes": 400_000, "backlog_bytes": 10**9},
    }
    with Gateway.start(tmp_path / "gateway", configuration) as gateway:
        taken = fill(gateway, 0, 50)
        assert len(taken) >= 200
        assert pending(gateway) == len(taken)
        # Before it reads: a body of nothing but noise gets the same answer for a moment.
        assert gateway.post("/v1/traces", b"\xff" * 1000).status == 503
        assert gateway.stop() == 0
    (account,) = (each for each in ledger_of(gateway).accounts if each.destination.startswith("migas"))
    assert (account.accepted, account.pending, account.lost) == (len(taken), len(taken), 0)


def test_a_dead_destination_delays_no_other(tmp_path: Path) -> None:
    """What is for it is kept up to its share; beyond that its own batches get a no, and those of others go on."""
    with Sink(tmp_path / "sink") as sink:
        configuration = {
            "projects": {
                "demo/dead": [{"migas": "http://127.0.0.1:9"}],
                "demo/both": [{"migas": "http://127.0.0.1:9"}, {"migas": sink.url}],
                "demo/lib": [{"migas": sink.url}],
            },
            "limits": {"backlog_bytes": 100_000, "retry_after_seconds": 3},
        }
        with Gateway.start(tmp_path / "gateway", configuration) as gateway:
            kept = 0
            for number in range(100):
                (answer,) = gateway.tell(*(use(number * 50 + each, project="demo/dead") for each in range(50)))
                if answer.status == 503:
                    break
                kept += 50
            assert (answer.status, answer.headers["retry-after"]) == (503, "3")
            assert kept >= 50
            # A batch for both is refused whole: the live one would get it twice when it is sent again.
            both = [use(10**6 + each, project="demo/both") for each in range(50)]
            assert gateway.tell(*both)[0].status == 503
            for number in range(10):
                assert gateway.tell(use(10**7 + number))[0].status == 200
            received = sink.wait_for(lambda requests: len(requests) >= 10)
            assert {each.crumb["project"] for each in received} == {"demo/lib"}
            assert pending(gateway) == kept
            assert gateway.ask("/readyz").status == 200
            assert gateway.stop() == 0
        assert_ledger(ledger_of(gateway))


def test_a_graceful_stop_answers_what_it_has(tmp_path: Path) -> None:
    """SIGTERM among requests: each gets its yes or no, or cannot connect any more; every yes is on the disk."""
    for round_number in range(3):
        directory = tmp_path / f"round-{round_number}"
        gateway = Gateway.start(directory, {"projects": {"demo/lib": [{"migas": "http://127.0.0.1:9"}]}})
        stop = threading.Event()
        senders = [Sender(10**6 * number, [gateway], stop) for number in range(SENDERS)]
        with gateway:
            for sender in senders:
                sender.start()
            time.sleep(0.3)
            assert gateway.stop() == 0
            stop.set()
            for sender in senders:
                sender.join(HANG_SECONDS)
        acknowledged = sum(len(sender.acknowledged) for sender in senders)
        (account,) = (each for each in ledger_of(gateway).accounts if each.destination.startswith("migas"))
        assert acknowledged <= account.pending <= acknowledged + SENDERS * BATCH
        assert account.pending == account.accepted


def test_a_state_directory_has_one_gateway(tmp_path: Path) -> None:
    """A second one says whose it is, and leaves."""
    configuration = {"projects": {"demo/lib": [{"migas": "http://127.0.0.1:9"}]}}
    with Gateway.start(tmp_path / "gateway", configuration), pytest.raises(AssertionError, match="another process"):
        Gateway.start(tmp_path / "gateway", configuration)
