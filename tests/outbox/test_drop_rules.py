"""Drop rules in the outbox: kept with the answer that brought them, bounded in number and time, and counted."""

from __future__ import annotations

import sqlite3

import pytest
from outboxhelp import DAY, a_destination, a_request, open_outbox

from footfall.ledger import Reason
from footfall.outbox import rules, schema
from footfall.outbox.rows import Settlement
from footfall.testing.clock import FakeClock
from footfall.testing.ledger import assert_ledger
from footfall.wire.base import DELIVERED, Action, DropRule, Verdict

METRICS = DropRule(labels={"category": "metrics"}, seconds=3600)
RULED_OUT = Verdict(action=Action.DROP, reason=Reason.RULE)


@pytest.fixture
def clock():
    """Time."""
    return FakeClock()


@pytest.fixture
def outbox(tmp_path, clock):
    """One that is open."""
    it = open_outbox(tmp_path, clock)
    yield it
    it.close()


def leased(outbox, clock, row, key="k"):
    """A request that was taken in and leased."""
    outbox.intake([(row, a_request(key))], offsets={}, now_ns=clock.now_ns())
    (item,) = outbox.lease(row, now_ns=clock.now_ns(), ttl_seconds=60)
    return item


def order(outbox, clock, row, rule, key="k"):
    """Settle a request by an answer with *rule*."""
    verdict = Verdict(action=Action.DROP, reason=Reason.RULE, rule=rule)
    return outbox.settle(leased(outbox, clock, row, key), verdict=verdict, now_ns=clock.now_ns())


def held(outbox, row=None):
    """What is in force, without times."""
    return [(dict(known.labels), known.dropped) for known in outbox.rules(row)]


def test_a_rule_comes_with_its_answer_and_survives_a_restart(tmp_path, outbox, clock):
    """For the destination whose server said it; what is dropped by it is counted beside it and in the books."""
    row, other = (outbox.destination(a_destination(name)) for name in "ab")
    assert order(outbox, clock, row, METRICS)
    outbox.close()
    outbox = open_outbox(tmp_path, clock)
    (known,) = outbox.rules()
    assert (known.destination, dict(known.labels), known.dropped) == (a_destination("a").key, METRICS.labels, 0)
    assert known.until_ns == pytest.approx(clock.now_ns() + 3600 * 10**9, abs=10**6)
    assert held(outbox, row) == [(METRICS.labels, 0)]
    assert outbox.rules(other) == []
    settlements = [
        Settlement(leased=leased(outbox, clock, row, "x"), verdict=RULED_OUT, obeyed=METRICS),
        Settlement(leased=leased(outbox, clock, row, "y"), verdict=RULED_OUT, obeyed=METRICS),
    ]
    assert outbox.settle_all(settlements, now_ns=clock.now_ns()) == [True, True]
    assert held(outbox) == [(METRICS.labels, 2)]
    ledger = outbox.ledger()
    assert_ledger(ledger)
    assert ledger.accounts[0].dropped == {Reason.RULE: 3}
    outbox.close()


def test_a_rule_ends_by_itself(outbox, clock):
    """At its time whatever the wall clock did; a match does not prolong it, being told again does."""
    row = outbox.destination(a_destination())
    order(outbox, clock, row, METRICS, "1")
    clock.advance(1800)
    clock.jump_wall(-10 * 365 * DAY)
    outbox.settle_all(
        [Settlement(leased=leased(outbox, clock, row, "2"), verdict=RULED_OUT, obeyed=METRICS)], now_ns=clock.now_ns()
    )
    clock.advance(1799)
    assert held(outbox) == [(METRICS.labels, 1)]
    order(outbox, clock, row, METRICS, "3")
    clock.advance(3599)
    assert held(outbox) == [(METRICS.labels, 1)]
    clock.advance(1)
    assert outbox.rules() == []
    outbox.trim(now_ns=clock.now_ns())
    assert outbox.database.run("test", lambda c: c.execute("SELECT count(*) FROM rules").fetchone()) == (0,)


@pytest.mark.parametrize("seconds", [1e9, float(2**62), 86401.0])
def test_no_rule_holds_longer_than_a_day(outbox, clock, seconds):
    """Whatever a wire says."""
    row = outbox.destination(a_destination())
    order(outbox, clock, row, DropRule(labels={"a": "b"}, seconds=seconds))
    clock.advance(DAY - 1)
    assert len(outbox.rules()) == 1
    clock.advance(1)
    assert outbox.rules() == []


def test_a_rule_without_labels_is_none(outbox, clock):
    """It would match everything."""
    row = outbox.destination(a_destination())
    assert order(outbox, clock, row, DropRule(labels={}, seconds=60))
    assert outbox.rules() == []
    assert not DropRule(labels={}, seconds=60).matches({"a": "b"})


def test_a_server_has_256_rules_and_no_more(outbox, clock):
    """The one that would end first makes room, and another server's are not touched."""
    row, other = (outbox.destination(a_destination(name)) for name in "ab")
    order(outbox, clock, other, METRICS)
    for number in range(rules.MOST_RULES + 10):
        order(outbox, clock, row, DropRule(labels={"n": str(number)}, seconds=1000 + number), str(number))
    kept = [int(known.labels["n"]) for known in outbox.rules(row)]
    assert kept == list(range(10, rules.MOST_RULES + 10))
    assert held(outbox, other) == [(METRICS.labels, 0)]


def test_the_word_of_a_server_holds_even_when_its_request_was_settled_meanwhile(outbox, clock):
    """A lease that lapsed loses the request, not the rule."""
    row = outbox.destination(a_destination())
    item = leased(outbox, clock, row)
    clock.advance(61)
    (again,) = outbox.lease(row, now_ns=clock.now_ns(), ttl_seconds=60)
    assert outbox.settle(again, verdict=DELIVERED, now_ns=clock.now_ns())
    verdict = Verdict(action=Action.DROP, reason=Reason.RULE, rule=METRICS)
    assert not outbox.settle(item, verdict=verdict, now_ns=clock.now_ns())
    assert held(outbox) == [(METRICS.labels, 0)]
    assert_ledger(outbox.ledger())


def test_an_outbox_from_before_there_were_rules(tmp_path, clock, monkeypatch):
    """It gets the table when it is opened, and keeps what waits in it."""
    with monkeypatch.context() as before:
        before.setattr(schema, "MIGRATIONS", schema.MIGRATIONS[:1])
        before.setattr(schema, "VERSION", 1)
        before.setattr(rules, "forget", lambda connection, tick: None)
        old = open_outbox(tmp_path, clock)
        row = old.destination(a_destination())
        old.intake([(row, a_request("k"))], offsets={"j": 5}, now_ns=clock.now_ns())
        old.close()
    outbox = open_outbox(tmp_path, clock)
    assert (outbox.pending(), outbox.offsets(), outbox.rules()) == (1, {"j": 5}, [])
    (item,) = outbox.lease(row, now_ns=clock.now_ns(), ttl_seconds=60)
    verdict = Verdict(action=Action.DROP, reason=Reason.RULE, rule=METRICS)
    assert outbox.settle(item, verdict=verdict, now_ns=clock.now_ns())
    assert held(outbox) == [(METRICS.labels, 0)]
    version = outbox.database.run("test", lambda connection: connection.execute("PRAGMA user_version").fetchone())
    assert version == (schema.VERSION,)
    outbox.close()
    assert not list(tmp_path.glob("*.bad-*"))


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"a": 1}', '{"a"', b"\xff", None])
def test_a_damaged_rule_is_read_around(tmp_path, outbox, clock, text):
    """The file is renewed, the good rule and the requests are kept, the bad one stops nothing."""
    row = outbox.destination(a_destination())
    order(outbox, clock, row, METRICS)
    outbox.intake([(row, a_request("waits"))], offsets={}, now_ns=clock.now_ns())
    until = outbox.database.ticks.now() + 10**9

    def spoil(connection: sqlite3.Connection) -> None:
        value = 7 if text is None else text
        connection.execute("INSERT INTO rules (destination, labels, until) VALUES (?, ?, ?)", (row, value, until))

    outbox.database.run("spoil", spoil)
    assert held(outbox) == [(METRICS.labels, 0)]
    assert (outbox.pending(), outbox.set_aside()) == (1, 1)
    assert_ledger(outbox.ledger())


def test_rules_of_a_time_that_cannot_be_are_over(outbox, clock):
    """A row that claims to hold for years is damaged, or was written under another clock."""
    row = outbox.destination(a_destination())
    order(outbox, clock, row, METRICS)
    outbox.database.run("spoil", lambda c: c.execute("UPDATE rules SET until = until + ?", (10**18,)).rowcount)
    assert outbox.rules() == []
