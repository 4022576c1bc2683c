"""One request in, one answer out: the little HTTP/1.1 that a sink needs.

Not `http.server`, because a sink must see what that hides (a request target without leading slash, the very bytes of a
body) and do what that forbids (half an answer, a head at one byte a second).
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Protocol, cast
from urllib.parse import parse_qs

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_LINE_BYTES: Final = 64 * 1024
MAX_HEADER_LINES: Final = 200
MAX_BODY_BYTES: Final = 64 * 1024 * 1024

AUTH_HEADERS: Final = re.compile(
    r"authorization|proxy-authorization|cookie|x-rh-identity|.*(?:token|secret|password|api[-_]?key).*"
)
"""Lower-case names of headers whose values a sink never keeps."""

HTML: Final = "text/html; charset=utf-8"
JSON: Final = "application/json"
TEXT: Final = "text/plain; charset=utf-8"

_REASONS: Final = {
    200: "OK",
    201: "Created",
    202: "Accepted",
    204: "No Content",
    301: "Moved Permanently",
    307: "Temporary Redirect",
    400: "Bad Request",
    404: "Not Found",
    405: "Method Not Allowed",
    413: "Content Too Large",
    415: "Unsupported Media Type",
    422: "Unprocessable Content",
    429: "Too Many Requests",
    500: "Internal Server Error",
    503: "Service Unavailable",
}


class Stream(Protocol):
    """What `read_request` reads from: the file of a socket."""

    def readline(self, limit: int, /) -> bytes:
        """Return one line, at most *limit* bytes."""
        ...

    def read(self, size: int, /) -> bytes:
        """Return *size* bytes, fewer at the end."""
        ...


class BadRequestError(ValueError):
    """The bytes are no HTTP request; answered 400 before any application sees them."""


class CutOffError(EOFError):
    """The client went away in the middle of its request."""


@dataclass(frozen=True)
class Asked:
    """One whole request.

    Attributes:
        target: As it stood in the request line.
        headers: Names in lower case; of repeated ones the last.
        body: As sent, still compressed where the client compressed it.
    """

    method: str
    target: str
    headers: dict[str, str]
    body: bytes
    http_1_0: bool = False

    @property
    def path(self) -> str:
        """The target without its query."""
        return self.target.partition("?")[0]

    @property
    def query(self) -> dict[str, str]:
        """Query parameters; of repeated ones the last."""
        pairs = parse_qs(self.target.partition("?")[2], keep_blank_values=True)
        return {name: values[-1] for name, values in pairs.items()}

    @property
    def content_type(self) -> str:
        """Media type without parameters, lower case; "" when there is none."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    @property
    def keep_alive(self) -> bool:
        """Whether the client may send another request on this connection."""
        connection = self.headers.get("connection", "").lower()
        return "keep-alive" in connection if self.http_1_0 else "close" not in connection


@dataclass(frozen=True)
class Answer:
    """What a server says.

    Attributes:
        headers: Beyond ``Content-Length`` and ``Connection``.
        accepted: Whether this is the documented yes of the wire, so that the client may forget the records.
        records: What the request carried, as far as it could be read.
    """

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    accepted: bool = False
    records: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])

    def head(self, *, content_length: int | None = None, keep_alive: bool = True) -> bytes:
        """Return status line and headers, up to and with the empty line; *content_length* -1 leaves the length out."""
        length = len(self.body) if content_length is None else content_length
        lines = [f"HTTP/1.1 {self.status} {_REASONS.get(self.status, 'Other')}"]
        lines += [f"{name}: {value}" for name, value in self.headers]
        if length >= 0 and self.status != 204:
            lines.append(f"content-length: {length}")
        if not keep_alive:
            lines.append("connection: close")
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def as_object(value: object) -> dict[str, Any]:
    """Return decoded JSON when it is an object, else an empty one."""
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def json_answer(status: int, value: object, *headers: tuple[str, str], accepted: bool = False) -> Answer:
    """Return an answer whose body is *value* as compact JSON."""
    body = json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "surrogatepass")
    return Answer(status, (("content-type", JSON), *headers), body, accepted=accepted)


def text_answer(status: int, text: str, *headers: tuple[str, str], content_type: str = TEXT) -> Answer:
    """Return an answer whose body is *text*."""
    return Answer(status, (("content-type", content_type), *headers), text.encode())


def read_request(stream: Stream, *, on_expect: Callable[[], object] | None = None) -> Asked | None:
    """Return the next request, or None when the client ended the connection between two.

    Args:
        stream: Of the connection, buffered.
        on_expect: Called when the client waits for ``100 Continue`` before it sends the body.

    Raises:
        BadRequestError: No HTTP, or beyond the limits of this module.
        CutOffError: The connection ended within a request.
    """
    line = stream.readline(MAX_LINE_BYTES)
    if not line:
        return None
    words = line.decode("latin-1").rstrip("\r\n").split(" ")
    # The real server's HTTP layer takes absolute and rooted targets, and nothing else (migas.md D1).
    if len(words) != 3 or not re.fullmatch(r"HTTP/1\.[01]", words[2]) or not re.match(r"/|https?://", words[1]):
        msg = "Invalid HTTP request received."
        raise BadRequestError(msg)
    headers = _read_headers(stream)
    if headers.get("expect", "").lower() == "100-continue" and on_expect is not None:
        on_expect()
    target = re.sub(r"^https?://[^/?]*", "", words[1]) or "/"
    return Asked(words[0], target, headers, _read_body(stream, headers), http_1_0=words[2] == "HTTP/1.0")


def _read_headers(stream: Stream) -> dict[str, str]:
    headers: dict[str, str] = {}
    for _ in range(MAX_HEADER_LINES):
        line = stream.readline(MAX_LINE_BYTES)
        if not line.endswith(b"\n"):
            raise CutOffError
        text = line.decode("latin-1").strip()
        if not text:
            return headers
        name, colon, value = text.partition(":")
        if not colon:
            break
        headers[name.strip().lower()] = value.strip()
    msg = "Invalid HTTP request received."
    raise BadRequestError(msg)


def _read_body(stream: Stream, headers: dict[str, str]) -> bytes:
    try:
        if headers.get("transfer-encoding", "").lower() == "chunked":
            return _read_chunks(stream)
        length = int(headers.get("content-length", "0"))
    except ValueError as error:
        msg = "Invalid HTTP request received."
        raise BadRequestError(msg) from error
    return _read_exactly(stream, length)


def _read_chunks(stream: Stream) -> bytes:
    body = bytearray()
    while True:
        line = stream.readline(MAX_LINE_BYTES)
        if not line:
            raise CutOffError
        size = int(line.partition(b";")[0], 16)
        if len(body) + size > MAX_BODY_BYTES:
            raise ValueError(size)
        body += _read_exactly(stream, size)
        if stream.readline(MAX_LINE_BYTES).strip():  # the end of the chunk, or of trailers that nobody sends
            raise ValueError(size)
        if size == 0:
            return bytes(body)


def _read_exactly(stream: Stream, length: int) -> bytes:
    if not 0 <= length <= MAX_BODY_BYTES:
        msg = f"a body of {length} bytes is more than a sink takes"
        raise BadRequestError(msg)
    body = stream.read(length) if length else b""
    if len(body) < length:
        raise CutOffError
    return body
