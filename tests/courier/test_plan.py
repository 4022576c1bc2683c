"""What follows from an answer: the rules that hold for all wires."""

from __future__ import annotations

import pytest

from footfall.courier.plan import after_answer, after_silence, pieces, unjudged
from footfall.courier.route import TlsError
from footfall.errors import TransportError
from footfall.ledger import Reason
from footfall.wire.base import DELIVERED, RETRY, Action, Request, Response, Verdict


def follow(verdict, *, status=503, retry_after="", attempt=1, halts=0, chance=1.0):
    """What follows from an answer with that verdict."""
    headers = {"retry-after": retry_after} if retry_after else {}
    return after_answer(
        verdict,
        Response(status=status, headers=headers),
        attempt=attempt,
        halts=halts,
        now_ns=0,
        random=lambda: chance,
    )


def test_delivered_and_drop_need_no_wait():
    """They say that the server is well."""
    for verdict in (DELIVERED, Verdict(action=Action.DROP, reason=Reason.REFUSED)):
        steps = follow(verdict, status=200, retry_after="60")
        assert (steps.verdict, steps.sign, steps.pause_seconds) == (verdict, "answered", 0.0)


def test_retry_backs_off_that_request_alone():
    """Without a wish of the server nothing but this request waits (N11)."""
    steps = follow(RETRY, attempt=3)
    assert (steps.retry_seconds, steps.pause_seconds, steps.sign) == (4.0, 0.0, "unwilling")


@pytest.mark.parametrize(
    ("wire_says", "header", "least"),
    [(None, "30", 30), (60.0, "", 60), (60.0, "30", 60), (30.0, "60", 60), (None, "1000000000", 86400), (-5.0, "", 0)],
)
def test_a_wish_holds_the_whole_destination_back(wire_says, header, least):
    """The longer of what the wire knows and what the header says, at most a day, spread over 4 s at most (N5, P9)."""
    verdict = Verdict(action=Action.RETRY, wait_seconds=wire_says)
    early, late = (follow(verdict, retry_after=header, chance=chance) for chance in (0.0, 1.0))
    assert early.pause_seconds == least
    assert least <= late.pause_seconds <= least + 4
    if least:
        assert late.retry_seconds == late.pause_seconds


def test_limited_attempts_end_in_a_drop():
    """At `max_attempts` the reason decides; REFUSED where none is given."""
    verdict = Verdict(action=Action.RETRY, max_attempts=2, detail="why")
    assert follow(verdict, attempt=1).verdict.action is Action.RETRY
    dropped = follow(verdict, attempt=2).verdict
    assert (dropped.action, dropped.reason, dropped.detail) == (Action.DROP, Reason.REFUSED, "why")


def test_halts_grow_and_obey_a_longer_wish():
    """15 min doubling to 24 h, or `Retry-After` where that is longer (N6)."""
    verdict = Verdict(action=Action.HALT)
    assert [follow(verdict, status=401, halts=n).pause_seconds for n in (0, 1, 2, 9)] == [900, 1800, 3600, 86400]
    assert follow(verdict, status=403, retry_after="7200").pause_seconds == 7200


def test_silence():
    """In doubt: dropped only where a copy does harm. TLS: a halt."""
    cut, refused = TransportError("cut", in_doubt=True), TransportError("refused", in_doubt=False)

    def follow_silence(error, *, drop):
        return after_silence(error, attempt=2, halts=0, drop_in_doubt=drop, random=lambda: 1.0)

    assert follow_silence(cut, drop=True).verdict == Verdict(action=Action.DROP, reason=Reason.IN_DOUBT)
    for error, drop in ((cut, False), (refused, True), (refused, False)):
        steps = follow_silence(error, drop=drop)
        assert (steps.verdict.action, steps.retry_seconds) == (Action.RETRY, 2.0)
    tls = follow_silence(TlsError("no"), drop=True)
    assert (tls.verdict.action, tls.pause_seconds) == (Action.HALT, 900)


def test_quarantine():
    """Answers that the wire cannot judge are retried four times, then the request is given up (B3)."""
    assert [unjudged(attempt=n).action for n in (1, 4, 5, 6)] == [Action.RETRY, Action.RETRY, Action.DROP, Action.DROP]
    assert unjudged(attempt=5).reason is Reason.UNTRANSLATABLE


def part(key, size):
    """Return a request of that size under that key."""
    return Request(path="/", body=b"x" * size, content_type="t", idempotency_key=key)


def test_pieces_must_help():
    """Smaller, under new keys; else the wire would keep us busy for ever."""
    whole = part("a", 10)
    assert pieces(whole, [part("b", 5), part("c", 5)]) == [part("b", 5), part("c", 5)]
    assert pieces(whole, []) == []
    assert pieces(whole, [part("b", 10)]) == []
    assert pieces(whole, [part("a", 5)]) == []
    assert pieces(whole, [part("b", 5), part("b", 5)]) == []
