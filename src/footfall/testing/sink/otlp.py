"""How an OTLP/HTTP receiver answers, and what a payload holds in plain words (OTLP specification, "OTLP/HTTP").

Protobuf is loaded at the first OTLP request: a sink that only hears migas does not pay for it.
"""

from __future__ import annotations

import zlib
from dataclasses import replace
from importlib import import_module
from typing import Any, Final

from footfall.testing.sink.exchange import JSON, Answer, Asked

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
    from footfall.wire.otlp_messages import attributes, traces  # noqa: PLC0415  loaded at first use

    payload = traces(body, asked.content_type)
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
            "attributes": attributes(span.attributes),
            "events": [
                {"name": each.name, "time_ns": each.time_unix_nano, "attributes": attributes(each.attributes)}
                for each in span.events
            ],
            "scope": {"name": part.scope.name, "version": part.scope.version},
            "resource": attributes(whole.resource.attributes),
        }
        for whole in payload.resource_spans
        for part in whole.scope_spans
        for span in part.spans
    ]


def _logs(asked: Asked, body: bytes) -> list[dict[str, Any]]:
    from footfall.wire.otlp_messages import attributes, logs, plain  # noqa: PLC0415  loaded at first use

    payload = logs(body, asked.content_type)
    return [
        {
            "type": "log",
            "name": log.event_name,
            "trace_id": log.trace_id.hex(),
            "span_id": log.span_id.hex(),
            "time_ns": log.time_unix_nano,
            "observed_ns": log.observed_time_unix_nano,
            "severity": log.severity_number,
            "body": plain(log.body),
            "attributes": attributes(log.attributes),
            "scope": {"name": part.scope.name, "version": part.scope.version},
            "resource": attributes(whole.resource.attributes),
        }
        for whole in payload.resource_logs
        for part in whole.scope_logs
        for log in part.log_records
    ]


def _success(asked: Asked, rejected: int) -> Answer:
    what = "spans" if asked.path == TRACES_PATH else "log records"
    body = _messages().taken(
        asked.path == TRACES_PATH,
        asked.content_type,
        rejected=rejected,
        message=f"{rejected} {what} rejected on request" if rejected else "",
    )
    return Answer(200, (("content-type", _answered_in(asked)),), body)


def _refusal(asked: Asked, status: int, text: str, *headers: tuple[str, str]) -> Answer:
    body = _messages().refused(asked.content_type, text)
    return Answer(status, (("content-type", _answered_in(asked)), *headers), body)


def _answered_in(asked: Asked) -> str:
    return JSON if asked.content_type == JSON else PROTOBUF


def _messages() -> Any:
    """Return the module that reads and writes messages."""
    return import_module("footfall.wire.otlp_messages")
