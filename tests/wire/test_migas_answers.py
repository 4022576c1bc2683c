"""What each recorded answer of a migas server means, written down apart from the wire's own table."""

from __future__ import annotations

import pytest
import recorded
from recorded import VECTORS

from footfall.ledger import Reason
from footfall.wire.base import Action, Response, Verdict
from footfall.wire.migas import MigasWire

# migas.md section 3, exchange by exchange. Whatever is not named here was delivered.
EXPECTED: dict[Action, set[int]] = {
    Action.RETRY: {23, 24, 30, 31, 49, 78, 82, 93, 94, 96, 130, 132, 133, 134, 135, 171, 172},
    Action.DROP: {
        *(7, 8, 21, 22, 25, 27, 29, 48, 51, 52, 71, 80, 83, 86, 87, 90, 92),
        *(136, 137, 138, 139, 140, 141, 142, 144, 145, 146, 148, 151, 152),
        *(155, 156, 157, 158, 159, 160, 165, 166, 167, 168, 169, 170),
    },
    Action.HALT: {26, 32, 88, 89, 95, 147},
    Action.SPLIT: {16, 28, 79, 91, 150, 164},
}
ONCE_MORE = {30, 31, 78, 82, 93, 94, 130, 132, 133, 134, 135}
"""The application's own 500: its database refused the data, or is down."""

ANSWERED = [n for n, vector in VECTORS.items() if recorded.responses_of(vector)]


def judged(number: int, response: Response) -> Verdict:
    """The verdict of the wire that made the recorded request."""
    return MigasWire(dialect=recorded.dialect_of(VECTORS[number])).judge(response)


@pytest.mark.parametrize("number", [pytest.param(n, id=VECTORS[n]["name"]) for n in ANSWERED])
def test_each_answer_is_judged_as_the_table_says(number: int) -> None:
    """Delivered, tried again, shortened, dropped or halted; each with what the courier has to know."""
    expected = next((action for action, numbers in EXPECTED.items() if number in numbers), Action.DELIVERED)
    for response in recorded.responses_of(VECTORS[number]):
        verdict = judged(number, response)
        assert verdict.action is expected
        assert verdict.max_attempts == (2 if number in ONCE_MORE else 0)
        assert verdict.wait_seconds == (60.0 if response.status == 429 else None)
        assert (verdict.reason is Reason.REFUSED) == (expected is Action.DROP or number in ONCE_MORE)
        assert str(response.status) in verdict.detail


@pytest.mark.parametrize("number", [pytest.param(n, id=VECTORS[n]["name"]) for n in ANSWERED])
def test_an_answer_cut_off_anywhere_is_never_a_yes(number: int) -> None:
    """037, 100 and every other answer, cut where a connection may break: no crumb counts as delivered by a part."""
    for response in recorded.responses_of(VECTORS[number]):
        for length in range(len(response.body)):
            cut = Response(status=response.status, headers=response.headers, body=response.body[:length])
            assert judged(number, cut).action is not Action.DELIVERED


@pytest.mark.parametrize("number", [33, 34, 97, 98])
def test_missing_headers_change_nothing(number: int) -> None:
    """An answer without content type or without the server's own header is read like any other (D4)."""
    (response,) = recorded.responses_of(VECTORS[number])
    assert judged(number, Response(status=response.status, body=response.body)).action is Action.DELIVERED


@pytest.mark.parametrize(
    ("status", "body", "action"),
    [
        (200, b"<html>Please log in to the network</html>", Action.RETRY),
        (200, b"", Action.RETRY),
        (200, b'{"ok":true}', Action.RETRY),
        (200, b'{"success":"true"}', Action.RETRY),
        (200, b'{"success":false,"message":"no"}', Action.DROP),
        (201, b'{"success":true}', Action.RETRY),
        (204, b"", Action.RETRY),
        (301, b"", Action.HALT),
        (407, b"", Action.HALT),
        (408, b"", Action.RETRY),
        (409, b"", Action.DROP),
        (425, b"", Action.RETRY),
        (500, b"oops", Action.RETRY),
        (502, b'{"success":false}', Action.RETRY),
        (503, b"", Action.RETRY),
        (504, b"", Action.RETRY),
        (599, b"", Action.RETRY),
        (100, b"", Action.RETRY),
        (999, b"", Action.RETRY),
    ],
)
def test_answers_nobody_recorded(status: int, body: bytes, action: Action) -> None:
    """Pages from something in between are tried again, never taken for a yes and never for the server's no."""
    verdict = MigasWire().judge(Response(status=status, body=body))
    assert (verdict.action, verdict.max_attempts) == (action, 0)


def test_a_500_is_tried_once_more_only_when_the_application_says_it() -> None:
    """Its own header or its own body tells the application's 500 from a proxy's, which may pass."""
    wire = MigasWire()
    of_application = Response(status=500, headers={"x-backend-server": "migas@0.9"}, body=b"oops")
    assert wire.judge(of_application).max_attempts == 2
    assert wire.judge(Response(status=500, body=b'{"success":false}')).max_attempts == 2
    assert wire.judge(Response(status=500, body=b"oops")).max_attempts == 0


@pytest.mark.parametrize(
    ("body", "action"),
    [
        (b'{"data":{"a":{"success":true},"b":{"success":true}}}', Action.DELIVERED),
        (b'{"data":{"a":{"success":true},"b":{"success":false}}}', Action.DROP),
        (b'{"data":{"a":{"success":true},"b":null}}', Action.RETRY),
        (b'{"data":{}}', Action.RETRY),
        (b'{"data":[1]}', Action.RETRY),
        (b'{"success":true}', Action.RETRY),
        (b'{"data":{"add_breadcrumb":{"success":true}},"errors":[{"message":"x"}]}', Action.DROP),
        (b'{"errors":[{"message":"x","path":["add_breadcrumb"]}]}', Action.RETRY),
        (b'{"errors":["x"]}', Action.DROP),
        (b'{"errors":"x"}', Action.RETRY),
    ],
)
def test_graphql_bodies(body: bytes, action: Action) -> None:
    """Nearly every GraphQL answer is a 200, so the body alone decides."""
    assert MigasWire(dialect="graphql").judge(Response(status=200, body=body)).action is action


def test_a_quoted_answer_is_short_and_without_values() -> None:
    """What is kept for `footfall doctor` has at most 200 characters; of a 422 it has the place, not the value."""
    long = Response(status=400, body=b'{"detail":"' + b"x" * 5000 + b'"}')
    assert len(MigasWire().judge(long).detail) == 200
    (response,) = recorded.responses_of(VECTORS[71])
    detail = judged(71, response).detail
    assert "status" in detail
    assert "completed" not in detail
