"""One HTTP/1.1 exchange, bounded in time and size, over connections that are kept (`pool`, `dial`, `answer`).

A request is one header and one body in one `send`. Of the answer at most 64 KiB are read, decoded or not (S9), and at
most 100 header lines (S14). Everything in between, connecting included, has one end (reliability.md N2).
"""

from __future__ import annotations

import re
import socket
import ssl
import sys
import time
import zlib
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

import msgspec

from footfall.courier.answer import MAX_ANSWER_BYTES, AnswerError, read_answer
from footfall.courier.dial import PIECE_BYTES, Bounds, connect
from footfall.courier.pool import IDLE_CONNECTIONS, Pool, silence_of
from footfall.courier.route import Origin, Proxy, TlsError, origin
from footfall.errors import TransportError
from footfall.wire.base import Response

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from footfall.courier.answer import Answer
    from footfall.courier.uploads import Upload

RECEIVE_BYTES: Final = 16 * 1024

THERE_SECONDS: Final = 0.01
"""To read an answer that is there already, even if time is over: it may have come while another was waited for."""

_NETWORK: Final = (ssl.SSLEOFError, ssl.SSLZeroReturnError, ssl.SSLSyscallError, TimeoutError, ConnectionError)
"""What a bad network makes of a TLS handshake; its other errors are about trust or protocol."""

FAILURES: Final = (OSError, AnswerError, TransportError, ValueError)
"""What an exchange may raise. ValueError: names that IDNA cannot encode, headers that are none."""

_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_UNFIT: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
"""What no header may hold; a line end would begin another one (reliability.md S7)."""

_ORIGIN: Final = re.compile(r"[a-z]+://[^/?#]*")
_TARGET: Final = re.compile(r"/[A-Za-z0-9/?:@!$&'()*+,;=._~%-]*")
_KEPT: Final = "/?:@!$&'()*+,;=._~%-"


class _Connection:
    """A connection that carries one exchange at a time.

    Attributes:
        sent: All of the last request was handed to the system.
        used_at: When that was, on the monotonic clock.
    """

    def __init__(self, sock: socket.socket) -> None:
        self.sent = False
        self.used_at = time.monotonic()
        self._sock = sock
        self._is_silent = silence_of(sock)

    def write(self, parts: Iterable[bytes], bounds: Bounds) -> None:
        """Send the request that *parts* make up, as far as the server takes it."""
        self.sent = False
        sock = self._sock
        try:
            for part in parts:
                for piece in (part,) if len(part) <= PIECE_BYTES else _pieces(part):
                    sock.settimeout(bounds.left_seconds())
                    sock.sendall(piece)
        except (BrokenPipeError, ConnectionResetError):
            return  # a server may answer before the end of a request and hang up
        self.sent = True
        self.used_at = time.monotonic()

    def read(self, method: str, bounds: Bounds) -> Answer:
        """Return what came back to the request that was written."""
        sock = self._sock

        def receive() -> bytes:
            sock.settimeout(bounds.left_seconds())
            return sock.recv(RECEIVE_BYTES)

        answer = read_answer(receive, method=method)
        return answer if self.sent else answer._replace(keeps=False)

    def is_fresh(self) -> bool:
        """Whether the server has not hung up, or said what nobody asked for."""
        return self._is_silent()

    def close(self) -> None:
        """Close it."""
        self._sock.close()


class Server:
    """The way to one server and the connections to it. Safe for threads; opens nothing before the first `send`.

    Args:
        base_url: Anything at the server.
        proxy: On the way, or None.
        context: For https.
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
        self._host = self._place.netloc
        self._proxy = proxy
        self._forwarding = proxy is not None and place.scheme == "http"
        if context is not None:
            context.set_alpn_protocols(["http/1.1"])
        self._context = context
        self._connect_seconds = connect_seconds
        self._pool: Pool[_Connection] = Pool(self._where)

    def begin(
        self, method: str, url: str, body: bytes | Upload, headers: tuple[Mapping[str, str], ...], *, ends_at: float
    ) -> Callable[[], Response]:
        """Send one request and return what reads its answer, which must be called, once.

        Args:
            method: As in HTTP.
            url: The whole of it.
            body: Sent as it is.
            headers: All but Host and Content-Length; those with credentials in a mapping whose `repr` hides them.
            ends_at: When the exchange has to be over, on the monotonic clock.

        Raises:
            TlsError: See there.
            TransportError: No usable answer; here, or from what is returned. In doubt exactly when the whole request
                had been handed to the system: of less than that no server can make a request.
        """
        # Where the caller handles an exception, it is the context of all that are raised here.
        outer = sys.exc_info()[1]
        bounds = Bounds(ends_at, self._connect_seconds)
        connection: _Connection | None = None
        begun: _Connection | None = None
        trouble: TransportError | None = None
        try:
            rested = self._pool.take(ends_at)
            try:
                connection = rested or self._connect(bounds)
                # No name here for what holds credentials: this frame is in tracebacks.
                connection.write(_parts(self._head(method, url, len(body), headers), body), bounds)
                begun = connection
            finally:
                if begun is None:
                    self._let_go(connection, keeps=False)
        except FAILURES as error:
            trouble = failure(error, outer, where=self._where, sent=False)
        # Outside the handler, so that no context carries frames with credentials in them.
        if begun is None:
            raise trouble or TransportError(f"{self._where}: nothing was sent", in_doubt=False)
        return partial(self._answer, begun, method, bounds)

    def send(
        self, method: str, url: str, body: bytes | Upload, headers: tuple[Mapping[str, str], ...], *, ends_at: float
    ) -> Response:
        """Send one request and return the answer; see `begin`."""
        return self.begin(method, url, body, headers, ends_at=ends_at)()

    def tidy(self, keep: int = IDLE_CONNECTIONS) -> None:
        """Close connections that rested too long and, while nothing is sent, all but *keep*, the last used."""
        self._pool.tidy(keep)

    def open_connections(self) -> int:
        """Return how many connections are open, in use or idle."""
        return self._pool.open_connections()

    def _answer(self, connection: _Connection, method: str, bounds: Bounds) -> Response:
        outer = sys.exc_info()[1]
        answer: Answer | None = None
        trouble: TransportError | None = None
        bounds.allow(THERE_SECONDS)
        try:
            try:
                answer = connection.read(method, bounds)
            finally:
                self._let_go(connection, keeps=answer is not None and answer.keeps)
        except FAILURES as error:
            trouble = failure(error, outer, where=self._where, sent=connection.sent)
        if answer is None:
            raise trouble or TransportError(f"{self._where}: no answer", in_doubt=True)
        said = answer.headers.get("content-encoding")
        content = decoded(answer.body, said) if said else answer.body
        return Response(status=answer.status, headers=answer.headers, body=content)

    def _let_go(self, connection: _Connection | None, *, keeps: bool) -> None:
        if connection is not None and not keeps:
            connection.close()
        self._pool.give(connection if keeps else None)

    def _connect(self, bounds: Bounds) -> _Connection:
        return _Connection(connect(self._place, self._proxy, self._context, bounds, tunnel=not self._forwarding))

    def _head(self, method: str, url: str, length: int, headers: tuple[Mapping[str, str], ...]) -> bytes:
        """Return the header of a request, with the empty line after it.

        Raises:
            ValueError: Something in it cannot be said there.
        """
        said = {"Host": self._host}
        for group in headers:
            said.update(group)
        target = self._target(url)
        if self._forwarding and self._proxy is not None:
            said.update(self._proxy.headers())
        if length or method not in {"GET", "HEAD"}:
            said["Content-Length"] = str(length)
        values = "".join(said.values())
        # `isprintable` refuses more than `_UNFIT`, in half the time.
        is_unfit = not values.isprintable() and _UNFIT.search(values)
        if is_unfit or "" in said or not _TOKEN.fullmatch(method + "".join(said)):
            msg = "a header that is none"
            raise ValueError(msg)
        lines = "".join([f"{name}: {value}\r\n" for name, value in said.items()])
        return f"{method} {target} HTTP/1.1\r\n{lines}\r\n".encode("latin-1")

    def _target(self, url: str) -> str:
        """Return *url* as the first line of a request names it."""
        found = _ORIGIN.match(url)
        target = url[found.end() :] if found else url
        if not target.startswith("/"):
            target = f"/{target}"
        if not _TARGET.fullmatch(target):
            target = quote(target.partition("#")[0], safe=_KEPT)
        return f"{self._place.scheme}://{self._host}{target}" if self._forwarding else target


def _pieces(part: bytes) -> Iterator[memoryview]:
    view = memoryview(part)
    return (view[start : start + PIECE_BYTES] for start in range(0, len(view), PIECE_BYTES))


def _parts(head: bytes, body: bytes | Upload) -> Iterable[bytes]:
    return (head + body,) if isinstance(body, bytes) else chain((head,), body)


def in_ascii(place: Origin) -> Origin:
    """Return *place* with its host as the name system knows it.

    Raises:
        UnicodeError: No host can have that name.
    """
    if place.host.isascii():
        return place
    from urllib3.util import parse_url  # noqa: PLC0415  loads an HTTP client; few hosts need it

    try:
        host = parse_url(f"{place.scheme}://{place.host}").host
    except ValueError:
        raise UnicodeError("the host has no name in ASCII") from None
    return msgspec.structs.replace(place, host=host or "")


def decoded(raw: bytes, encoding: str) -> bytes:
    """Return *raw* without its content encoding, at most 64 KiB of it.

    We ask for ``identity``; some servers compress all the same. What cannot be decoded is returned as it is, for the
    wire to find that it is no answer it knows.
    """
    if encoding.strip().lower() not in {"gzip", "x-gzip", "deflate"}:
        return raw
    try:
        # 32: gzip and zlib are told apart by their first bytes.
        return zlib.decompressobj(zlib.MAX_WBITS | 32).decompress(raw, MAX_ANSWER_BYTES)
    except zlib.error:
        return raw


def _chain(error: BaseException | None, outer: BaseException | None) -> Iterator[BaseException]:
    while error is not None and error is not outer:
        yield error
        error = error.__cause__ or error.__context__


def failure(error: BaseException, outer: BaseException | None, *, where: str, sent: bool) -> TransportError:
    """Return what *error* means for a request.

    Args:
        error: One of `FAILURES`, with the chain of its causes.
        outer: What the caller was handling when the exchange began; not one of the causes.
        where: Host and port, for the message.
        sent: Whether all of the request had been handed to the system.
    """
    if isinstance(error, TransportError):  # by a body that found its file spoilt, too; its frames hold headers
        error.__cause__ = error.__context__ = None
        return error.with_traceback(None)
    causes = list(_chain(error, outer))

    def met(*kinds: type[BaseException]) -> bool:
        return any(isinstance(error, kinds) for error in causes)

    # Our words only: texts of exceptions quote servers, proxies and headers (reliability.md S3, S19).
    if met(ssl.SSLError) and not met(*_NETWORK) and not sent:
        reason = next((error.reason for error in causes if isinstance(error, ssl.SSLError)), "") or "no match"
        return TlsError(
            f"{where}: TLS failed ({reason}); nothing was sent; is its certificate valid, and its CA known?"
        )
    if met(socket.gaierror, UnicodeError):
        what = "its name could not be resolved"
    elif met(TimeoutError):
        what = "no complete answer in time" if sent else "no connection in time"
    elif met(ConnectionRefusedError):
        what = "the connection was refused"
    elif sent:
        what = f"the answer was cut short or made no sense ({type(causes[-1]).__name__})"
    else:
        what = f"it could not be reached ({type(causes[-1]).__name__})"
    return TransportError(f"{where}: {what}", in_doubt=sent)
