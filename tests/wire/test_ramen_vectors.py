"""Every recorded exchange of the ramen client: what footfall says and understands in its place.

Where the original is right, URL, headers and body are the same. Where it is defective (ramen.md section 11), the repair
is written here for that one exchange, so that the original's behaviour would fail.
"""

from __future__ import annotations

import hashlib
import re
from typing import Any

import pytest
import ramen_recorded as recorded
from ramen_recorded import VECTORS

from footfall.courier.rules import Rules
from footfall.ledger import Reason
from footfall.wire.base import Action, Response

FACADE = "facade of the queue: tests/facade"
SHOWN_ELSEWHERE = {
    61: "tests/courier/test_ramen_sink.py::test_it_comes_back_by_itself[refuse]",
    62: "tests/courier/test_ramen_sink.py::test_it_comes_back_by_itself[hang]",
    63: "tests/courier/test_ramen_sink.py::test_it_comes_back_by_itself[drip:0.2:body]",
    65: "tests/courier/test_ramen_sink.py::test_it_comes_back_by_itself[closemid]",
    75: FACADE,  # trimming: what is written down are queue lengths
    77: FACADE,  # the file of the original's queue
    78: FACADE,  # the configuration's own checks; what reaches the wire: test_ramen.py
}
"""No single request or answer shows them, or there is none; those with one are compared here as well."""

PROBES = {66, 67, 69, 70}
"""`test_connection`."""

PUSH_OF_EXCHANGE = {58: [0, 2], 71: [0, 1, 2, 2, 3], 73: [0, 0, 0]}
"""Where exchanges and pushes are not one to one: which push each exchange carries."""

REPAIRED_TARGETS: dict[int, list[str | None]] = {
    # The request id is one value of the query, whatever is in it.
    5: [
        "/ramen/v1/metrics/1099/imx.san_totals.v1/?version=3.0.0.1&reqid=a%20b%26x%3D1",
        "/ramen/v1/metrics/1099/imx.san_totals.v1/?version=3.0.0.1&reqid=p%23q",
        "/ramen/v1/metrics/1099/imx.san_totals.v1/?version=3.0.0.1&reqid=%D7%90%2F%2541%2Bz",
    ],
    9: [None],  # a name that ends in a line end is no name
}


def numbers(*, without: set[int] = frozenset()) -> list[Any]:  # type: ignore[assignment]
    """The vectors with pushes, as parameters."""
    chosen = [n for n in VECTORS if recorded.pushes_of(VECTORS[n]) and n not in without]
    return [pytest.param(number, id=VECTORS[number]["file"]) for number in chosen]


def our_requests(number: int) -> list[Any]:
    """Our request for each push, or None for one that is left out."""
    vector = VECTORS[number]
    exchanges = recorded.exchanges_of(vector)
    made: list[Any] = []
    for index, push in enumerate(recorded.pushes_of(vector)):
        text = exchanges[index]["request"].get("body_text") or "" if index < len(exchanges) else ""
        found = recorded.wire_of(vector).translate([recorded.usage_of(push, index, text=text)])
        made.append(found[0] if found else None)
    return made


def responses_of(number: int) -> list[Response]:
    """What came back with a status."""
    responses = (recorded.response_of(exchange) for exchange in recorded.exchanges_of(VECTORS[number]))
    return [response for response in responses if response is not None]


def test_every_vector_is_asked() -> None:
    """One that is added shows up here, and nothing is named that is not there."""
    asked = {n for n in VECTORS if recorded.pushes_of(VECTORS[n]) and (recorded.exchanges_of(VECTORS[n]) or n == 10)}
    assert asked | PROBES | SHOWN_ELSEWHERE.keys() == VECTORS.keys()
    answered = {n for n in VECTORS if recorded.exchanges_of(VECTORS[n])}
    assert answered - SHOWN_ELSEWHERE.keys() == ANSWERS.keys()
    assert REPAIRED_TARGETS.keys() | PUSH_OF_EXCHANGE.keys() <= VECTORS.keys()


@pytest.mark.parametrize("number", numbers(without={10, 61, 75, 77}))
def test_a_push_gives_the_recorded_request(number: int) -> None:
    """URL, headers and body; the request id is the caller's, or of the ids where the original counts rows (004)."""
    vector = VECTORS[number]
    requests, pushes = our_requests(number), recorded.pushes_of(vector)
    exchanges = recorded.exchanges_of(vector)
    places = PUSH_OF_EXCHANGE.get(number, list(range(len(exchanges))))
    assert len(places) == len(exchanges)
    for index, (place, exchange) in enumerate(zip(places, exchanges, strict=True)):
        theirs = exchange["request"]
        if theirs["path"] == "/other":  # where the original followed a redirection with its token
            continue
        ours = requests[place]
        if number in REPAIRED_TARGETS:
            assert (ours and ours.path) == REPAIRED_TARGETS[number][index]
            continue
        assert ours.method == theirs["method"] == "POST"
        assert target_with_own_reqid(ours.path) == expected_target(theirs, pushes[place])
        said = {"Content-Type": ours.content_type, **dict(ours.headers)}
        assert said == {name: theirs["headers"][name] for name in ("Content-Type", "Content-Encoding")}
        body = recorded.plain_body(ours)
        assert hashlib.sha256(body).hexdigest() == theirs["body_uncompressed_sha256"]
        assert body == (body if recorded.recorded_body(theirs) is None else recorded.recorded_body(theirs))
        assert ours.body[:1] == b"\x78"


def target_with_own_reqid(path: str) -> str:
    """Return our target with the ids of its request id named."""
    return re.sub(r"reqid=[0-9a-f]{32}-[0-9a-f]{16}$", "reqid=<IDS>", path)


def expected_target(theirs: dict[str, Any], push: dict[str, Any]) -> str:
    """Return the recorded target; a row number as request id becomes the ids."""
    target = f"{theirs['path']}?{theirs['query']}"
    given = push.get("reqid") not in {None, ""}
    return target if given else re.sub(r"reqid=[0-9]+$", "reqid=<IDS>", target)


def test_two_messages_never_share_a_url() -> None:
    """074, 003: where the original counts rows anew, a server takes the second message for the first."""
    for number in (3, 74):
        paths = [request.path for request in our_requests(number)]
        assert len(set(paths)) == len(paths) > 1


def test_words_that_are_no_names_are_left_out() -> None:
    """010: dots, nothing, 0, fractions, letters of other alphabets. They are counted, not sent.

    None says nothing in an extra field, so that the version is the usual one; that `push` asks for one is the facade's.
    """
    requests, pushes = our_requests(10), recorded.pushes_of(VECTORS[10])
    assert len(requests) == 6
    for request, push in zip(requests, pushes, strict=True):
        assert (request is None) == (push["data_version"] is not None)


@pytest.mark.parametrize("number", sorted(PROBES))
def test_the_probe_of_a_connection(number: int) -> None:
    """066 to 070: an unpacked ``{}`` under the usual headers."""
    vector = VECTORS[number]
    (exchange,) = recorded.exchanges_of(vector)
    theirs, ours = exchange["request"], recorded.wire_of(vector).probe("<UUID_HEX>")
    assert ours.path.replace("%3CUUID_HEX%3E", "<UUID_HEX>") == f"{theirs['path']}?{theirs['query']}"
    assert ours.body == recorded.recorded_body(theirs) == b"{}"
    assert {"Content-Type": ours.content_type, **dict(ours.headers)} == {
        name: theirs["headers"][name] for name in ("Content-Type", "Content-Encoding")
    }


YES: tuple[Action, Reason | None] = (Action.DELIVERED, None)
LATER: tuple[Action, Reason | None] = (Action.RETRY, None)
PAUSE: tuple[Action, Reason | None] = (Action.HALT, None)
NO: tuple[Action, Reason | None] = (Action.DROP, Reason.REFUSED)
RULE: tuple[Action, Reason | None] = (Action.DROP, Reason.RULE)

ANSWERS: dict[int, list[tuple[Action, Reason | None]]] = {
    **{n: [YES] for n in (1, 2, 6, 9, 11, 13, 14, 15, 17, 18, 19, 21, 23, 25, 26, 27, 66, 79)},
    **{n: [YES, YES] for n in (3, 74)},
    5: [YES] * 3,
    7: [YES] * 5,
    22: [YES] * 6,
    29: [LATER],  # 200: the original deletes the message
    30: [LATER],  # 204: the same
    31: [NO],
    33: [PAUSE],
    34: [NO],
    35: [NO],
    37: [NO],
    38: [NO],
    39: [LATER],
    41: [LATER],
    42: [LATER],
    43: [PAUSE],  # a JSONDecodeError ends the original's reader
    45: [LATER],  # a KeyError
    46: [LATER],  # a TypeError
    47: [YES, YES, YES],
    49: [RULE, YES],
    50: [RULE, YES],  # asked only once here: test_rules_hold_as_repaired
    51: [NO],  # the original blocks everything from here on
    53: [NO],  # a KeyError, again and again
    54: [NO],  # a DataError
    55: [NO],
    57: [NO],  # the original keeps the rule and raises at the next message
    58: [RULE, YES],
    59: [PAUSE, YES],  # a redirection, which the original follows with its token; the second answer is the stranger's
    67: [PAUSE],
    69: [RULE],
    70: [PAUSE],
    71: [YES, NO, LATER, YES, YES],
    73: [LATER, YES],  # in between there was no answer
}
"""What each answer means, written down apart from the wire's own table."""

RULES: dict[int, dict[str, str]] = {
    49: {
        "category": "metrics",
        "system_serial": "1099",
        "sender": "imx",
        "data_type": "san_totals",
        "data_version": "v1",
        "system_version": "3.0.0.1",
    },
    50: {"data_version": "1"},
    58: {"system_serial": "1099"},
    69: {"category": "metrics"},
}


@pytest.mark.parametrize("number", [pytest.param(n, id=VECTORS[n]["file"]) for n in ANSWERS])
def test_an_answer_is_judged_as_the_table_says(number: int) -> None:
    """Action, reason and rule of each recorded answer."""
    vector = VECTORS[number]
    verdicts = [recorded.wire_of(vector).judge(response) for response in responses_of(number)]
    assert [(verdict.action, verdict.reason) for verdict in verdicts] == ANSWERS[number]
    rules = [verdict.rule for verdict in verdicts if verdict.rule is not None]
    assert [dict(rule.labels) for rule in rules] == ([RULES[number]] if number in RULES else [])
    assert all(rule.seconds == vector["call"]["config"].get("blacklist_ttl", 3600) for rule in rules)


@pytest.mark.parametrize("number", [pytest.param(n, id=VECTORS[n]["file"]) for n in sorted(ANSWERS)])
def test_an_answer_cut_off_anywhere_is_never_a_yes(number: int) -> None:
    """065 and every other answer, cut where a connection may break."""
    vector = VECTORS[number]
    for whole in responses_of(number):
        for length in range(len(whole.body)):
            cut = Response(status=whole.status, headers=whole.headers, body=whole.body[:length])
            assert recorded.wire_of(vector).judge(cut).action is not Action.DELIVERED


SENT_UNDER_RULES = {
    49: [True, True, False],
    50: [True, False],  # the version is a number in the queue and text in the rule: the original sends the second
    51: [True, True],  # an empty rule is none: the original drops the second, and all that follow
    53: [True],
    54: [True],
    55: [True],
    57: [True, True],  # no time of the server is taken: the original raises at the second
    58: [True, False, True],  # 1.2 seconds in between, and a time to live of 2: a match does not prolong it
}


@pytest.mark.parametrize("number", sorted(SENT_UNDER_RULES))
def test_rules_hold_as_repaired(number: int) -> None:
    """Which of the pushes are sent, when each first answer that is left is given to the next that is sent."""
    vector = VECTORS[number]
    wire, rules = recorded.wire_of(vector), Rules()
    answers = responses_of(number)
    sent: list[bool] = []
    for index, request in enumerate(our_requests(number)):
        now = 1.2 * index
        if rules.against(wire.labels(request), now) is not None:
            sent.append(False)
            continue
        sent.append(True)
        verdict = wire.judge(answers.pop(0)) if answers else None
        if verdict is not None and verdict.rule is not None:
            assert rules.add(verdict.rule, now)
    assert sent == SENT_UNDER_RULES[number]
