"""What comes in is kept, delivered and counted; what is not taken is told with its number and the reason."""

from __future__ import annotations

import gzip
from typing import Any

import pytest

from footfall.status import read_status
from footfall.testing.sink import Sink
from footfall.usage import Kind
from footfall.wire import otlp_messages as messages
from footfall.wire.load import load
from footfall.wire.otlp import OtlpWire
from tests.gateway.gatewayhelp import JSON, PROTOBUF, Answer, Gateway, use
from tests.gateway.test_two_doors import as_json


def partial(answer: Answer, path: str = "/v1/traces") -> tuple[int, str]:
    """Return what a 200 says of rejected records."""
    assert answer.status == 200, answer
    from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

    if path == "/v1/traces":
        spans = ExportTraceServiceResponse.FromString(answer.body).partial_success
        return spans.rejected_spans, spans.error_message
    logs = ExportLogsServiceResponse.FromString(answer.body).partial_success
    return logs.rejected_log_records, logs.error_message


def test_what_is_acknowledged_is_delivered(gateway: Gateway, sink: Sink) -> None:
    """Spans and events arrive at the server, in its own format, with the keys that a direct way gives them."""
    told = [use(1), use(2, kind=Kind.EVENT, name="step", outcome=None, duration_ns=0, message="half")]
    assert [
        partial(answer, path) for answer, path in zip(gateway.tell(*told), ("/v1/traces", "/v1/logs"), strict=True)
    ] == [
        (0, ""),
        (0, ""),
    ]
    received = sink.wait_for(lambda requests: len(requests) >= 2)
    direct = load("migas", {}).translate(told)
    assert sorted((each.path, each.body) for each in received) == sorted((r.path, r.body.decode()) for r in direct)
    assert {each.key for each in received} == {each.idempotency_key for each in direct}
    assert gateway.stop() == 0
    status = read_status_of(gateway)
    (account,) = (each for each in status.ledger.accounts if each.destination.startswith("migas"))
    assert (account.accepted, account.delivered, account.pending, account.lost) == (2, 2, 0, 0)
    assert status.observed == {"demo/lib": 2}


def read_status_of(gateway: Gateway) -> Any:
    from footfall.places import find

    places = find(str(gateway.state), {})
    assert places is not None
    status = read_status(places)
    assert status is not None
    return status


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("content_type", [PROTOBUF, JSON, "application/json; charset=utf-8"])
def test_both_encodings_packed_or_not(gateway: Gateway, sink: Sink, content_type: str, packed: bool) -> None:
    """Protobuf and JSON, plain and gzip, say the same; the answer is in the encoding of the request."""
    (request,) = OtlpWire(compression="none").translate([use(1)])
    body = as_json(request.path, request.body) if JSON in content_type else request.body
    headers = {"content-encoding": "gzip"} if packed else {}
    answer = gateway.post(
        request.path, gzip.compress(body) if packed else body, content_type=content_type, headers=headers
    )
    assert (answer.status, answer.headers["content-type"]) == (200, JSON if JSON in content_type else PROTOBUF)
    assert answer.body == (b"{}" if JSON in content_type else b"")
    (received,) = sink.wait_for(bool)
    (direct,) = load("migas", {}).translate([use(1)])
    assert (received.body, received.key) == (direct.body.decode(), direct.idempotency_key)


def test_what_is_not_taken_is_told_with_its_reason(gateway: Gateway, sink: Sink) -> None:
    """Unknown projects, counts that migas has no word for, foreign spans: number and reason, and no value."""
    (answer,) = gateway.tell(use(1), use(2, project="other/secret-name"), use(3, project="other/secret-name"))
    assert partial(answer) == (2, "2 of a project that this gateway does not know")
    count = use(4, kind=Kind.COUNT, count=5, outcome=None, duration_ns=0)
    start = use(5, kind=Kind.START, outcome=None, duration_ns=0)
    (answer,) = gateway.tell(count, start)
    assert partial(answer, "/v1/logs") == (1, "1 not sayable in the formats of its destinations")
    foreign = messages.traces(OtlpWire(compression="none").translate([use(6)])[0].body, PROTOBUF)
    foreign.resource_spans[0].scope_spans[0].scope.name = "opentelemetry.instrumentation.flask"
    answer = gateway.post("/v1/traces", foreign.SerializeToString())
    assert partial(answer) == (1, "1 not made by footfall, and no rule takes it")
    figures = gateway.figures()
    assert {
        key: value for key, value in figures.items() if "records_rejected" in key or "records_accepted_total{s" in key
    } == {
        'footfall_gateway_records_rejected_total{reason="unknown_project",signal="traces"}': 2,
        'footfall_gateway_records_rejected_total{reason="untranslatable",signal="logs"}': 1,
        'footfall_gateway_records_rejected_total{reason="not_footfall",signal="traces"}': 1,
        'footfall_gateway_records_accepted_total{signal="traces"}': 1,
        'footfall_gateway_records_accepted_total{signal="logs"}': 1,
    }
    assert len(sink.wait_for(lambda requests: len(requests) >= 2)) == 2


def test_figures_and_states(gateway: Gateway, sink: Sink) -> None:
    """Health, readiness and figures, for whoever runs it."""
    gateway.tell(*(use(number) for number in range(5)))
    sink.wait_for(lambda requests: len(requests) >= 5)
    assert (gateway.ask("/healthz").body, gateway.ask("/readyz").body) == (b"ok\n", b"ready\n")
    figures = gateway.figures()
    assert figures['footfall_gateway_requests_total{signal="traces",status="200"}'] == 1
    assert figures["footfall_gateway_ready"] == 1
    assert figures["footfall_gateway_queue_seconds_count"] == 1
    port = sink.port
    delivered = [
        value
        for key, value in figures.items()
        if key.startswith(f'footfall_records_accepted_total{{destination="migas:127.0.0.1:{port}')
    ]
    assert delivered == [5]
    assert not any(key.endswith("_created") for key in figures)
