"""OTLP/HTTP as a receiver sees it: bodies into messages, values into plain ones, and the answers (OTLP specification).

The counterpart of `otlp_records`, for everything of ours that receives: the gateway, and the sink that tests send to.
Messages are the generated classes of OpenTelemetry's protocol, whose parser is in C and stops at 100 levels by itself.

An empty span takes two bytes in a body and more than a hundred in memory, an empty JSON object three and sixty. So
`records` reads a body piece by piece, each span only when it is its turn, and counts before it reads (reliability.md
G2).
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Iterator
from itertools import accumulate
from typing import TYPE_CHECKING, Any, Final, TypeAlias, cast

from google.protobuf import json_format  # type: ignore[import-untyped]  # protobuf ships no types
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest, ExportLogsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import InstrumentationScope
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import Span

if TYPE_CHECKING:
    from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

PROTOBUF: Final = "application/x-protobuf"
JSON: Final = "application/json"

MAX_DEPTH: Final = 64
"""Levels of brackets in a JSON body (reliability.md G2)."""

# Also one that never ends: a search that fails there would begin again at each quote behind it.
_TEXTS: Final = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*(?:"|\\?\Z)', re.DOTALL)
_NOT_BRACKETS: Final = bytes(set(range(256)) - set(b"{}[]"))
_NOT_PARTS: Final = bytes(set(range(256)) - set(b"{}[],"))
_STEPS: Final = [1 if code in b"{[" else -1 for code in range(256)]
_PIECE: Final = 4096

MAX_RECORDS: Final = 65_536
"""Spans or log records in one body, and groups of them. Senders make batches of some thousands at the most."""

MAX_JSON_PARTS: Final = 262_144
"""Brackets and commas of a JSON body, and texts of it. Each stands for an object of Python, of up to 232 bytes."""

MAX_RECORD_BYTES: Final = 2**20
"""Of one span, log record or resource. What it holds may take fifty times that in memory."""
_IDS: Final = frozenset({"traceId", "spanId", "parentSpanId"})


def traces(body: bytes, content_type: str) -> ExportTraceServiceRequest:
    """Return the spans in *body*.

    Args:
        body: Unpacked.
        content_type: `PROTOBUF` or `JSON`.

    Raises:
        ValueError: It is no such message. The text quotes nothing of it.
    """
    message = ExportTraceServiceRequest()
    _parse(body, content_type, message)
    return message


def logs(body: bytes, content_type: str) -> ExportLogsServiceRequest:
    """Return the log records in *body*; else as `traces`."""
    message = ExportLogsServiceRequest()
    _parse(body, content_type, message)
    return message


class TooManyError(ValueError):
    """A body holds more than is read at once."""


Record: TypeAlias = "tuple[Resource, str, Any]"
"""Resource (the same object for all of a group), name of the instrumentation scope, and span or log record; None in
place of one that is larger than `MAX_RECORD_BYTES`."""


def records(body: bytes, content_type: str, *, is_traces: bool) -> Iterator[Record]:
    """Yield what *body* holds, in its order.

    Args:
        body: Unpacked.
        content_type: `PROTOBUF` or `JSON`.
        is_traces: Whether it holds spans; else log records.

    Raises:
        TooManyError: It holds too many.
        ValueError: It is no such message; some may have been yielded by then. The text quotes nothing of it.
    """
    if content_type == JSON:
        whole = traces(body, content_type) if is_traces else logs(body, content_type)
        return _of_message(whole, is_traces=is_traces)
    return _piece_by_piece(body, Span if is_traces else LogRecord)


def _of_message(message: Any, *, is_traces: bool) -> Iterator[Record]:
    for group in message.resource_spans if is_traces else message.resource_logs:
        for part in group.scope_spans if is_traces else group.scope_logs:
            for record in part.spans if is_traces else part.log_records:
                yield group.resource, part.scope.name, record


def _piece_by_piece(body: bytes, kind: Any) -> Iterator[Record]:
    """Walk groups (field 1 of the message), their parts (2) and records (2); resource and scope are field 1 of theirs.

    One resource or scope that is there twice is merged by protobuf's rules elsewhere; here the first holds.
    """
    left = [MAX_RECORDS]
    try:
        for group in _fields(memoryview(body), 1, left):
            resource = Resource.FromString(_first(group, left))
            for part in _fields(group, 2, left):
                scope = InstrumentationScope.FromString(_first(part, left)).name
                for record in _fields(part, 2, left):
                    yield resource, scope, kind.FromString(record) if len(record) <= MAX_RECORD_BYTES else None
    except (DecodeError, IndexError) as error:
        msg = f"the body is no message of {kind.__name__}s"
        raise ValueError(msg) from error


def _first(data: memoryview, left: list[int]) -> Any:
    """Return what field 1 of *data* holds; nothing where it is too large, or not there."""
    found = next(_fields(data, 1, left), b"")
    return found if len(found) <= MAX_RECORD_BYTES else b""


def _fields(data: memoryview, wanted: int, left: list[int]) -> Iterator[memoryview]:
    """Yield what is in each field *wanted* of the protobuf message *data*, in place; count all fields in *left*.

    Raises:
        TooManyError: There are more than are left.
        DecodeError: It is no message.
        IndexError: It is cut off.
    """
    position, end = 0, len(data)
    while position < end:
        left[0] -= 1
        if left[0] < 0:
            msg = f"the body holds more than {MAX_RECORDS} records"
            raise TooManyError(msg)
        tag, position = _number(data, position)
        kind = tag & 7
        if kind == _BYTES:
            size, position = _number(data, position)
            begin, position = position, position + size
            if position > end:
                raise IndexError
            if tag >> 3 == wanted:
                yield data[begin:position]
        elif kind == _VARINT:
            _, position = _number(data, position)
        elif kind in _FIXED:
            position += _FIXED[kind]
        else:
            raise DecodeError


def _number(data: memoryview, position: int) -> tuple[int, int]:
    """Return the number at *position*, seven bits a byte, and where it ends."""
    byte = data[position]
    if byte < 128:
        return byte, position + 1
    number = shift = 0
    while True:
        number |= (byte & 127) << shift
        position += 1
        if byte < 128:
            return number, position
        shift += 7
        if shift > 63:
            raise DecodeError
        byte = data[position]


_VARINT: Final = 0
_BYTES: Final = 2
_FIXED: Final = {1: 8, 5: 4}
"""Wire types of protobuf; for those of a fixed size, the size."""


def _check_json(body: bytes) -> None:
    """Raise where the JSON text *body* would take too much to read."""
    # Texts first: cutting one out takes 170 bytes for a while.
    texts = (body.count(b'"') - body.count(b'\\"')) // 2
    skeleton = _TEXTS.sub(b"", body) if texts <= MAX_JSON_PARTS else b""
    if texts > MAX_JSON_PARTS or len(skeleton.translate(None, _NOT_PARTS)) > MAX_JSON_PARTS:
        msg = f"the body has more than {MAX_JSON_PARTS} texts, or brackets and commas"
        raise TooManyError(msg)
    if _is_deeper(skeleton, MAX_DEPTH):
        msg = f"brackets are nested deeper than {MAX_DEPTH} levels"
        raise ValueError(msg)


def _is_deeper(skeleton: bytes, levels: int) -> bool:
    """Whether brackets in JSON without its texts are nested deeper than *levels*.

    Without a parser, and counting stops at the first bracket too many: 0.1 us a bracket.
    """
    brackets = skeleton.translate(None, _NOT_BRACKETS)
    depth = 0
    for start in range(0, len(brackets), _PIECE):
        depths = list(accumulate(map(_STEPS.__getitem__, brackets[start : start + _PIECE]), initial=depth))
        if max(depths) > levels:
            return True
        depth = depths[-1]
    return False


def plain(value: AnyValue) -> Any:
    """Return *value* as plain Python; bytes as base64 text, nothing as None."""
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [plain(item) for item in value.array_value.values]
    if kind == "kvlist_value":
        return attributes(value.kvlist_value.values)
    if kind == "bytes_value":
        return base64.b64encode(value.bytes_value).decode()
    return None if kind is None else getattr(value, kind)


def attributes(pairs: Iterable[KeyValue]) -> dict[str, Any]:
    """Return *pairs* as a mapping of plain values."""
    return {pair.key: plain(pair.value) for pair in pairs}


def taken(is_traces: bool, content_type: str, *, rejected: int = 0, message: str = "") -> bytes:
    """Return the body of a 200: a success, or a partial one with *rejected* records and the reason in *message*."""
    answer: Any
    if is_traces:
        answer = ExportTraceServiceResponse()
        if rejected or message:
            answer.partial_success.rejected_spans = rejected
            answer.partial_success.error_message = message
    else:
        answer = ExportLogsServiceResponse()
        if rejected or message:
            answer.partial_success.rejected_log_records = rejected
            answer.partial_success.error_message = message
    return _encode(answer, content_type)


def refused(content_type: str, message: str) -> bytes:
    """Return the body of any other answer, a ``google.rpc.Status``."""
    return _encode(Status(message=message), content_type)


def _encode(message: Any, content_type: str) -> bytes:
    """Return *message* in the encoding of the request, as the specification demands."""
    if content_type == JSON:
        text: str = json_format.MessageToJson(message, indent=None)
        return text.encode()
    return cast("bytes", message.SerializeToString())


def _parse(body: bytes, content_type: str, into: Any) -> None:
    if content_type == JSON:
        _check_json(body)
    try:
        if content_type == JSON:
            content = _bytes_for_protobuf(json.loads(body))
            json_format.ParseDict({**content}, into, ignore_unknown_fields=True)  # a list is no message: TypeError
        else:
            into.ParseFromString(body)
    except (DecodeError, json_format.ParseError, ValueError, TypeError, AttributeError, RecursionError) as error:
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
        if name in _IDS and isinstance(item, str)
        else _bytes_for_protobuf(item)
        for name, item in cast("dict[str, Any]", value).items()
    }
