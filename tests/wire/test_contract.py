"""What every installed wire keeps, in its default form: pure, deterministic, and never surprised by an answer."""

from __future__ import annotations

import re
from typing import Any

import msgspec
import pytest
import recorded
from hypothesis import given, settings
from hypothesis import strategies as st

from footfall.ledger import Reason
from footfall.usage import Kind, Outcome
from footfall.wire.base import Action, Request, Response
from footfall.wire.load import installed, sample

BATCH = [
    recorded.usage_in(
        {"user_id": "5d1a3f2e-9b4c-3e21-8a77-0c2f5e6d7a81"},
        service="intake_catalog",
        kind=kind,
        name=name,
        outcome=outcome,
        trace_id=f"{number:032x}",
        span_id=f"{number:016x}",
        arguments={"names": ["tas", 3], "query": {"variable": "tas"}, "n": 2},
        parameters=("*names", "**query"),
        extra={"fs": "lustre", "migas.error_desc": "long " * 900},
    )
    for number, (kind, name, outcome) in enumerate(
        [
            (Kind.START, "nipreps/fmriprep", None),
            (Kind.END, "nipreps/fmriprep", Outcome.OK),
            (Kind.END, "pkg.module:function", Outcome.ERROR),
            (Kind.END, "pkg.module:function", Outcome.KILLED),
            (Kind.EVENT, "step", None),
            (Kind.COUNT, "pkg.module:function", None),
        ],
        start=1,
    )
]

every_wire = pytest.mark.parametrize("wire", [sample(name) for name in installed()], ids=installed())


@every_wire
def test_members(wire: Any) -> None:
    """Name as in the entry point, a known policy, a sensible batch, a base URL without final slash."""
    assert wire.name in installed()
    assert wire.in_doubt in {"retry", "drop"}
    assert 1 <= wire.batch_records <= 10_000
    assert wire.base_url("https://example.org/a//") == "https://example.org/a"


@every_wire
def test_translation_is_deterministic(wire: Any) -> None:
    """The same batch gives the same bytes; another instance too; and no record is told twice."""
    requests = wire.translate(BATCH)
    assert wire.translate(list(BATCH)) == requests
    assert sample(wire.name).translate([msgspec.structs.replace(usage) for usage in BATCH]) == requests
    assert 0 < sum(request.records for request in requests) <= len(BATCH)
    assert wire.translate([]) == []


@every_wire
def test_requests_are_valid_and_hold_no_credential(wire: Any) -> None:
    """Every field of a request is what the courier relies on."""
    requests = wire.translate(BATCH)
    for request in [*requests, *(part for whole in requests for part in wire.split(whole))]:
        check_request(request)
    keys = [request.idempotency_key for request in requests]
    assert len(set(keys)) == len(keys)


def check_request(request: Request) -> None:
    """Assert what holds for every request of every wire."""
    assert re.fullmatch(r"/[\x21-\x7e]*", request.path)
    assert re.fullmatch(r"[0-9a-f]{32}", request.idempotency_key)
    assert request.body
    assert request.records >= 1
    for name, value in (*request.headers, ("content-type", request.content_type)):
        assert not re.search(r"[\r\n\x00]", name + value)
        assert not re.search(r"auth|cookie|token|key", name, re.IGNORECASE)
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(request), type=Request) == request


@every_wire
def test_splitting_keeps_every_record_and_ends(wire: Any) -> None:
    """Parts are smaller, have keys of their own, hold all records together, and cannot be split for ever."""
    for whole in wire.translate(BATCH):
        waiting, steps = [whole], 0
        while waiting:
            steps += 1
            assert steps < 200
            request = waiting.pop()
            parts = wire.split(request)
            assert wire.split(request) == parts
            if parts:
                assert sum(part.records for part in parts) == request.records
                assert request.idempotency_key not in {part.idempotency_key for part in parts}
            waiting.extend(parts)


@every_wire
@settings(max_examples=150, deadline=None)
@given(
    status=st.sampled_from([200, 202, 204, 302, 400, 401, 413, 429, 500, 503]) | st.integers(-1, 1000),
    headers=st.dictionaries(st.sampled_from(["content-type", "x-backend-server", "retry-after"]), st.text()),
    body=st.binary()
    | st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda children: (
            st.lists(children)
            | st.dictionaries(
                st.sampled_from(
                    ["success", "data", "errors", "detail", "message", "path", "partialSuccess", "rejectedSpans"]
                ),
                children,
            )
        ),
        max_leaves=8,
    ).map(msgspec.json.encode),
)
def test_no_answer_surprises_it(wire: Any, status: int, headers: dict[str, str], body: bytes) -> None:
    """Any answer has a verdict that the courier can act on, always the same one."""
    response = Response(status=status, headers=headers, body=body)
    verdict = wire.judge(response)
    assert wire.judge(response) == verdict
    assert isinstance(verdict.action, Action)
    if verdict.action is Action.DROP or verdict.rejected or verdict.max_attempts:
        assert isinstance(verdict.reason, Reason)
    if verdict.action is Action.DELIVERED:
        assert 200 <= status < 300
    assert verdict.rejected >= 0
    assert verdict.wait_seconds is None or 0 < verdict.wait_seconds <= 86400
    assert len(verdict.detail) <= 200
