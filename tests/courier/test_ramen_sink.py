"""Ramen the whole way out, against a server process with faults: nothing lost, order kept, several in flight."""

from __future__ import annotations

from collections import Counter

import pytest
from ramenhelp import REQUESTS, Line

from footfall.testing.ledger import assert_ledger
from footfall.testing.sink import Sink

TAKEN_WITHOUT_A_WORD = {"lostack", "closemid", "drip:0.2", "drip:0.2:body", "headers"}

FAULTS = [
    *("refuse", "half500", "status:503", "status:408", "status:429", "noanswer", "lostack", "closemid", "hang"),
    *("drip:0.2", "drip:0.2:body", "huge", "gzipbomb:64", "badjson", "portal", "headers", "interim", "garbage"),
    *("status:200", "status:204", "status:401", "status:403", "redirect:302:http://127.0.0.1:9/", "cookie", "ok"),
    *("status:503:retry-after=3600", "ratelimit:2:60:retry-after=5"),
]


@pytest.fixture(scope="module")
def sink(tmp_path_factory):
    """One server for all tests of this module; each tells its messages by their sender."""
    with Sink(tmp_path_factory.mktemp("sink")) as it:
        yield it


@pytest.mark.parametrize("mode", FAULTS)
def test_it_comes_back_by_itself(sink, tmp_path, mode):
    """During the fault nothing is lost; afterwards everything arrives, each message under one URL (issue 5, N rows)."""
    slow = mode.startswith(("hang", "drip", "interim", "huge"))
    with Line(tmp_path, sink, sender=f"fault-{FAULTS.index(mode)}", timeout_seconds=0.4 if slow else 5) as line:
        line.push(REQUESTS)
        line.deliver_through(mode)
        ledger = line.outbox.ledger()
        assert_ledger(ledger)
        assert (ledger.accounts[0].delivered, ledger.pending) == (REQUESTS, 0)
        arrived = line.arrived()
        urls = Counter((each.path, each.body_sha256) for each in arrived)
        assert len(urls) == len({path for path, _ in urls}) == REQUESTS
        if mode not in TAKEN_WITHOUT_A_WORD:
            assert len(arrived) == REQUESTS


@pytest.mark.parametrize("mode", ["ok", "half500", "ratelimit:30:1"])
def test_order_is_kept_for_each_category_and_data_type(sink, tmp_path, mode):
    """Several are in flight, and yet what was pushed first under one name arrives first, refusals or not."""
    with Line(tmp_path, sink, sender=f"order-{mode.partition(':')[0]}") as line:
        line.push(60, types=12)
        sink.set_mode(mode)
        for _ in range(3):
            line.courier.deliver_once()
            line.clock.advance(2)
        sink.set_mode("ok")
        line.deliver_all()
        by_type: dict[str, list[int]] = {}
        for each in line.arrived():
            by_type.setdefault(each.crumb["data_type"], []).append(each.crumb["data"]["n"])
        assert sum(map(len, by_type.values())) == 60
        assert len(by_type) == 12
        assert all(numbers == sorted(numbers) for numbers in by_type.values())


def test_the_token_goes_with_each_request_and_stays_out_of_the_outbox(sink, tmp_path):
    """`X-API-Token` is added at send time."""
    sink.set_mode("ok")
    with Line(tmp_path, sink, sender="token", environ={"RAMEN": "X-API-Token: canary-7"}) as line:
        line.push(3)
        line.deliver_all()
        assert [each.auth_headers for each in line.arrived()] == [["x-api-token"]] * 3
    assert b"canary" not in b"".join(path.read_bytes() for path in tmp_path.glob("outbox.db*"))
