"""What an OTLP receiver's answers mean."""

from __future__ import annotations

from typing import Any

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from footfall.ledger import Reason
from footfall.wire.base import Action, Response, Verdict
from footfall.wire.otlp import OtlpWire


def partial(**fields: Any) -> bytes:
    """The body of a partial success."""
    response = ExportTraceServiceResponse()
    response.partial_success.rejected_spans = fields.get("rejected", 0)
    response.partial_success.error_message = fields.get("message", "")
    return bytes(response.SerializeToString())


DELIVERED = Verdict(action=Action.DELIVERED)
REJECTED = Verdict(action=Action.DELIVERED, rejected=2, reason=Reason.REFUSED, detail="too old")
BAD = Verdict(action=Action.RETRY, detail="bad answer 200")


@pytest.mark.parametrize(
    ("body", "verdict"),
    [
        (b"", DELIVERED),
        (partial(), DELIVERED),
        (partial(rejected=2, message="too old"), REJECTED),
        (partial(message="slow down"), Verdict(action=Action.DELIVERED, detail="slow down")),
        (partial(rejected=-5), DELIVERED),
        (b"\x12\x03\x01\x02\x03", DELIVERED),  # a field of a later version
        (b"{}", DELIVERED),
        (b'{"partialSuccess":{}}', DELIVERED),
        (b'{"partialSuccess":{"rejectedSpans":"2","errorMessage":"too old"}}', REJECTED),
        (b'{"partialSuccess":{"rejectedLogRecords":2,"errorMessage":"too old"}}', REJECTED),
        (b'{"partialSuccess":{"rejectedSpans":"many"}}', BAD),
        (b'{"login":"please"}', BAD),
        (b"{", BAD),
        (b"<!DOCTYPE html><html>Please log in</html>", BAD),
        (b"OK", BAD),
        (b'"*' + b"w" * 42, BAD),  # text that passes for an unknown field of protobuf
    ],
)
def test_a_success_is_read_to_the_end(body: bytes, verdict: Verdict) -> None:
    """A 200 may say that a part was refused, in protobuf or JSON; a portal's page is no success."""
    assert OtlpWire().judge(Response(status=200, body=body)) == verdict


def test_both_signals_answer_in_one_form() -> None:
    """The answer for logs is read like that for traces."""
    response = ExportLogsServiceResponse()
    response.partial_success.rejected_log_records = 2
    response.partial_success.error_message = "too old"
    assert OtlpWire().judge(Response(status=200, body=response.SerializeToString())) == REJECTED


@pytest.mark.parametrize(
    ("statuses", "action"),
    [
        ((429, 502, 503, 504, 408, 425), Action.RETRY),
        ((413,), Action.SPLIT),
        ((301, 302, 307, 308, 401, 403, 407), Action.HALT),
        ((400, 404, 405, 415, 422, 500, 501, 505, 599), Action.DROP),
        ((100, 201, 202, 204, 299, 600), Action.RETRY),
    ],
)
def test_statuses(statuses: tuple[int, ...], action: Action) -> None:
    """Exactly the specification's list is sent again; other refusals are final; a strange 2xx is no yes (N4, N5)."""
    for status in statuses:
        assert OtlpWire().judge(Response(status=status)).action is action
