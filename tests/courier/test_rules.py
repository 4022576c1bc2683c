"""Drop rules, obeyed: what a server does not want is not sent, for as long as it said, by any process (N9, S14)."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ramenhelp import Line

from footfall.courier.courier import Courier
from footfall.courier.rules import MOST_RULES, Rules
from footfall.destination import Destination
from footfall.ledger import Reason
from footfall.outbox.store import Outbox
from footfall.testing.clock import FakeClock
from footfall.testing.ledger import assert_ledger
from footfall.testing.sink import Sink
from footfall.testing.transport import ScriptedTransport
from footfall.wire.base import Action, DropRule, Request, Response, Verdict

HANG_GUARD_SECONDS = 20


@pytest.fixture(scope="module")
def sink(tmp_path_factory):
    """One server for all tests of this module."""
    with Sink(tmp_path_factory.mktemp("sink")) as it:
        yield it


def dropped(line):
    """What was dropped for which reason, with balanced books."""
    ledger = line.outbox.ledger()
    assert_ledger(ledger)
    return dict(ledger.accounts[0].dropped)


def test_a_rule_stops_what_waits_behind_it(sink, tmp_path):
    """One request brings it; the others of its kind are dropped unsent, the rest goes; it is listed with its count."""
    with Line(tmp_path, sink, sender="waiting") as line:
        sink.set_mode("droprule", where="/ramen/v1/metrics/7/waiting.type0")
        line.push(20, types=2)
        line.deliver_all()
        asked = [each.crumb["data_type"] for each in line.requests()]
        assert (asked.count("type0"), asked.count("type1")) == (1, 10)
        assert dropped(line) == {Reason.RULE: 10}
        assert line.outbox.ledger().accounts[0].delivered == 10
        (rule,) = line.outbox.rules()
        assert (dict(rule.labels), rule.dropped) == ({"category": "metrics", "data_type": "type0"}, 9)
    sink.set_mode("ok")


def test_a_rule_is_kept_over_restarts_and_ends_in_time(sink, tmp_path):
    """Another process of the user is bound by it as well; a match does not prolong it; afterwards all is sent."""
    clock = FakeClock()
    with Line(tmp_path, sink, sender="restart", clock=clock, options={"rule_ttl": 100}) as line:
        sink.set_mode('droprule:{"system_serial": 7}')
        line.push(1)
        line.deliver_all()
        sink.set_mode("ok")
        description = line.destination
    clock.advance(60)
    with Line(tmp_path, sink, sender="restart", clock=clock, options={"rule_ttl": 100}) as line:
        assert line.destination == description
        line.pushed = 1
        line.push(5)
        line.deliver_all()
        assert len(line.requests()) == 1
        assert dropped(line) == {Reason.RULE: 6}
        clock.advance(41)
        line.push(2)
        line.deliver_all()
        assert len(line.arrived()) == 2
        assert line.outbox.rules() == []


def test_a_rule_is_about_the_server_that_said_it(sink, tmp_path):
    """The same messages for another destination go on, although it is the same host."""
    with Line(tmp_path, sink, sender="mine") as line:
        other = line.outbox.destination(
            Destination(wire="ramen", endpoint=sink.url, options={"system_serial": 7, "sender": "other"})
        )
        sink.set_mode('droprule:{"category": "metrics"}')
        line.push(1)
        line.deliver_all()
        sink.set_mode("ok")
        line.push(3)
        line.push(3, destination=other)
        line.deliver_all()
        accounts = line.outbox.ledger().accounts
        assert [(each.delivered, dict(each.dropped)) for each in accounts] == [(0, {Reason.RULE: 4}), (3, {})]


REFUSED_RULES = [
    "{}",
    "null",
    "[]",
    '"metrics"',
    '{"category": null}',
    '{"reason": "quota"}',
    '{"category": "metrics", "reason": "quota"}',
    '{"category": ["metrics"]}',
    '{"system_serial": "7"}',
    '{"system_serial": true}',
    '{"category": "metrics", "last_seen": "2001-01-01T00:00:00Z"}',
    '{"category": "metrics", "added": "2001-01-01T00:00:00"}',
    '{"category": ""}',
]


@pytest.mark.parametrize("rule", REFUSED_RULES)
def test_what_is_no_rule_stops_nothing(sink, tmp_path, rule):
    """Empty, of an unknown field or a wrong type, or with a time of its own: this message is lost, no other."""
    with Line(tmp_path, sink, sender=f"norule-{REFUSED_RULES.index(rule)}") as line:
        sink.set_mode(f"droprule:{rule}")
        line.push(1)
        line.deliver_all()
        sink.set_mode("ok")
        line.push(4)
        line.deliver_all()
        assert len(line.arrived()) == 4
        assert dropped(line) == {Reason.REFUSED: 1}
        assert line.outbox.rules() == []


@pytest.mark.parametrize(("version", "rule"), [(1, '"1"'), ("01", '"1"'), (1, "1"), ("1e0", '"01"'), ("v01", '"v01"')])
def test_a_version_is_the_same_as_number_and_as_text(sink, tmp_path, version, rule):
    """050: the original compares the integer in its queue with the text in the rule, and goes on sending."""
    with Line(tmp_path, sink, sender=f"version-{version}-{len(rule)}") as line:
        sink.set_mode(f'droprule:{{"data_version": {rule}}}')
        line.push(1, data_version=version)
        line.deliver_all()
        sink.set_mode("ok")
        line.push(2, data_version=version)
        line.push(1, data_version="other")
        line.deliver_all()
        assert [each.crumb["data_version"] for each in line.arrived()] == ["other"]
        assert dropped(line) == {Reason.RULE: 3}


def test_rules_without_end_are_256(tmp_path):
    """A server that answers each request with another rule costs a bounded table, and its requests (S14)."""

    class Server:
        """Gives each request a rule of its own."""

        def __init__(self):
            self.count = 0

        def send(self, request, **_):
            """DROPPED."""
            self.count += 1
            rule = {"data_type": f"t{self.count}"}
            body = json.dumps({"code": "DROPPED", "details": "x", "rule": rule}).encode()
            return Response(status=202, body=body)

    sink, server = SimpleNamespace(url="http://127.0.0.1:9"), Server()
    with Line(tmp_path, sink, sender="many", transport=server) as line:
        line.push(MOST_RULES + 50)
        line.deliver_all()
        assert server.count == MOST_RULES + 50
        assert len(line.outbox.rules()) == MOST_RULES
        assert dropped(line) == {Reason.RULE: MOST_RULES + 50}


class PlainWire:
    """A wire without rules whose answers bring one all the same."""

    name, in_doubt, batch_records = "plain", "retry", 1
    asked = 0

    def base_url(self, endpoint):
        """As it is."""
        return endpoint

    def translate(self, batch):
        """By hand."""
        return []

    def split(self, request):
        """Never."""
        return []

    def judge(self, response):
        """A rule for everything of one kind."""
        rule = DropRule(labels={"kind": "k"}, seconds=60)
        return Verdict(action=Action.DROP, reason=Reason.RULE, rule=rule)


class RuledWire(PlainWire):
    """One that has them."""

    name = "ruled"

    def labels(self, request):
        """All are of that kind; one cannot be asked."""
        self.asked += 1
        if request.path == "/bad":
            raise RuntimeError(request.path)
        return {"kind": "k"}


def run(tmp_path, wire, paths):
    """Deliver a request for each of *paths*; return how many were sent, and the outbox's rules and drops."""
    clock = FakeClock()
    outbox = Outbox.open(tmp_path / "outbox.db", clock=clock, max_bytes=2**26, max_age_seconds=1e6)
    transport = ScriptedTransport([Response(status=200)] * len(paths))
    courier = Courier(outbox, transport=transport, clock=clock, wires=lambda destination: wire, max_senders=1)
    row = outbox.destination(Destination(wire=wire.name, endpoint="https://a.example.org"))
    requests = [
        (row, Request(path=path, body=b"x", content_type="text/plain", idempotency_key=str(number)))
        for number, path in enumerate(paths)
    ]
    outbox.intake(requests, offsets={}, now_ns=clock.now_ns())
    try:
        courier.deliver_once()
        assert_ledger(outbox.ledger())
        return len(transport.sent), len(outbox.rules()), dict(outbox.ledger().accounts[0].dropped)
    finally:
        assert courier.stop(HANG_GUARD_SECONDS)
        outbox.close()


def test_only_wires_with_rules_have_rules(tmp_path):
    """From any other wire a rule is not kept, and nothing is held back."""
    assert run(tmp_path, PlainWire(), ["/"] * 3) == (3, 0, {Reason.RULE: 3})


def test_a_wire_is_asked_only_once_there_is_a_rule(tmp_path):
    """The first request costs no question; the others are not sent."""
    wire = RuledWire()
    assert run(tmp_path, wire, ["/"] * 3) == (1, 1, {Reason.RULE: 3})
    assert wire.asked == 2


def test_a_wire_that_fails_on_the_question_holds_nothing_up(tmp_path, hidden_errors):
    """Its request is sent: better one too many than one that nobody ordered dropped."""
    assert run(tmp_path, RuledWire(), ["/", "/bad", "/"])[0] == 2
    assert [doing for doing, _ in hidden_errors] == ["drop rules"]


@settings(max_examples=200, deadline=None)
@given(
    steps=st.lists(
        st.tuples(
            st.dictionaries(st.sampled_from("abc"), st.sampled_from("xy"), max_size=2),
            st.floats(0, 200000),
            st.floats(0, 50000),
        ),
        max_size=12,
    ),
    labels=st.dictionaries(st.sampled_from("abc"), st.sampled_from("xy")),
)
def test_rules_of_a_lane_are_what_they_say(steps, labels):
    """A request is held back exactly when some rule in force has no label that it lacks."""
    rules, now = Rules(), 0.0
    ends: dict[frozenset[tuple[str, str]], float] = {}
    for wanted, seconds, pause in steps:
        assert rules.add(DropRule(labels=wanted, seconds=seconds), now) == bool(wanted)
        if wanted:
            ends[frozenset(wanted.items())] = now + min(seconds, 86400.0)
        now += pause
    held = any(wanted <= set(labels.items()) for wanted, end in ends.items() if now < end)
    assert (rules.against(labels, now) is not None) == held
