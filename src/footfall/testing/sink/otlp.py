"""How an OTLP/HTTP receiver answers, and what a payload holds in plain words (OTLP specification, "OTLP/HTTP").

Protobuf is loaded at the first OTLP request: a sink that only hears migas does not pay for it.
"""

from __future__ import annotations

import base64
import json
import zlib
from dataclasses import replace
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, cast

from footfall.testing.sink.exchange import JSON, Answer, Asked

if TYPE_CHECKING:
    from collections.abc import Iterable

    from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

TRACES_PATH: Final = "/v1/traces"
LOGS_PATH: Final = "/v1/logs"
PROTOBUF: Final = "application/x-protobuf"
MAX_UNPACKED_BYTES: Final = 64 * 1024 * 1024
_STATUS_CODES: Final = ("unset", "ok", "error")


def answer(asked: Asked, *, rejected: int = 0) -> Answer:
    """Answer a request to `TRACES_PATH` or `LOGS_PATH`; `Answer.records` are the spans or logs it carried.

    Args:
        asked: The request.
        rejected: How many of its records to reject, the first ones, as a partial success.
    """
    if asked.method != "POST":
        return _refusal(asked, 405, "only POST is understood", ("allow", "POST"))
    if asked.content_type not in {PROTOBUF, JSON}:
        return _refusal(asked, 415, f"content type {asked.content_type!r} is neither {PROTOBUF} nor {JSON}")
    encoding = asked.headers.get("content-encoding", "identity").lower()
    if encoding not in {"identity", "gzip"}:
        return _refusal(asked, 415, f"content encoding {encoding!r} is neither gzip nor identity")
    try:
        body = _unpack(asked.body) if encoding == "gzip" else asked.body
        records = _spans(asked, body) if asked.path == TRACES_PATH else _logs(asked, body)
    except ValueError as error:
        return _refusal(asked, 400, str(error))
    rejected = min(rejected, len(records))
    for record in records[:rejected]:
        record["refused"] = "partial success"
    return replace(_success(asked, rejected), records=records, accepted=rejected < len(records) or not records)


def too_many(asked: Asked, *headers: tuple[str, str]) -> Answer:
    """Answer beyond a rate limit."""
    return _refusal(asked, 429, "too many requests", *headers)


def _unpack(packed: bytes) -> bytes:
    unpacker = zlib.decompressobj(wbits=31)
    try:
        body = unpacker.decompress(packed, MAX_UNPACKED_BYTES)
    except zlib.error as error:
        msg = f"the body is not gzip: {error}"
        raise ValueError(msg) from error
    if unpacker.unconsumed_tail or not unpacker.eof:
        msg = "the gzip body is cut off, or unpacks to more than a sink takes"
        raise ValueError(msg)
    return body


def _spans(asked: Asked, body: bytes) -> list[dict[str, Any]]:
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (  # noqa: PLC0415  loaded at first use
        ExportTraceServiceRequest,
    )

    payload = ExportTraceServiceRequest()
    _parse(asked, body, payload)
    return [
        {
            "type": "span",
            "name": span.name,
            "trace_id": span.trace_id.hex(),
            "span_id": span.span_id.hex(),
            "parent_span_id": span.parent_span_id.hex(),
            "kind": span.kind,
            "start_ns": span.start_time_unix_nano,
            "end_ns": span.end_time_unix_nano,
            "status": _STATUS_CODES[span.status.code] if span.status.code < 3 else str(span.status.code),
            "status_message": span.status.message,
            "attributes": _attributes(span.attributes),
            "events": [
                {"name": each.name, "time_ns": each.time_unix_nano, "attributes": _attributes(each.attributes)}
                for each in span.events
            ],
            "scope": {"name": part.scope.name, "version": part.scope.version},
            "resource": _attributes(whole.resource.attributes),
        }
        for whole in payload.resource_spans
        for part in whole.scope_spans
        for span in part.spans
    ]


def _logs(asked: Asked, body: bytes) -> list[dict[str, Any]]:
    from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import (  # noqa: PLC0415  loaded at first use
        ExportLogsServiceRequest,
    )

    payload = ExportLogsServiceRequest()
    _parse(asked, body, payload)
    return [
        {
            "type": "log",
            "name": log.event_name,
            "trace_id": log.trace_id.hex(),
            "span_id": log.span_id.hex(),
            "time_ns": log.time_unix_nano,
            "observed_ns": log.observed_time_unix_nano,
            "severity": log.severity_number,
            "body": _plain(log.body),
            "attributes": _attributes(log.attributes),
            "scope": {"name": part.scope.name, "version": part.scope.version},
            "resource": _attributes(whole.resource.attributes),
        }
        for whole in payload.resource_logs
        for part in whole.scope_logs
        for log in part.log_records
    ]


def _parse(asked: Asked, body: bytes, into: Any) -> None:
    json_format = _module("google.protobuf.json_format")
    decode_error = _module("google.protobuf.message").DecodeError
    try:
        if asked.content_type == JSON:
            json_format.ParseDict(_bytes_for_protobuf(json.loads(body)), into, ignore_unknown_fields=True)
        else:
            into.ParseFromString(body)
    except (decode_error, json_format.ParseError, ValueError, RecursionError) as error:
        msg = f"the body is no {type(into).__name__} ({type(error).__name__})"
        raise ValueError(msg) from error


def _bytes_for_protobuf(value: Any) -> Any:
    """Return *value* with its ids in base64: OTLP/JSON writes them in hexadecimal, unlike protobuf's own JSON."""
    if isinstance(value, list):
        return [_bytes_for_protobuf(item) for item in cast("Iterable[Any]", value)]
    if not isinstance(value, dict):
        return value
    return {
        name: base64.b64encode(bytes.fromhex(item)).decode()
        if name in {"traceId", "spanId", "parentSpanId"} and isinstance(item, str)
        else _bytes_for_protobuf(item)
        for name, item in cast("dict[str, Any]", value).items()
    }


def _module(name: str) -> Any:
    """Import a module that has no type information."""
    return import_module(name)


def _attributes(pairs: Iterable[KeyValue]) -> dict[str, Any]:
    return {pair.key: _plain(pair.value) for pair in pairs}


def _plain(value: AnyValue) -> Any:
    kind = value.WhichOneof("value")
    if kind is None:
        return None
    if kind == "array_value":
        return [_plain(item) for item in value.array_value.values]
    if kind == "kvlist_value":
        return _attributes(value.kvlist_value.values)
    if kind == "bytes_value":
        return base64.b64encode(value.bytes_value).decode()
    return getattr(value, kind)


def _success(asked: Asked, rejected: int) -> Answer:
    from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import (  # noqa: PLC0415  loaded at first use
        ExportLogsServiceResponse,
    )
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (  # noqa: PLC0415
        ExportTraceServiceResponse,
    )

    message: ExportTraceServiceResponse | ExportLogsServiceResponse
    if asked.path == TRACES_PATH:
        message = ExportTraceServiceResponse()
        if rejected:
            message.partial_success.rejected_spans = rejected
            message.partial_success.error_message = f"{rejected} spans rejected on request"
    else:
        message = ExportLogsServiceResponse()
        if rejected:
            message.partial_success.rejected_log_records = rejected
            message.partial_success.error_message = f"{rejected} log records rejected on request"
    return _encode(asked, 200, message)


def _refusal(asked: Asked, status: int, text: str, *headers: tuple[str, str]) -> Answer:
    return _encode(asked, status, _module("google.rpc.status_pb2").Status(message=text), *headers)


def _encode(asked: Asked, status: int, message: Any, *headers: tuple[str, str]) -> Answer:
    """Return *message* in the encoding of the request, as the specification demands."""
    if asked.content_type == JSON:
        body, kind = _module("google.protobuf.json_format").MessageToJson(message, indent=None).encode(), JSON
    else:
        body, kind = message.SerializeToString(), PROTOBUF
    return Answer(status, (("content-type", kind), *headers), body)
