"""S14, rules of a server: of known fields and right types, at least one, no more than 256, none for more than a day."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from footfall.courier import lane as lanes
from footfall.courier import rules as courier_rules
from footfall.courier.rules import Rules
from footfall.destination import Destination
from footfall.outbox import rules as kept_rules
from footfall.outbox.store import Outbox
from footfall.testing.clock import FakeClock
from footfall.wire import ramen_answers
from footfall.wire.base import Action, DropRule, Request, Response, Verdict
from footfall.wire.ramen import RamenWire
from tests.security.rules import rule, without

WIRE = RamenWire(system_serial=1099, sender="imx", system_version="1.0")


def judged(given: Any, wire: RamenWire = WIRE) -> Verdict:
    """What an answer with that rule means."""
    body = json.dumps({"code": "DROPPED", "details": "x", "rule": given}).encode()
    return wire.judge(Response(status=202, body=body))


def credulous(given: Any, seconds: float) -> DropRule:
    """The original: whatever is in it is a rule."""
    return DropRule(labels={key: str(value) for key, value in (given or {}).items()}, seconds=seconds)


def of_known_fields_only(given: Any, seconds: float) -> DropRule | str:
    """A check that takes any value."""
    known = isinstance(given, dict) and set(given) <= set(ramen_answers.names.LABELS)
    return credulous(given, seconds) if known else "no rule"


@rule(
    without(ramen_answers, "rule", credulous),
    without(ramen_answers, "rule", of_known_fields_only),
)
def test_a_rule_is_what_it_must_be_or_nothing() -> None:
    """Empty, foreign, of a wrong type, with a time of its own: none of these is kept."""
    assert judged({"category": "metrics"}).rule == DropRule(labels={"category": "metrics"}, seconds=3600.0)
    for given in (
        *(None, {}, [], "x", {"category": None}, {"category": ""}, {"category": ["metrics"]}, {"category": "a b"}),
        *({"system_serial": "1099"}, {"system_serial": True}, {"reason": "quota"}, {"category": "a", "reason": "x"}),
        *({"category": "a", "last_seen": "2001-01-01T00:00:00Z"}, {"category": "x" * 256}, {"__class__": "x"}),
    ):
        try:
            verdict = judged(given)
        except AttributeError:
            raise AssertionError(given) from None
        assert (verdict.action, verdict.rule) == (Action.DROP, None), given


def outbox_with(tmp_path: Path, rules: list[DropRule], clock: FakeClock) -> Outbox:
    """An outbox whose one server has given *rules*."""
    tmp_path.mkdir(exist_ok=True)
    outbox = Outbox.open(tmp_path / "outbox.db", clock=clock, max_bytes=2**26, max_age_seconds=1e7)
    row = outbox.destination(Destination(wire="ramen", endpoint="https://r.example.org"))
    for number, each in enumerate(rules):
        request = Request(path="/x", body=b"x", content_type="text/plain", idempotency_key=str(number))
        outbox.intake([(row, request)], offsets={}, now_ns=clock.now_ns())
        (leased,) = outbox.lease(row, now_ns=clock.now_ns(), ttl_seconds=60)
        outbox.settle(leased, verdict=Verdict(action=Action.DROP, rule=each), now_ns=clock.now_ns())
    return outbox


@rule(without(kept_rules, "MOST_RULES", 10**6))
def test_a_million_rules_are_256_on_disk(tmp_path: Path) -> None:
    """Each answer may bring another one."""
    rules = [DropRule(labels={"n": str(number)}, seconds=3600) for number in range(300)]
    outbox = outbox_with(tmp_path, rules, FakeClock())
    try:
        assert len(outbox.rules()) <= 256
    finally:
        outbox.close()


@rule(without(courier_rules, "MOST_RULES", 10**6))
def test_a_million_rules_are_256_in_memory() -> None:
    """A lane holds no more than the outbox does."""
    rules = Rules()
    for number in range(300):
        rules.add(DropRule(labels={"n": str(number)}, seconds=3600), 0.0)
    held = [number for number in range(300) if rules.against({"n": str(number)}, 0.0)]
    assert len(held) <= 256


@rule(
    without(kept_rules, "CAP_NS", 2**61),
    without(courier_rules, "MAX_RULE_SECONDS", 1e12),
)
def test_no_rule_outlives_a_day(tmp_path: Path) -> None:
    """On disk and in memory, whatever a wire says."""
    clock, forever = FakeClock(), DropRule(labels={"a": "b"}, seconds=1e8)
    outbox, rules = outbox_with(tmp_path, [forever], clock), Rules()
    try:
        assert rules.add(forever, 0.0)
        clock.advance(86401)
        assert outbox.rules() == []
        assert rules.against({"a": "b"}, 86401.0) is None
    finally:
        outbox.close()


def obeying(self: Any, verdict: Verdict, now: float) -> Verdict:
    self.rules.add(verdict.rule, now)
    return verdict


@rule(without(lanes.Lane, "with_rule_obeyed", obeying))
def test_a_wire_without_rules_takes_none() -> None:
    """A server of another kind cannot order anything."""
    known: Any = SimpleNamespace(id=1, destination=None, failures=0, last_answer_ns=0)
    lane = lanes.Lane(known, random=lambda: 0.5)
    ordered = Verdict(action=Action.DROP, rule=DropRule(labels={"a": "b"}, seconds=60))
    assert lane.with_rule_obeyed(ordered, 0.0).rule is None
    assert not lane.rules
