"""Clock, ids, scripted transport, ledger check, and how the package is loaded."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

import footfall.testing
from footfall.clock import Clock
from footfall.errors import TransportError
from footfall.ledger import Account, Ledger, Reason
from footfall.testing import FakeClock, ScriptedTransport, SequentialIds, assert_ledger
from footfall.wire.base import Request, Response


def test_waiting_takes_no_time_but_moves_both_clocks():
    """An hour passes at once; a set event ends the wait before it begins."""
    clock: Clock = FakeClock(now_ns=10, monotonic=5.0)
    event = threading.Event()
    assert clock.wait(event, 3600.0) is False
    assert (clock.now_ns(), clock.monotonic()) == (10 + 3600 * 10**9, 3605.0)
    event.set()
    assert clock.wait(event, 3600.0) is True
    assert clock.monotonic() == 3605.0
    assert clock.waits == [3600.0, 3600.0]


def test_the_wall_clock_may_jump_and_the_monotonic_one_does_not():
    """Ten years forward and twenty back are one clock's business."""
    clock = FakeClock(now_ns=0, monotonic=1.0)
    clock.jump_wall(10 * 365.25 * 86400)
    clock.jump_wall(-20 * 365.25 * 86400)
    assert (clock.now_ns(), clock.monotonic()) == (-315_576_000 * 10**9, 1.0)
    with pytest.raises(ValueError, match="jump_wall"):
        clock.advance(-1)


def test_many_small_steps_do_not_drift():
    """A million steps of a tenth of a second are exactly as long as they say."""
    clock = FakeClock(now_ns=0, monotonic=0.0)
    for _ in range(100_000):
        clock.advance(0.1)
    assert (clock.now_ns(), clock.monotonic()) == (10_000 * 10**9, 10_000.0)


def test_ids_count_for_each_width():
    """Trace and span ids count apart and are what `bits` gives; none is ever zero."""
    ids = SequentialIds()
    assert [ids.trace_id(), ids.trace_id(), ids.span_id()] == ["0" * 31 + "1", "0" * 31 + "2", "0" * 15 + "1"]
    assert (ids.bits(128), ids.bits(64)) == (3, 2)
    assert [ids.bits(2) for _ in range(5)] == [1, 2, 3, 1, 2]


def test_ids_are_unique_across_threads():
    """Eight threads of a thousand ids: eight thousand different ones."""
    ids, seen = SequentialIds(), []
    threads = [threading.Thread(target=lambda: seen.extend([ids.span_id() for _ in range(1000)])) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert len(set(seen)) == 8000


def request(key):
    """Return a small request."""
    return Request(path="/x?y=1", body=b"{}", content_type="application/json", idempotency_key=key)


def test_a_script_answers_step_by_step_and_keeps_what_was_sent():
    """Answers, exceptions and functions in their order; afterwards an error that names the request."""
    transport = ScriptedTransport([Response(status=503), TransportError("cut", in_doubt=True)])
    transport.add(lambda sent: Response(status=200, body=sent.request.body))
    send = lambda key: transport.send(request(key), base_url="http://h", headers={"A": "b"}, timeout_seconds=1.5)  # noqa: E731
    assert send("a").status == 503
    with pytest.raises(TransportError, match="cut") as caught:
        send("a")
    assert caught.value.in_doubt
    assert (send("b").body, transport.left) == (b"{}", 0)
    with pytest.raises(AssertionError, match="request 4, POST http://h/x\\?y=1, came after the end of the script"):
        send("c")
    assert transport.keys == ["a", "a", "b", "c"]
    assert (transport.sent[0].headers, transport.sent[0].timeout_seconds) == ({"A": "b"}, 1.5)


def test_a_script_may_have_a_last_step_for_all_that_follows():
    """`then` never runs out."""
    transport = ScriptedTransport([Response(status=500)], then=Response(status=202))
    statuses = [transport.send(request("k"), base_url="", headers={}, timeout_seconds=1).status for _ in range(4)]
    assert statuses == [500, 202, 202, 202]


def test_a_balanced_ledger_passes():
    """Drops with a reason are fine, and so is what nobody has read yet."""
    account = Account(destination="a", accepted=6, delivered=3, pending=1, dropped={Reason.EXPIRED: 2}, duplicates=5)
    assert_ledger(Ledger(accounts=(account,), unread=4, corrupt=1))
    assert_ledger(Ledger())


def test_an_unbalanced_ledger_fails_with_a_table():
    """The message shows each account, what is unexplained, and why records were dropped."""
    good = Account(destination="migas:h:1", accepted=1, delivered=1)
    bad = Account(
        destination="otlp:h:22", accepted=10, delivered=3, pending=1, dropped={Reason.RULE: 2, Reason.REFUSED: 1}
    )
    with pytest.raises(AssertionError) as caught:
        assert_ledger(Ledger(accounts=(good, bad), unread=7))
    assert str(caught.value).splitlines() == [
        "the ledger does not balance:",
        "destination  accepted  delivered  pending  dropped  unexplained",
        "migas:h:1    1         1          0        0        0",
        "otlp:h:22    10        3          1        3        3",
        "otlp:h:22 dropped: rule 2, refused 1",
        "unread 7, corrupt 0",
    ]


def test_a_sum_that_only_balances_by_a_negative_figure_fails():
    """Minus one pending is no explanation."""
    account = Account(destination="a", accepted=1, delivered=2, pending=-1)
    with pytest.raises(AssertionError, match="does not balance"):
        assert_ledger(Ledger(accounts=(account,)))


def test_every_public_name_is_there_and_listed():
    """`__all__`, `dir` and what can be fetched are the same; a wrong name gets the list."""
    assert {getattr(footfall.testing, name).__name__ for name in footfall.testing.__all__} == {
        *footfall.testing.__all__
    }
    assert {*footfall.testing.__all__} <= {*dir(footfall.testing)}
    with pytest.raises(AttributeError, match="it has capture, Captured, FakeClock"):
        _ = footfall.testing.FakeClok


def test_the_plugin_loads_nothing_heavy():
    """Pytest loads it in every session of every user: no network, no database, no OpenTelemetry, no sink."""
    program = (
        "import sys, pytest; before = set(sys.modules); import footfall.testing.plugin;"
        "print(*sorted(set(sys.modules) - before))"
    )
    environment = os.environ | {"PYTHONPATH": str(Path(footfall.__file__).parents[1])}
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, timeout=60, check=True
    )
    loaded = {".".join(name.split(".")[:3]) for name in done.stdout.split()}
    heavy = {
        "google",
        "opentelemetry",
        "requests",
        "socket",
        "sqlite3",
        "ssl",
        "subprocess",
        "urllib3",
        "wrapt",
        "yaml",
    }
    assert "footfall.testing.plugin" in loaded
    assert {name for name in loaded if name.split(".")[0] in heavy} == set()
    assert {name for name in loaded if name.startswith("footfall.testing.")} == {"footfall.testing.plugin"}


def test_fixtures(footfall_sink, footfall_clock, footfall_ids):
    """All three come by themselves where footfall is installed."""
    assert footfall_sink.url.startswith("http://127.0.0.1:")
    assert isinstance(footfall_clock, FakeClock)
    assert footfall_ids.bits(64) == 1
