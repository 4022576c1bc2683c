"""One gRPC call, bounded in time and size: HTTP/2 by `h2`, on connections made as those for HTTP are.

Not on ``grpcio``, whose threads and fork handlers a guest cannot answer for. Tried with grpcio 1.85 on Linux, a thread
that delivers all the time while the main thread forks 40 times, the channel kept or closed after each call: up to 39
lines on the host's stderr; with ``GRPC_ENABLE_FORK_SUPPORT=1`` forks that hang; without fork support children whose own
gRPC hangs; with neither set children that fail, aborts, a segmentation fault. `h2` has no threads, no files and no
settings: a fork finds a socket and some bytes, as with HTTP. Deadlines, proxies, certificates and limits are those of
`exchange` and `route`, too; gRPC has its own.

A call is one POST whose body is one message with five bytes before it. Its outcome comes in trailers, and is handed on
as the HTTP status that means the same to an OTLP client (OTLP specification, "OTLP/gRPC Response"), so that a wire
judges both alike.

Importing this module loads h2.
"""

from __future__ import annotations

import base64
import binascii
import math
import re
import socket
import ssl
import sys
import time
from typing import TYPE_CHECKING, Any, Final

from google.protobuf.message import DecodeError  # type: ignore[import-untyped]  # protobuf ships no types
from google.rpc.error_details_pb2 import RetryInfo  # type: ignore[import-untyped]  # the same
from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]  # the same
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import (
    DataReceived,
    ResponseReceived,
    StreamEnded,
    StreamReset,
    TrailersReceived,
)
from h2.exceptions import H2Error
from h2.settings import SettingCodes, Settings

from footfall.courier.answer import MAX_ANSWER_BYTES
from footfall.courier.dial import PIECE_BYTES, Bounds, connect
from footfall.courier.exchange import FAILURES, decoded, failure, in_ascii
from footfall.courier.pool import IDLE_CONNECTIONS, Pool
from footfall.courier.route import origin
from footfall.errors import TransportError
from footfall.wire.base import Response

if TYPE_CHECKING:
    from collections.abc import Mapping

    from footfall.courier.route import Proxy

MAX_EXCHANGE_BYTES: Final = 4 * MAX_ANSWER_BYTES
"""Of everything that a server says during one exchange, with frames that only keep a client busy."""

STATUS: Final[Mapping[int, int]] = {
    0: 200,
    3: 400,  # INVALID_ARGUMENT
    5: 404,  # NOT_FOUND
    6: 409,  # ALREADY_EXISTS
    7: 403,  # PERMISSION_DENIED
    9: 400,  # FAILED_PRECONDITION
    12: 404,  # UNIMPLEMENTED
    16: 401,  # UNAUTHENTICATED
    # What OTLP lets a client send again: ABORTED, OUT_OF_RANGE, UNAVAILABLE, DATA_LOSS.
    **dict.fromkeys((10, 11, 14, 15), 503),
}
"""gRPC status to HTTP status; any other, such as UNKNOWN and INTERNAL, is 500, which OTLP does not send again."""

IN_DOUBT: Final = frozenset({1, 4})
"""CANCELLED and DEADLINE_EXCEEDED: somebody gave up waiting; nobody knows what became of the call."""

RESOURCE_EXHAUSTED: Final = 8
"""429 where the server says when to come again, 413 where it is about size, else for good (OTLP specification)."""

_TOO_LARGE: Final = re.compile(r"(?:larger than|exceeds)[^.]*\bmax", re.IGNORECASE)
"""What servers of gRPC's own implementations say of a message beyond their limit; it has no code of its own."""

_PREFIX_BYTES: Final = 5
_FRAME_HEAD_BYTES: Final = 9
_GOAWAY: Final = 7


class _Answer:
    """What came back on one stream."""

    def __init__(self, stream: int) -> None:
        self.stream = stream
        self.headers: dict[str, str] = {}
        self.body = b""
        self.ended = False
        self.refused = False  # by HTTP/2, before the server looked at it


class _Connection:
    """An HTTP/2 connection that carries one call at a time."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.used_at = time.monotonic()
        self.usable = True
        self.sent = False
        self._h2 = H2Connection(H2Configuration(client_side=True, header_encoding="latin-1"))
        self._h2.local_settings = Settings(
            client=True,
            initial_values={SettingCodes.ENABLE_PUSH: 0, SettingCodes.MAX_HEADER_LIST_SIZE: MAX_ANSWER_BYTES},
        )
        self._h2.initiate_connection()
        self._answer = _Answer(0)
        self._heard_bytes = 0
        self._rest = b""

    def call(self, headers: list[tuple[str, str]], body: bytes, bounds: Bounds) -> _Answer:
        """Send a request and return what came back."""
        self.sent, self._heard_bytes = False, 0
        stream = self._h2.get_next_available_stream_id()
        answer = self._answer = _Answer(stream)
        self._h2.send_headers(stream, headers)
        rest = memoryview(body)
        while rest and not answer.ended:
            room = min(self._h2.local_flow_control_window(stream), self._h2.max_outbound_frame_size, PIECE_BYTES)
            if room <= 0:
                self._flush(bounds)
                self._hear(bounds)
                continue
            piece, rest = rest[:room], rest[room:]
            self._h2.send_data(stream, bytes(piece), end_stream=not rest)
            self._flush(bounds)
        self.sent = not rest
        self.usable = self.usable and self.sent
        while not answer.ended:
            self._hear(bounds)
        self.used_at = time.monotonic()
        return answer

    def is_fresh(self) -> bool:
        """Whether the other side still listens, after reading what it said while the connection rested."""
        try:
            self.sock.settimeout(0)
            while self.usable:
                self._understand(self.sock.recv(PIECE_BYTES))
        except (BlockingIOError, ssl.SSLWantReadError):
            pass
        except (OSError, ValueError, H2Error):
            return False
        return self.usable

    def close(self) -> None:
        self.usable = False
        self.sock.close()

    def _flush(self, bounds: Bounds) -> None:
        data = memoryview(self._h2.data_to_send())
        for start in range(0, len(data), PIECE_BYTES):
            self.sock.settimeout(bounds.left_seconds())
            self.sock.sendall(data[start : start + PIECE_BYTES])

    def _hear(self, bounds: Bounds) -> None:
        self.sock.settimeout(bounds.left_seconds())
        self._understand(self.sock.recv(PIECE_BYTES))
        self._flush(bounds)

    def _understand(self, data: bytes) -> None:
        self._heard_bytes += len(data)
        if not data or self._heard_bytes > MAX_EXCHANGE_BYTES:
            self.usable = False
            msg = "the connection ended" if not data else "the server says too much"
            raise ConnectionError(msg)
        answer = self._answer
        for event in self._h2.receive_data(self._whole_frames(data)):
            if getattr(event, "stream_id", None) != answer.stream:
                continue
            if isinstance(event, (ResponseReceived, TrailersReceived)):
                answer.headers.update((name, value) for name, value in _text(event.headers))
            elif isinstance(event, DataReceived):
                answer.body += event.data
                self._h2.acknowledge_received_data(event.flow_controlled_length or 0, answer.stream)
                if len(answer.body) > MAX_ANSWER_BYTES:
                    msg = "the answer is too large"
                    raise ConnectionError(msg)
            elif isinstance(event, StreamReset):
                answer.refused = event.error_code == ErrorCodes.REFUSED_STREAM
                answer.ended = True
            elif isinstance(event, StreamEnded):
                answer.ended = True
        if answer.refused:
            answer.ended = True

    def _whole_frames(self, data: bytes) -> bytes:
        """Return the frames that *data* completes, but for GOAWAY, which h2 takes for the end of everything.

        Servers that limit the age of connections say it while they still answer what they took on (RFC 9113, 6.8).
        """
        self._rest += data
        frames = b""
        while len(self._rest) >= _FRAME_HEAD_BYTES:
            size = _FRAME_HEAD_BYTES + int.from_bytes(self._rest[:3], "big")
            if len(self._rest) < size:
                break
            frame, self._rest = self._rest[:size], self._rest[size:]
            if frame[3] == _GOAWAY:
                self.usable = False
                last = int.from_bytes(frame[_FRAME_HEAD_BYTES : _FRAME_HEAD_BYTES + 4], "big") & 0x7FFFFFFF
                self._answer.refused = not self._answer.ended and last < self._answer.stream
            else:
                frames += frame
        return frames


class GrpcServer:
    """The way to one gRPC server, of the same shape as `footfall.courier.exchange.Server`.

    Args:
        base_url: Anything at the server.
        proxy: On the way, or None; it is asked for a tunnel.
        context: For https; without, the server is spoken to in plain HTTP/2.
        connect_seconds: Longest wait for a connection, and again for the TLS handshake.

    Raises:
        TransportError: No server can have that name.
    """

    def __init__(
        self, base_url: str, proxy: Proxy | None, context: ssl.SSLContext | None, connect_seconds: float
    ) -> None:
        place = origin(base_url)
        self._where = place.netloc
        try:
            self._place = in_ascii(place)
        except UnicodeError as error:
            raise failure(error, None, where=self._where, sent=False) from None
        self._proxy = proxy
        self._connect_seconds = connect_seconds
        if context is not None:
            context.set_alpn_protocols(["h2"])
        self._context = context
        self._pool: Pool[_Connection] = Pool(self._where)

    def send(
        self, method: str, url: str, body: bytes, headers: tuple[Mapping[str, str], ...], *, ends_at: float
    ) -> Response:
        """Call once and return the answer, with the HTTP status that means the same; see `Server.send`.

        Raises:
            TlsError: See there.
            TransportError: No usable answer.
        """
        outer = sys.exc_info()[1]
        connection: _Connection | None = None
        answer: _Answer | None = None
        trouble: TransportError | None = None
        bounds = Bounds(ends_at, self._connect_seconds)
        try:
            rested = self._pool.take(ends_at)
            try:
                connection = rested or self._connect(bounds)
                answer = connection.call(
                    [
                        (":method", method),
                        (":scheme", self._place.scheme),
                        (":authority", self._place.netloc),
                        (":path", "/" + url.split("/", 3)[3]),
                        ("te", "trailers"),
                        ("grpc-timeout", f"{max(1, int(bounds.left_seconds() * 1000))}m"),
                        ("grpc-accept-encoding", "identity"),
                        *((name.lower(), value) for group in headers for name, value in group.items()),
                    ],
                    body,
                    bounds,
                )
            finally:
                again = connection if connection is not None and answer is not None and connection.usable else None
                if connection is not None and again is None:
                    connection.close()
                self._pool.give(again)
        except (*FAILURES, H2Error) as error:
            sent = connection is not None and connection.sent
            trouble = failure(error, outer, where=self._where, sent=sent)
        # Outside the handler, so that no context carries frames with credentials in them.
        if answer is None:
            raise trouble or TransportError(f"{self._where}: no answer", in_doubt=True)
        return _response(answer, where=self._where)

    def tidy(self, keep: int = IDLE_CONNECTIONS) -> None:
        """Close connections that rested too long and, while nothing is sent, all but *keep*, the last used."""
        self._pool.tidy(keep)

    def open_connections(self) -> int:
        """Return how many connections are open, in use or idle."""
        return self._pool.open_connections()

    def _connect(self, bounds: Bounds) -> _Connection:
        sock = connect(self._place, self._proxy, self._context, bounds, tunnel=True)
        if isinstance(sock, ssl.SSLSocket) and sock.selected_alpn_protocol() != "h2":
            sock.close()
            msg = f"{self._where}: speaks no HTTP/2, which gRPC needs; is it the port for gRPC?"
            raise TransportError(msg, in_doubt=False)
        return _Connection(sock)


def _response(answer: _Answer, *, where: str) -> Response:
    """Return *answer* as the wire judges it.

    Raises:
        TransportError: It is none of gRPC, or the call was refused unread or given up.
    """
    if answer.refused:
        msg = f"{where}: the call was refused before it was read"
        raise TransportError(msg, in_doubt=False)
    headers = answer.headers
    http = headers.get(":status", "")
    if http.isascii() and http.isdigit() and http != "200":  # said by something on the way (gRPC, "HTTP2 mapping")
        return Response(status=int(http), headers=_plain(headers), body=answer.body)
    code = headers.get("grpc-status", "")
    if not re.fullmatch(r"[0-9]{1,3}", code, re.ASCII) or not headers.get("content-type", "").startswith(
        "application/grpc"
    ):
        msg = f"{where}: the answer was cut short, or is none of gRPC"
        raise TransportError(msg, in_doubt=True)
    if int(code) in IN_DOUBT:
        msg = f"{where}: the call was given up (gRPC status {code})"
        raise TransportError(msg, in_doubt=True)
    status, wait_seconds = STATUS.get(int(code), 500), _retry_seconds(headers)
    if int(code) == RESOURCE_EXHAUSTED:
        too_large = _TOO_LARGE.search(headers.get("grpc-message", ""))
        status = 429 if wait_seconds is not None else 413 if too_large else 507
    plain = _plain(headers)
    if wait_seconds is not None:
        plain["retry-after"] = str(math.ceil(wait_seconds))
    return Response(status=status, headers=plain, body=_message(answer.body) if status == 200 else b"")


def _plain(headers: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if not name.startswith(":") and name != "retry-after"}


def _message(body: bytes) -> bytes:
    """Return the message in the body of an answer, or the body as it is where there is not exactly one."""
    if len(body) < _PREFIX_BYTES or int.from_bytes(body[1:_PREFIX_BYTES], "big") != len(body) - _PREFIX_BYTES:
        return body
    return decoded(body[_PREFIX_BYTES:], "gzip") if body[0] else body[_PREFIX_BYTES:]


def _retry_seconds(headers: Mapping[str, str]) -> float | None:
    """Return how long the server wishes us to wait, from a ``RetryInfo`` in its details; None where it does not say."""
    text = headers.get("grpc-status-details-bin", "")
    status: Any = Status()
    wish: Any = RetryInfo()
    try:
        # Binary headers come without padding.
        status.ParseFromString(base64.b64decode(text + "=" * (-len(text) % 4)))
        for detail in status.details:
            if detail.Unpack(wish):
                return float(max(0.0, wish.retry_delay.seconds + wish.retry_delay.nanos / 1e9))
    except (DecodeError, binascii.Error, ValueError):
        return None
    return None


def _text(headers: Any) -> list[tuple[str, str]]:
    return [(str(name), str(value)) for name, value in headers or ()]
