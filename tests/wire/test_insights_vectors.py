"""The recorded uploads and answers of the insights client: what footfall says and understands in their place.

What a collector gathers, packs and remembers is compared in ``tests/facade/test_insights_vectors.py``. Here each
recorded upload is made anew by the wire from the recorded tarball, and each recorded answer is judged.
"""

from __future__ import annotations

import base64
import re
from typing import Any

import pytest
from tests import vectors

from footfall.courier.authentication import proof
from footfall.courier.credentials import Secret
from footfall.wire.base import Action, Response
from footfall.wire.insights import InsightsWire
from footfall.wire.insights_package import in_multipart

VECTORS = vectors.by_number("insights")
GATHERING = "tests/facade/test_insights_vectors.py"
SINK = "tests/testing/test_sink_insights.py"

ELSEWHERE: dict[int, str] = {
    **dict.fromkeys((1, 33, 45, 46, 47, 67, 69, 71, 78, 84, 85), GATHERING),
    86: SINK,
}
"""Where no upload is recorded in the vector."""

REDIRECTED = {(62, 1), (63, 1)}
"""Exchanges at which the original arrived by following a redirect, which footfall never does."""

JUDGED: dict[int, Action] = {
    51: Action.RETRY,  # 200 is no documented yes; the original took it for one
    53: Action.RETRY,  # nor is 204
    54: Action.HALT,
    55: Action.HALT,
    57: Action.SPLIT,
    58: Action.HALT,
    59: Action.RETRY,
    61: Action.RETRY,
    62: Action.HALT,
    63: Action.HALT,
}


def exchanges_of(vector: dict[str, Any]) -> list[dict[str, Any]]:
    return [each for each in vector.get("exchanges") or [vector] if each.get("request")]


def cases() -> list[Any]:
    return [
        pytest.param(exchange, id=f"{number}-{index}")
        for number, vector in VECTORS.items()
        for index, exchange in enumerate(exchanges_of(vector))
        if (number, index) not in REDIRECTED and (exchange["request"].get("body_decoded") or {}).get("parts")
    ]


def test_every_vector_is_compared_somewhere() -> None:
    """Those without an upload say where they are shown, and no others do."""
    uploads = {
        number
        for number, vector in VECTORS.items()
        if any((each["request"].get("body_decoded") or {}).get("parts") for each in exchanges_of(vector))
    }
    assert set(VECTORS) - uploads == set(ELSEWHERE)
    assert set(JUDGED) <= uploads


@pytest.mark.parametrize("exchange", cases())
def test_an_upload_has_the_recorded_form(exchange: dict[str, Any]) -> None:
    """The same method, path, part headers and bytes around the file; boundary and request id are made of the key."""
    request = exchange["request"]
    (part,) = request["body_decoded"]["parts"]
    key = "0123456789abcdef" * 2
    ours = InsightsWire().request_for(part["file_name"], part["content_type"], key)
    url = InsightsWire().base_url(f"https://host.example{request['path']}") + ours.path
    assert (ours.method, url) == (request["method"], f"https://host.example{request['path']}")
    assert ours.content_type == request["headers"]["Content-Type"].replace("<BOUNDARY>", key)
    assert ours.attachment is not None
    head, tail = ours.body[: ours.attachment.at], ours.body[ours.attachment.at :]
    assert head.decode().split("\r\n")[1:3] == part["headers"]
    if request.get("body_base64"):
        recorded = base64.b64decode(request["body_base64"])
        boundary = recorded.partition(b"\r\n")[0][2:]
        content = in_multipart(recorded)
        assert head.replace(key.encode(), boundary) + content + tail.replace(key.encode(), boundary) == recorded


@pytest.mark.parametrize("number", sorted(JUDGED))
def test_what_the_recorded_answers_mean(number: int) -> None:
    """The original took all below 300 for a yes, and gave up at all others."""
    given = exchanges_of(VECTORS[number])[0]["response_given"]
    response = Response(status=given["status"], body=str(given.get("body", "")).encode())
    assert InsightsWire().judge(response).action is JUDGED[number]


def test_the_usual_answer_is_a_yes() -> None:
    """Every other recorded answer with a status is 202, and delivers."""
    for number, vector in VECTORS.items():
        for exchange in exchanges_of(vector):
            given = exchange.get("response_given") or {}
            if number not in {*JUDGED, 65, 66} and given.get("status") == 202 and given.get("body"):
                response = Response(status=202, body=str(given["body"]).encode())
                assert InsightsWire().judge(response).action is Action.DELIVERED, number


@pytest.mark.parametrize("number", [39, 40])
def test_credentials_become_the_recorded_headers(number: int) -> None:
    """Basic authentication and the identity header, from what a user writes down."""
    request = exchanges_of(VECTORS[number])[0]["request"]
    if number == 39:
        wire, text = InsightsWire(auth="user-pass"), request["authorization_decoded"]["value"]
        name = "Authorization"
    else:
        wire, text = InsightsWire(auth="identity"), base64.b64decode(request["headers"]["x-rh-identity"]).decode()
        name = "x-rh-identity"
    assert dict(proof(wire, Secret(text + "\n"))) == {name: request["headers"][name]}


def test_no_recorded_boundary_is_chance_of_ours() -> None:
    """The same records give the same body: the boundary is the key, which no text of a member can be."""
    (first,) = {InsightsWire().request_for("a.tar.gz", "application/gzip", "a" * 32).body for _ in range(3)}
    assert re.match(rb"--a{32}\r\n", first)
