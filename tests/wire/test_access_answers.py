"""What each recorded answer to a call record means, written down apart from the wire's own table."""

from __future__ import annotations

import json

import pytest
from accessrecorded import VECTORS, responses_of
from hypothesis import given
from hypothesis import strategies as st

from footfall.ledger import Reason
from footfall.wire.access import AccessWire
from footfall.wire.access_answers import keys
from footfall.wire.base import Action, Response, Verdict

# access.md section 4, where reliability.md does not say otherwise. Whatever is not named here was delivered.
EXPECTED: dict[str, tuple[Action, str]] = {
    "033-answer-301": (Action.HALT, "301"),
    "034-answer-400": (Action.DROP, "400 about kwargs"),
    "035-answer-401": (Action.HALT, "401 Authentication credentials were not provided."),
    "036-answer-404": (Action.DROP, "404 Not found."),
    "037-answer-413": (Action.SPLIT, "413"),
    "038-answer-422": (Action.DROP, "422"),
    "039-answer-500": (Action.RETRY, "500"),
    "040-answer-500-staging": (Action.RETRY, "500"),
}
ANSWERED = [name for name, vector in VECTORS.items() if responses_of(vector)]

JSON = {"content-type": "application/json"}
HTML = {"content-type": "text/html; charset=utf-8"}
PAGE = b"<!doctype html><html><body>Welcome! Please sign in."


def judged(status: int, body: bytes = b"", **headers: str) -> Verdict:
    return AccessWire().judge(Response(status=status, headers=headers, body=body))


@pytest.mark.parametrize("name", ANSWERED)
def test_each_recorded_answer_means_what_the_table_says(name: str) -> None:
    """Delivered, tried again, shortened, dropped or halted; each with what the courier has to know."""
    for response in responses_of(VECTORS[name]):
        verdict = AccessWire().judge(response)
        action, detail = EXPECTED.get(name, (Action.DELIVERED, str(response.status)))
        assert (verdict.action, verdict.detail) == (action, detail)
        assert (verdict.reason is Reason.REFUSED) == (action is Action.DROP)
        assert (verdict.wait_seconds, verdict.max_attempts, verdict.rejected) == (None, 0, 0)


def test_no_answer_at_all_is_tried_again() -> None:
    """042 to 044: refused or silent, the record is kept; the wire says so for the doubtful case."""
    unanswered = {name for name, vector in VECTORS.items() if "status" not in (vector["response_given"] or {})}
    assert {"042-connection-refused", "043-answer-timeout", "044-answer-timeout-default"} <= unanswered
    assert AccessWire().in_doubt == "retry"


@pytest.mark.parametrize(
    ("statuses", "action"),
    [
        ((200, 201, 202, 204), Action.DELIVERED),
        ((203, 205, 206, 207, 226), Action.RETRY),
        ((300, 301, 302, 303, 304, 307, 308), Action.HALT),
        ((401, 403, 407), Action.HALT),
        ((408, 425, 429), Action.RETRY),
        ((500, 501, 502, 503, 504, 511, 599), Action.RETRY),
        ((400, 402, 404, 405, 406, 409, 410, 415, 422, 431, 451), Action.DROP),
        ((413,), Action.SPLIT),
        ((0, 100, 103, 600, 999), Action.RETRY),
    ],
)
def test_the_status_is_the_answer(statuses: tuple[int, ...], action: Action) -> None:
    """Whatever the body, as long as it is no page: empty, broken, or an error in words (041)."""
    for status in statuses:
        for body in (b"", b'{"id": 1', b'{"error":"no"}', b"\xff\x00", b"[]", b"null"):
            verdict = AccessWire().judge(Response(status=status, headers=JSON, body=body))
            assert verdict.action is action
            assert verdict.reason is (Reason.REFUSED if action is Action.DROP else None)
            assert str(status) in verdict.detail


@pytest.mark.parametrize("status", [200, 201, 202, 204])
@pytest.mark.parametrize(
    ("headers", "body"),
    [(HTML, PAGE), (HTML, b""), ({}, PAGE), (JSON, b"\xef\xbb\xbf \n<html>"), ({"content-type": "TEXT/HTML"}, b"{}")],
)
def test_a_page_is_no_yes(status: int, headers: dict[str, str], body: bytes) -> None:
    """A captive portal, by its content type or by its body: not delivered, tried again (reliability.md N4)."""
    verdict = AccessWire().judge(Response(status=status, headers=headers, body=body))
    assert (verdict.action, verdict.detail) == (Action.RETRY, f"bad answer {status}: a page, not the service")


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({"kwargs": ["This field is required."], "name": ["Not a valid string."]}, ["kwargs", "name"]),
        ({"non_field_errors": ["Invalid data. Expected a dictionary."]}, ["non_field_errors"]),
        ([{"args": ["no"]}, {}, {"args": ["no"], "fs": ["no"]}], ["args", "fs"]),
        ({"detail": "JSON parse error - 'hunter2' line 1"}, []),
        ({"detail": [{"loc": ["body", "name"], "input": "hunter2"}, {"loc": ["body", "args", 0]}]}, ["name", "args"]),
        ({"hunter 2": ["no"], "ok": "hunter2", "x": []}, []),
        ({"a" * 65: ["no"], "a\x1b[31m": ["no"], "é": ["no"]}, []),
        ("hunter2", []),
        (None, []),
        ({f"f{number}": ["no"] for number in range(99)}, [f"f{number}" for number in range(20)]),
    ],
)
@pytest.mark.parametrize("status", [400, 422])
def test_a_refusal_names_fields_and_repeats_no_value(status: int, body: object, named: list[str]) -> None:
    """`footfall doctor` shows which fields, from the places where frameworks put them."""
    content = json.dumps(body).encode()
    assert keys(content) == named
    verdict = judged(status, content)
    assert verdict.detail == (f"{status} about {', '.join(named)}" if named else str(status))[:200]
    assert "hunter" not in verdict.detail


def test_what_else_a_service_says_is_scrubbed_and_short() -> None:
    """A detail may echo a header; what looks like a secret does not stay in it."""
    echo = b'{"detail":"Invalid token: Bearer abcdefgh12345678 of alice@example.org"}'
    assert "abcdefgh" not in judged(401, echo).detail
    assert "alice@" not in judged(401, echo).detail
    assert judged(403, b'{"detail":"' + b"x" * 5000 + b'"}').detail == ("403 " + "x" * 5000)[:200]
    assert judged(403, b'{"detail":["x"]}').detail == "403"


@given(st.binary(max_size=60) | st.sampled_from([b"[" * 100_000, b'{"a":' * 100_000]), st.sampled_from([400, 403, 422]))
def test_no_body_makes_it_raise(body: bytes, status: int) -> None:
    """Broken, deep, or no JSON at all."""
    assert judged(status, body).detail.startswith(str(status))
