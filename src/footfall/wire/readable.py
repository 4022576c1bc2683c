"""Requests as text that a person can read, for ``footfall show`` and ``FOOTFALL=log``. Pure.

Text is shown as it is. OTLP's protobuf, packed or not, over HTTP or gRPC, becomes the JSON of its specification ("JSON
Protobuf Encoding": ids in hexadecimal), and a tarball in a form its members. What is neither is shown as bytes.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, cast

from footfall.errors import ConfigurationError, NotOfferedError
from footfall.version import VERSION
from footfall.wire import insights_package as packages
from footfall.wire.load import load
from footfall.wire.text import escaped

if TYPE_CHECKING:
    from footfall.destination import Destination
    from footfall.wire.base import Request

PROTOBUF: Final = "application/x-protobuf"
GRPC: Final = "application/grpc"
GRPC_PREFIX_BYTES: Final = 5
MULTIPART: Final = "multipart/form-data"
MAX_UNPACKED_BYTES: Final = 16 * 2**20
HEAD_BYTES: Final = 32
LINE_CHARACTERS: Final = 116

_TRACES: Final = ("opentelemetry.proto.collector.trace.v1.trace_service_pb2", "ExportTraceServiceRequest")
_LOGS: Final = ("opentelemetry.proto.collector.logs.v1.logs_service_pb2", "ExportLogsServiceRequest")
_MESSAGES: Final[Mapping[str, tuple[str, str]]] = {
    "/v1/traces": _TRACES,
    "/v1/logs": _LOGS,
    "/opentelemetry.proto.collector.trace.v1.TraceService/Export": _TRACES,
    "/opentelemetry.proto.collector.logs.v1.LogsService/Export": _LOGS,
}
_ENCODINGS: Final = frozenset({"content-encoding", "grpc-encoding"})
_ZLIB: Final = b"x"
_IDS: Final = frozenset({"traceId", "spanId", "parentSpanId"})


def as_lines(key: str, request: Request, destination: Destination | None) -> Iterator[str]:
    """Yield the whole of *request* as it is sent, but for the lines of the connection and the credentials.

    Args:
        key: Of its destination.
        request: What is shown.
        destination: For its address, and for where its credentials come from; None where it is not known any more.
    """
    records = "1 record" if request.records == 1 else f"{request.records} records"
    yield f"to {escaped(key)}, {records}"
    yield escaped(f"{request.method} {url(request, destination)}")
    for name, value in headers(request):
        yield escaped(f"{name}: {value}")
    if destination is not None and destination.credentials:
        yield escaped(f"(and the credentials in {destination.credentials})")
    yield ""
    lines, packed = readable(request)
    yield from (f"  {line}" for line in lines)
    if request.attachment is not None:
        yield f"  (with the file {escaped(request.attachment.name)}, {request.attachment.size} bytes)"
    size = f"{request.size} byte{'s' if request.size != 1 else ''}"
    yield f"  ({size}; {packed})" if packed else f"  ({size})"


def headers(request: Request) -> list[tuple[str, str]]:
    """Return the header lines that *request* is sent with, but for those of the connection and the credentials."""
    general = {"User-Agent": f"footfall/{VERSION}", "Accept": "*/*"}
    said = dict(request.headers)
    return [
        ("Content-Type", request.content_type),
        *request.headers,
        *((name, value) for name, value in general.items() if name not in said),
        ("Accept-Encoding", "identity"),
        ("Idempotency-Key", request.idempotency_key),
        ("Content-Length", str(request.size)),
    ]


def url(request: Request, destination: Destination | None) -> str:
    """Return where *request* goes; only its path where the destination is not known."""
    if destination is None:
        return request.path
    try:
        return load(destination.wire, destination.options).base_url(destination.endpoint) + request.path
    except (NotOfferedError, ConfigurationError):  # its wire was uninstalled since
        return f"{destination.endpoint} ... {request.path}"


def readable(request: Request) -> tuple[list[str], str]:
    """Return the body of *request* as lines of harmless text, and what was done to make it readable, or ""."""
    body, packed = request.body, ""
    if request.content_type.startswith(GRPC):
        body = body[GRPC_PREFIX_BYTES:]
    if any(name.lower() in _ENCODINGS and value == "gzip" for name, value in request.headers):
        # A server of ramen gets zlib under this name and looks at the first byte, and so do we.
        kind = "zlib" if body[:1] == _ZLIB else "gzip"
        try:
            body = unpacked(body)
        except ValueError:
            return [hexadecimal(request.body)], f"{kind} that does not unpack"
        packed = f"{kind} of {len(body)} bytes"
    if request.content_type.startswith((PROTOBUF, GRPC)):
        message = parsed(request.path, body)
        if message is None:
            return [hexadecimal(body)], "; ".join(filter(None, (packed, "protobuf of an unknown kind")))
        return as_text(as_json(message)), "; ".join(filter(None, (packed, "protobuf, shown as JSON")))
    if request.content_type.startswith(MULTIPART) and request.attachment is None:
        members = _members(body)
        if members is not None:
            return members, "a tarball in a form, shown as its members"
    try:
        text = body.decode()
    except UnicodeDecodeError:
        return [hexadecimal(body)], "; ".join(filter(None, (packed, "no text")))
    return [escaped(line) for line in text.split("\n")], packed


def _members(body: bytes) -> list[str] | None:
    """Return the members of the tarball in a form as lines, each under its name; None for another body."""
    try:
        found = packages.members(packages.in_multipart(body))
    except ValueError:
        return None
    lines: list[str] = []
    for name, content in found:
        lines += [escaped(name), *(f"  {escaped(line)}" for line in content.decode("utf-8", "replace").splitlines())]
    return lines


def unpacked(body: bytes) -> bytes:
    """Return what the gzip or zlib *body* holds.

    Raises:
        ValueError: It is neither, is cut off, or holds more than `MAX_UNPACKED_BYTES`.
    """
    unpacker = zlib.decompressobj(wbits=47)  # either, by its first bytes
    try:
        content = unpacker.decompress(body, MAX_UNPACKED_BYTES)
    except zlib.error as error:
        msg = f"neither gzip nor zlib: {error}"
        raise ValueError(msg) from None
    if not unpacker.eof:
        msg = "cut off, or too large"
        raise ValueError(msg)
    return content


def as_json(message: Any) -> dict[str, Any]:
    """Return an OTLP protobuf *message* as the JSON of its specification."""
    to_dict = cast("Callable[[Any], dict[str, Any]]", import_module("google.protobuf.json_format").MessageToDict)
    found: dict[str, Any] = _with_hexadecimal_ids(to_dict(message))
    return found


def parsed(path: str, body: bytes) -> Any:
    """Return the protobuf message in *body*, or None."""
    known = _MESSAGES.get(path.partition("?")[0])
    if known is None:
        return None
    message = getattr(import_module(known[0]), known[1])()
    decode_error: type[Exception] = import_module("google.protobuf.message").DecodeError
    try:
        message.ParseFromString(body)
    except decode_error:
        return None
    return message


def _with_hexadecimal_ids(value: Any) -> Any:
    if isinstance(value, list):
        return [_with_hexadecimal_ids(item) for item in cast("Iterable[Any]", value)]
    if not isinstance(value, dict):
        return value
    return {
        name: base64.b64decode(item).hex() if name in _IDS and isinstance(item, str) else _with_hexadecimal_ids(item)
        for name, item in cast("dict[str, Any]", value).items()
    }


def as_text(value: Any, indent: str = "") -> list[str]:
    """Return *value* as lines of JSON, harmless on a terminal: what fits on a line is on one."""
    short = json.dumps(value, ensure_ascii=False)
    if len(indent) + len(short) <= LINE_CHARACTERS or not isinstance(value, (dict, list)) or not value:
        return [indent + escaped(short)]
    inner = indent + "  "
    if isinstance(value, list):
        opening, closing = "[", "]"
        parts = [as_text(item, inner) for item in cast("Iterable[Any]", value)]
    else:
        opening, closing = "{", "}"
        parts = [_named(name, as_text(item, inner)) for name, item in cast("dict[str, Any]", value).items()]
    for part in parts[:-1]:
        part[-1] += ","
    return [indent + opening, *(line for part in parts for line in part), indent + closing]


def _named(name: str, lines: list[str]) -> list[str]:
    blank = len(lines[0]) - len(lines[0].lstrip())
    first = f"{lines[0][:blank]}{escaped(json.dumps(name, ensure_ascii=False))}: {lines[0][blank:]}"
    return [first, *lines[1:]]


def hexadecimal(body: bytes) -> str:
    """Return the first bytes of *body* in hexadecimal, in groups of four."""
    return body[:HEAD_BYTES].hex(" ", -4) + (" ..." if len(body) > HEAD_BYTES else "")
