"""The sink as an insights server: every answer that was recorded from the real one."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from tests import vectors

from footfall.testing.sink import insights
from footfall.testing.sink.exchange import Asked

RECORDED = vectors.by_number("insights")[86]
SETUP = insights.Setup(
    most_bytes=RECORDED["setup"]["general_size_limit"],
    own_most_bytes=RECORDED["setup"]["own_limits"],
    services=frozenset(RECORDED["setup"]["known_services"]),
    denied=frozenset(RECORDED["setup"]["denied_org_ids"]),
    gateway=False,
)
STORING_FAILS = "staging-fails"
"""Nothing that a request can say: it is a fault, mode `status:500`."""

CASES = {case["name"]: case for case in RECORDED["cases"] if case["name"] != STORING_FAILS}


def multipart(parts: list[dict[str, Any]], fields: dict[str, str]) -> bytes:
    pieces = [f'--abc\r\nContent-Disposition: form-data; name="{k}"\r\n\r\n{v}\r\n'.encode() for k, v in fields.items()]
    for part in parts:
        content = (part["text"] or "z" * part["size"]).encode()
        head = (
            f'--abc\r\nContent-Disposition: form-data; name="{part["field_name"]}"; filename="{part["file_name"]}"\r\n'
        )
        kind = f"Content-Type: {part['content_type']}\r\n" if part["content_type"] else ""
        pieces.append(f"{head}{kind}\r\n".encode() + content + b"\r\n")
    return b"".join(pieces) + b"--abc--\r\n"


def asked_as(request: dict[str, Any]) -> Asked:
    headers = {"x-rh-insights-request-id": "req-1", **{k.lower(): v for k, v in request["headers"].items()}}
    identity = request.get("identity")
    if identity is not None:
        raw = isinstance(identity, str)
        headers["x-rh-identity"] = identity if raw else base64.b64encode(json.dumps(identity).encode()).decode()
    fields = request.get("form_fields", {})
    if request.get("parts"):
        headers["content-type"], body = "multipart/form-data; boundary=abc", multipart(request["parts"], fields)
    elif fields:
        headers["content-type"], body = "application/x-www-form-urlencoded", b"test=test"
    else:
        headers["content-type"], body = request["content_type"], (request["raw_body"] or "").encode()
    return Asked("POST", insights.UPLOAD_PATHS[0], headers, body)


@pytest.mark.parametrize("name", sorted(CASES))
def test_answers_as_recorded(name: str) -> None:
    """Status, type, body, echoed id; only the middle of a sentence about broken JSON is Go's own."""
    answer, recorded = insights.answer(asked_as(CASES[name]["request"]), SETUP), CASES[name]["answer"]
    headers = dict(answer.headers)
    assert answer.status == recorded["status"]
    assert headers.get("content-type") == recorded["content_type"]
    body, expected = answer.body.decode(), recorded["body"]
    if "valid JSON" in expected:
        assert expected.startswith(body.rstrip("\n"))
    elif "<RANDOM>" in expected:
        assert json.loads(body)["request_id"] == headers["x-rh-insights-request-id"]
    else:
        assert body == expected
    if "<RANDOM>" not in recorded["echoed_request_id"]:
        assert headers["x-rh-insights-request-id"] == recorded["echoed_request_id"]
    assert answer.accepted == (recorded["status"] in {201, 202})


def test_the_gateway_takes_basic_credentials() -> None:
    """Which the server alone refuses."""
    case = CASES["basic-auth-only"]["request"]
    assert insights.answer(asked_as(case), SETUP).status == 400
    assert insights.answer(asked_as(case)).status == 202


def test_other_methods_and_what_is_no_tarball() -> None:
    """Nothing is unpacked that cannot be."""
    assert insights.answer(Asked("GET", insights.UPLOAD_PATHS[0], {}, b"")).status == 405
    assert insights.members(b"zzz") is None
    (record,) = insights.answer(asked_as(CASES["accepted"]["request"]), SETUP).records
    assert (record["members"], record["size"], record["request_id"]) == (None, 10, "req-1")
