"""Every recorded exchange of the ACCESS-NRI client: what footfall sends in its place.

Where the original is right the request is the same, byte for byte. Where it is defective, what goes out instead is
stated here for that one exchange. What answers mean is in test_access_answers.py.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from accessrecorded import (
    CATALOG,
    OF_THE_LIBRARY,
    VECTORS,
    Call,
    call_of,
    endpoint_of,
    headers_of,
    recorded_request,
    sent,
    usage_of,
)

from footfall.courier.credentials import Secret
from footfall.courier.credentials import headers as credential_headers
from footfall.courier.transport import HttpTransport
from footfall.errors import ConfigurationError
from footfall.scrub import scrub
from footfall.testing import Sink
from footfall.wire.access import STANDARD, AccessWire
from footfall.wire.base import Request
from footfall.wire.destinations import Access

RIGHT = [name for name, vector in VECTORS.items() if not vector["defect"]]

SOURCE_TEXT = {"047-failure-record", "061-cell-syntax-error"}
"""Cells that do not parse are not sent at all: there is no record of source text."""

REFUSED = {"031-url-with-query"}
"""The endpoint is refused when it is named, instead of being glued into the middle of a path."""

SEARCH = "esm_datastore.search"

# Path and changed fields of each record that goes out instead; the rest is that of the call. A test that is named
# after the defect says more where this table cannot.
REPAIRS: dict[str, list[tuple[str, dict[str, Any]]]] = {
    # 5 000 characters pass; 8 KiB a text is the limit: test_a_longer_argument_is_cut
    "009-record-long-argument": [(CATALOG, {})],
    # what a capture lets through goes through the scrubber first, as here
    "010-record-secret-in-arguments": [
        (CATALOG, {"kwargs": {"token": "<redacted:key>", "password": "<redacted:key>"}})
    ],
    "011-record-int-keys": [(CATALOG, {})],
    # a value that JSON cannot hold is a text, or the name of its type; the record is not lost
    "012-record-datetime-argument": [(CATALOG, {"args": ["2024-01-01"]})],
    "013-record-path-argument": [(CATALOG, {"args": ["a/b"]})],
    "014-record-bytes-argument": [(CATALOG, {"args": ["<bytes>"]})],
    "053-decorator-object-argument": [(CATALOG, {"args": ["<object>"]})],
    # extra fields add up; a field to remove that is not there is no trouble
    "019-record-extra-fields-replaced-not-merged": [(CATALOG, {"a": 1, "b": 2})],
    "023-record-remove-missing-field": [(CATALOG, {})],
    "052-decorator-pop-missing-breaks-the-function": [(CATALOG, {})],
    # a new service needs no new release
    "027-record-unknown-service-staging": [("/api/payu/run/", {})],
    # the request was right; what became of it was not: kept, sent later, or judged in test_access_answers.py
    "033-answer-301": [(CATALOG, {})],
    "039-answer-500": [(CATALOG, {})],
    "040-answer-500-staging": [(CATALOG, {})],
    "042-connection-refused": [(CATALOG, {})],
    "043-answer-timeout": [(CATALOG, {})],
    "044-answer-timeout-default": [(CATALOG, {})],
    "055-running-loop-ends-at-once": [(CATALOG, {})],
    # one way to join a URL, whoever calls; the service's headers with it (051)
    "048-decorator-url-with-slash": [(CATALOG, {})],
    "049-decorator-url-without-slash": [(CATALOG, {})],
    "050-decorator-default-url-shape": [("/intake/catalog/", {})],
    "051-decorator-ignores-headers": [(CATALOG, {})],
    # cells: the values with which the functions were called, not their source text
    "056-cell-method-call": [(CATALOG, {"args": ["tas", 3, 1.5], "kwargs": {"variable": "x", "n": 2}})],
    "057-cell-expression-argument": [(CATALOG, {"args": ["a", 2, "b"]})],
    "058-cell-dict-argument": [(CATALOG, {"args": [{"a": "b", "n": 1}]})],
    "059-cell-subscript": [(CATALOG, {"args": ["tas"]})],
    "060-cell-chain": [(CATALOG, {"kwargs": {"a": "x"}}), (CATALOG, {"kwargs": {"b": "y"}})],
    "062-cell-magic-line": [(CATALOG, {"args": ["q"]})],
}

# What a cell calls, which the exchange has only as text.
CELLS: dict[str, list[Call]] = {
    "056-cell-method-call": [("intake_catalog", SEARCH, ["tas", 3, 1.5], {"variable": "x", "n": 2})],
    "057-cell-expression-argument": [("intake_catalog", SEARCH, ["a", 1 + 1, "b"], {})],
    "058-cell-dict-argument": [("intake_catalog", SEARCH, [{"a": "b", "n": 1}], {})],
    "059-cell-subscript": [("intake_catalog", "DfFileCatalog.__getitem__", ["tas"], {})],
    "060-cell-chain": [
        ("intake_catalog", "DfFileCatalog.search", [], {"a": "x"}),
        ("intake_catalog", "DfFileCatalog.search", [], {"b": "y"}),
    ],
    "062-cell-magic-line": [("intake_catalog", SEARCH, ["q"], {})],
}


def test_every_exchange_is_handled() -> None:
    """No recorded exchange is left out."""
    defects = {name for name, vector in VECTORS.items() if vector["defect"]}
    assert defects - REPAIRS.keys() - SOURCE_TEXT - REFUSED == set()
    assert len(RIGHT) >= 30


def translated(vector: dict[str, Any], *calls: Call) -> list[Request]:
    """Our requests in the place of the recorded ones."""
    wire = AccessWire(headers="" if calls else headers_of(vector)[0])
    return wire.translate([usage_of(vector, call) for call in calls or (None,)])


@pytest.mark.parametrize("name", RIGHT)
def test_a_request_is_the_same_byte_for_byte(name: str) -> None:
    """Method, path, headers, order of the fields and every byte of the body."""
    vector = VECTORS[name]
    (request,) = translated(vector)
    assert sent(vector, request) == recorded_request(vector["request"])
    assert list(json.loads(request.body)) == list(vector["request"]["body_json"])


@pytest.mark.parametrize("name", sorted(REPAIRS.keys() & VECTORS.keys()))
def test_a_defect_is_repaired(name: str) -> None:
    """The records that go out instead, whole; each has its slash at the end and all fields in their order."""
    vector = VECTORS[name]
    calls = CELLS.get(name, []) or [call_of(vector)]
    if name.startswith("010"):
        calls = [(service, function, scrub(args), scrub(kwargs)) for service, function, args, kwargs in calls]
    requests = translated(vector, *calls)
    assert len(requests) == len(REPAIRS[name])
    for request, call, (path, changes) in zip(requests, calls, REPAIRS[name], strict=True):
        _, function, args, kwargs = call
        session = vector["call"]["config"]["session_id"]
        whole = {"name": "alice", "function": function, "args": args, "kwargs": kwargs, "session_id": session}
        expected = json.dumps({**whole, **changes}, separators=(",", ":"), ensure_ascii=False)
        said = sent(vector, request) if name not in CELLS else {"path": "/api" + request.path}
        assert (said["path"], request.body.decode()) == (path, expected)


def test_headers_of_a_service_go_with_a_decorated_function_too() -> None:
    """051: one way for both."""
    vector = VECTORS["051-decorator-ignores-headers"]
    (request,) = translated(vector)
    assert sent(vector, request)["headers"] == {"Authorization": "Bearer <TOKEN>"}


def test_a_longer_argument_is_cut() -> None:
    """009: the original knows no limit; here one text has at most 8 KiB."""
    vector = VECTORS["009-record-long-argument"]
    (request,) = translated(vector, ("intake_catalog", SEARCH, ["E" * 100_000], {}))
    assert json.loads(request.body)["args"] == ["E" * 8192]


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_an_endpoint_with_a_query_is_refused(name: str) -> None:
    """031: when it is named, with words."""
    with pytest.raises(ConfigurationError, match="query"):
        Access(endpoint_of(VECTORS[name]))


def test_there_is_no_record_of_source_text() -> None:
    """047, 061: the recorded body is a cell's text under a key that no record of ours has."""
    for name in SOURCE_TEXT & VECTORS.keys():
        assert list(VECTORS[name]["request"]["body_json"]) == ["code", "session_id"]
    assert "code" not in STANDARD


def test_a_real_server_meets_the_same_requests(tmp_path: Path) -> None:
    """Over a socket, with the headers of the courier around them: what arrives is what was recorded."""
    transport = HttpTransport()
    with Sink(tmp_path) as sink:
        for name in RIGHT:
            vector = VECTORS[name]
            plain, secret = headers_of(vector)
            wire = AccessWire(headers=plain)
            (request,) = wire.translate([usage_of(vector)])
            answer = transport.send(
                request,
                base_url=wire.base_url(endpoint_of(vector, f"127.0.0.1:{sink.port}")),
                headers=credential_headers(Secret(secret)),
                timeout_seconds=10,
            )
            assert (name, answer.status) == (name, 201)
        received = sink.requests()
    transport.close()
    assert len(received) == len(RIGHT)
    for name, found in zip(RIGHT, received, strict=True):
        expected = VECTORS[name]["request"]
        assert (found.method, found.path, found.body) == ("POST", expected["path"], expected["body_text"])
        assert found.headers["content-type"] == expected["headers"]["Content-Type"]
        others = {header.lower() for header in expected["headers"]} - {header.lower() for header in OF_THE_LIBRARY}
        assert others <= found.headers.keys()
        assert found.records[0]["fields"] == expected["body_json"]
