"""Wire `otlp`: uses as OpenTelemetry spans and events, protobuf bodies over HTTP or gRPC (otel.md section 4).

    END            a span, kind INTERNAL, named after the registered function or the run
    START, COUNT   a log record with event name ``footfall.start`` or ``footfall.count``
    EVENT          a log record whose event name is the event's

They are built from `Usage` without a provider and encoded by OpenTelemetry's own encoder (`otlp_records`), so that no
environment variable of the SDK (attribute limits, resource attributes) changes a byte. A span has no exception events,
whose texts and stack traces would carry data (reliability.md S5).

Over gRPC the same messages travel behind five bytes that say whether they are compressed, and how long they are; what
comes back has been given the status of HTTP that means the same (`footfall.courier.grpc`), so `judge` knows one kind.

An extra field ``otlp.<attribute>`` replaces an attribute, and None there removes it; fields addressed to other wires
stay out, unless the receiver is a gateway that feeds those wires (`OtlpWire`, ``addressed``). Attribute values are
scalars or lists of one kind of scalar, and anything else goes as JSON.
"""

from __future__ import annotations

import gzip
import re
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, Final, Literal, cast

import msgspec
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]  # protobuf ships no types
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from footfall.errors import ConfigurationError
from footfall.ledger import Reason
from footfall.usage import Kind, Usage
from footfall.wire import otlp_records as records
from footfall.wire.base import DELIVERED, MAX_DETAIL_CHARACTERS, RETRY, Action, Request, Response, Verdict, key_of
from footfall.wire.text import json_object

CONTENT_TYPE: Final = "application/x-protobuf"
TRACES_PATH: Final = "/v1/traces"
LOGS_PATH: Final = "/v1/logs"

GRPC_CONTENT_TYPE: Final = "application/grpc+proto"
GRPC_PATH: Final[Mapping[str, str]] = {
    TRACES_PATH: "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
    LOGS_PATH: "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
}

MAX_BYTES: Final = 4 * 2**20
"""Before compression; receivers commonly take that much, and count what they unpack."""


STATUS: Final[Mapping[int, Verdict]] = {
    **dict.fromkeys(range(300, 400), Verdict(action=Action.HALT)),
    # The specification lists what may be sent again, and every other refusal is final (reliability.md N5).
    **dict.fromkeys(range(400, 600), Verdict(action=Action.DROP, reason=Reason.REFUSED)),
    **dict.fromkeys((401, 403, 407), Verdict(action=Action.HALT)),
    **dict.fromkeys((429, 502, 503, 504), RETRY),
    # Not in that list, but said by something on the way that never showed the request to the receiver.
    **dict.fromkeys((408, 425), RETRY),
    413: Verdict(action=Action.SPLIT),
}
"""Meaning of a status other than 200, whose body is asked; one not listed is a bad answer, to be tried again."""


_BAD_ANSWER: Final = Verdict(action=Action.RETRY, detail="bad answer 200")

# Message, and the names of its three levels of lists.
_SHAPE: Final[Mapping[str, tuple[Callable[[], Any], str, str, str]]] = {
    TRACES_PATH: (ExportTraceServiceRequest, "resource_spans", "scope_spans", "spans"),
    LOGS_PATH: (ExportLogsServiceRequest, "resource_logs", "scope_logs", "log_records"),
}
_SIGNAL: Final = {path: path for path in GRPC_PATH} | {path: signal for signal, path in GRPC_PATH.items()}
_PREFIX_BYTES: Final = 5


class OtlpWire:
    """Spans and events for an OTLP receiver.

    Args:
        protocol: ``http`` or ``grpc``.
        compression: Of bodies.
        max_bytes: Largest body before compression; a batch beyond it becomes several requests.
        addressed: Carry what is meant for one server only, as ``footfall.for.<wire>.<field>``, and everything that
            `footfall.gateway` needs to say to those servers what would be said without it in between. Nothing is
            dropped or replaced then: the gateway does that for each wire.

    Raises:
        ConfigurationError: An option has a value that is not offered.
    """

    name: str = "otlp"
    in_doubt: Literal["retry", "drop"] = "retry"
    batch_records: int = 512
    tells_starts: bool = True

    def __init__(
        self,
        *,
        protocol: Literal["http", "grpc"] = "http",
        compression: Literal["gzip", "none"] = "gzip",
        max_bytes: int = MAX_BYTES,
        addressed: bool = False,
    ) -> None:
        if protocol not in ("http", "grpc"):
            msg = f"otlp: protocol {protocol!r} is not offered; say 'http' or 'grpc'"
            raise ConfigurationError(msg)
        if compression not in ("gzip", "none"):
            msg = f"otlp: compression {compression!r} is not offered; say 'gzip' or 'none'"
            raise ConfigurationError(msg)
        # Options come from files, too, so their types are not to be trusted.
        if type(max_bytes) is not int or max_bytes < 1024:
            msg = f"otlp: max_bytes {max_bytes!r} must be a whole number of bytes, 1024 or more"
            raise ConfigurationError(msg)
        if addressed not in (True, False):
            msg = f"otlp: addressed {addressed!r} must be true or false"
            raise ConfigurationError(msg)
        self.addressed = addressed
        self.protocol: Literal["http", "grpc"] = protocol
        self.compression: Literal["gzip", "none"] = compression
        self.max_bytes = max_bytes

    def base_url(self, endpoint: str) -> str:
        """Return *endpoint* without final slashes and without one final ``/v1/traces`` or ``/v1/logs``."""
        base = endpoint.rstrip("/")
        for path in (TRACES_PATH, LOGS_PATH):
            if base.endswith(path):
                return base.removesuffix(path).rstrip("/")
        return base

    def translate(self, batch: Sequence[Usage]) -> list[Request]:
        """Return at most one request for spans and one for events, unless they are larger than `max_bytes`.

        Left out is a use without valid ids, or from a time that 64 bits of nanoseconds cannot hold.
        """
        told = [usage for usage in batch if records.is_told(usage)]
        spans = [usage for usage in told if usage.kind is Kind.END]
        events = [usage for usage in told if usage.kind is not Kind.END]
        return [
            *self._requests(TRACES_PATH, spans, partial(records.encode_traces, addressed=self.addressed)),
            *self._requests(LOGS_PATH, events, partial(records.encode_events, addressed=self.addressed)),
        ]

    def judge(self, response: Response) -> Verdict:
        """Say what *response* means: OTLP specification, "OTLP/HTTP Response"."""
        if response.status == 200:
            return _judge_success(response.body)
        verdict = STATUS.get(response.status)
        if verdict is None:
            return Verdict(action=Action.RETRY, detail=f"bad answer {response.status}")
        return msgspec.structs.replace(verdict, detail=str(response.status))

    def split(self, request: Request) -> list[Request]:
        """Return two requests with half of the spans or events each, or an empty list for a single one."""
        _, count = _take(request)
        if count < 2:
            return []
        halves: list[Request] = []
        for start, stop in ((0, count // 2), (count // 2, count)):
            body, taken = _take(request, start, stop)
            key = key_of(f"{request.idempotency_key}:{start}-{stop}")
            halves.append(self._request(_SIGNAL[request.path], body, key=key, records=taken))
        return halves

    def _requests(self, path: str, batch: Sequence[Usage], encode: Callable[[Sequence[Usage]], bytes]) -> list[Request]:
        if not batch:
            return []
        body = encode(batch)
        if len(body) > self.max_bytes and len(batch) > 1:
            half = len(batch) // 2
            return [*self._requests(path, batch[:half], encode), *self._requests(path, batch[half:], encode)]
        return [self._request(path, body, key=_key(batch), records=len(batch))]

    def _request(self, path: str, body: bytes, *, key: str, records: int) -> Request:
        packed = self.compression == "gzip"
        # No time in the header: the same uses must give the same bytes on every attempt.
        message = gzip.compress(body, compresslevel=6, mtime=0) if packed else body
        if self.protocol == "grpc":
            return Request(
                path=GRPC_PATH[path],
                body=bytes([packed]) + len(message).to_bytes(_PREFIX_BYTES - 1, "big") + message,
                content_type=GRPC_CONTENT_TYPE,
                headers=(("grpc-encoding", "gzip"),) if packed else (),
                idempotency_key=key,
                records=records,
            )
        return Request(
            path=path,
            body=message,
            content_type=CONTENT_TYPE,
            headers=(("content-encoding", "gzip"),) if packed else (),
            idempotency_key=key,
            records=records,
        )


def _key(batch: Iterable[Usage]) -> str:
    """Idempotency key: of the ids and kinds, in whatever order they come."""
    identities = sorted(f"{usage.trace_id} {usage.span_id} {usage.kind.value}" for usage in batch)
    return key_of("otlp", *identities)


def _judge_success(body: bytes) -> Verdict:
    """Return what the body of a 200 says: nothing, or a partial success, in protobuf or (from some proxies) in JSON.

    Traces and logs answer in one form, so one message reads both. A page that a portal sent instead has neither form
    (reliability.md N4).
    """
    document = json_object(body)
    if document is not None:
        return _judge_json(document)
    answer = ExportTraceServiceResponse()
    try:
        answer.ParseFromString(body)
    except DecodeError:
        return _BAD_ANSWER
    size = answer.ByteSize()
    answer.DiscardUnknownFields()
    # Fields that a later version added do not matter; readable text that passes for such fields is no answer.
    if answer.ByteSize() != size and _is_text(body):
        return _BAD_ANSWER
    return _delivered(answer.partial_success.rejected_spans, answer.partial_success.error_message)


def _judge_json(document: Mapping[str, Any]) -> Verdict:
    part: Any = document.get("partialSuccess", {})
    if not document.keys() <= {"partialSuccess"} or not isinstance(part, dict):
        return _BAD_ANSWER
    fields = cast("dict[str, Any]", part)
    rejected = fields.get("rejectedSpans") or fields.get("rejectedLogRecords") or 0
    # 64-bit numbers are texts in JSON made from protobuf.
    if isinstance(rejected, str) and re.fullmatch(r"[0-9]{1,19}", rejected, re.ASCII):
        rejected = int(rejected)
    if not isinstance(rejected, int):
        return _BAD_ANSWER
    return _delivered(rejected, str(fields.get("errorMessage", "")))


def _delivered(rejected: int, message: str) -> Verdict:
    detail = message[:MAX_DETAIL_CHARACTERS]
    if rejected <= 0:  # with a message: a warning, as the specification has it
        return msgspec.structs.replace(DELIVERED, detail=detail)
    return Verdict(action=Action.DELIVERED, rejected=rejected, reason=Reason.REFUSED, detail=detail)


def _is_text(body: bytes) -> bool:
    try:
        text = body.decode()
    except UnicodeDecodeError:
        return False
    return all(character.isprintable() or character.isspace() for character in text)


def _take(request: Request, start: int = 0, stop: int | None = None) -> tuple[bytes, int]:
    """Return the message in a *request* of ours with only its spans or events from *start* to *stop*, and their number.

    Groups that are left empty are left out. What cannot be read has no bytes and no records.
    """
    message_type, groups_name, scopes_name, items_name = _SHAPE[_SIGNAL[request.path]]
    framed = request.content_type == GRPC_CONTENT_TYPE
    content = request.body[_PREFIX_BYTES:] if framed else request.body
    packed = ("grpc-encoding" if framed else "content-encoding", "gzip") in request.headers
    message: Any = message_type()
    try:
        message.ParseFromString(gzip.decompress(content) if packed else content)
    except (DecodeError, OSError, EOFError, zlib.error):
        return b"", 0
    position = taken = 0
    groups = getattr(message, groups_name)
    for group in groups:
        scopes = getattr(group, scopes_name)
        for scope in scopes:
            items = getattr(scope, items_name)
            low, high = max(start - position, 0), len(items) if stop is None else max(stop - position, 0)
            position += len(items)
            del items[high:]
            del items[:low]
            taken += len(items)
        _drop_empty(scopes, items_name)
    _drop_empty(groups, scopes_name)
    return message.SerializeToString(), taken


def _drop_empty(parents: Any, children_name: str) -> None:
    for index in reversed(range(len(parents))):
        if not getattr(parents[index], children_name):
            del parents[index]
