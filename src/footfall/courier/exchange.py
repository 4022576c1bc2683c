"""One HTTP exchange, bounded in time and size: urllib3's pools, with connections that keep a deadline.

A socket time-out bounds one `recv`, so a server that sends a byte a second holds a client for ever. Here every step,
connect, handshake, `send` and `recv`, gets what is left of the exchange (reliability.md N2), in the header as well as
in the body. At most 64 KiB of an answer are read, decoded or not (S9); `http.client` stops at 100 header lines (S14).

Importing this module loads urllib3.
"""

from __future__ import annotations

import http.client
import io
import logging
import os
import queue
import socket
import ssl
import sys
import threading
import time
import weakref
import zlib
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, PoolManager, ProxyManager
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import EmptyPoolError, HTTPError, LocationValueError, SSLError
from urllib3.util import Retry
from urllib3.util.connection import create_connection

from footfall.courier.route import Origin, Proxy, TlsError, origin
from footfall.errors import TransportError
from footfall.wire.base import Response

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from urllib3 import BaseHTTPResponse

MAX_ANSWER_BYTES: Final = 64 * 1024
"""Larger answers are cut here, and their connection is closed."""

MAX_CONNECTIONS: Final = 8
"""To one server at once (design.md section 4)."""

IDLE_CONNECTIONS: Final = 2
"""Kept to one server while nothing is sent (reliability.md P10)."""

IDLE_SECONDS: Final = 30.0
"""A connection that rested longer is not used again: servers and firewalls forget it without a word."""

PIECE_BYTES: Final = 16 * 1024
"""Of a TLS record: `SSLSocket.sendall` grants the time-out to each anew."""

_NO_DELAY: Final[list[tuple[int, int, int | bytes]]] = [(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)]
_OPTIONS: Final[dict[str, Any]] = {
    "retries": Retry(total=False),
    "redirect": False,
    "assert_same_host": False,
    "preload_content": False,
    "decode_content": False,
    "enforce_content_length": True,
}
_NETWORK: Final = (ssl.SSLEOFError, ssl.SSLZeroReturnError, ssl.SSLSyscallError, TimeoutError, ConnectionError)
"""What a bad network makes of a TLS handshake; its other errors are about trust or protocol."""

FAILURES: Final = (HTTPError, OSError, http.client.HTTPException, ValueError)
"""What an exchange may raise. ValueError: names that IDNA cannot encode, headers that are none."""


class _Exchange(threading.local):
    """What this thread is at: urllib3 does all of an exchange in the thread that asked for it."""

    running = False
    ends_at = 0.0  # monotonic
    connect_seconds = 0.0
    sent = False  # all of the request was handed to the system

    def left_seconds(self) -> float:
        left = self.ends_at - time.monotonic()
        if left <= 0:
            msg = "the exchange took too long"
            raise TimeoutError(msg)
        return left

    def step_seconds(self) -> float:
        # Never 0, which would mean not to wait at all.
        return max(0.001, min(self.connect_seconds, self.ends_at - time.monotonic()))


_exchange = _Exchange()


class _DeadlineReader(io.RawIOBase):
    """The receiving side of a socket; each read waits no longer than the exchange may still last."""

    def __init__(self, sock: socket.socket, raw: io.RawIOBase) -> None:
        self.ended = False
        self._sock, self._raw = sock, raw

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int | None:
        self._sock.settimeout(_exchange.left_seconds())
        count = self._raw.readinto(buffer)
        self.ended = count == 0
        return count

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Answer(http.client.HTTPResponse):
    """A server's answer, or a proxy's to CONNECT, read through a `_DeadlineReader`."""

    def __init__(self, sock: socket.socket, *arguments: Any, **keywords: Any) -> None:
        super().__init__(sock, *arguments, **keywords)
        self._reader = _DeadlineReader(sock, self.fp.detach())
        self.fp = io.BufferedReader(self._reader)

    def begin(self) -> None:
        super().begin()
        # `http.client` takes the end of the connection for the end of the header: "HTTP/1.1 200" and no more, or a
        # header cut before its Content-Length, would pass for a yes. Of the interim answers it passes over 100 only.
        if self._reader.ended or self.status < 200:
            msg = "the header was cut, or an interim one"
            raise http.client.HTTPException(msg)


class _Connection(HTTPConnection):
    response_class = _Answer
    used_at = 0.0
    _gathered: list[bytes] | None = None

    def _new_conn(self) -> socket.socket:
        # urllib3's SOCKS support replaces this method too. Its own grants the time-out to each of a name's addresses.
        trouble = OSError("the name has no address")
        for *_, place in socket.getaddrinfo(self._dns_host, self.port, type=socket.SOCK_STREAM):
            try:
                address = str(place[0]), self.port
                sock = create_connection(address, _exchange.step_seconds(), socket_options=_NO_DELAY)
            except OSError as error:  # noqa: PERF203  each address may fail
                trouble = error
            else:
                # What is left also bounds the TLS handshake, whose time-out holds for the whole of it.
                sock.settimeout(_exchange.step_seconds())
                return sock
        raise trouble

    def request(self, *arguments: Any, **keywords: Any) -> None:
        if self.sock is None:
            self.connect()
        # Header and body go out together: apart they are a packet more, and servers read twice.
        self._gathered = []
        try:
            super().request(*arguments, **keywords)
            whole = b"".join(self._gathered)
        finally:
            self._gathered = None
        self.send(whole)
        _exchange.sent, self.used_at = True, time.monotonic()

    def send(self, data: Any) -> None:
        if self._gathered is not None:
            self._gathered.append(bytes(data))
            return
        view = memoryview(data)
        for start in range(0, len(view), PIECE_BYTES):
            self.sock.settimeout(_exchange.left_seconds())
            super().send(view[start : start + PIECE_BYTES])


class _TlsConnection(_Connection, HTTPSConnection):
    pass


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection  # pyright: ignore[reportAssignmentType]  urllib3's own does not fit its protocol either


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = _TlsConnection  # pyright: ignore[reportAssignmentType]  the same


_POOLS: Final[dict[str, Any]] = {"http": _Pool, "https": _TlsPool}

Shelf: TypeAlias = "queue.LifoQueue[_Connection | None]"
"""A pool's places for connections, open, closed or None; those in use are not on it."""

_shelves: weakref.WeakSet[Shelf] = weakref.WeakSet()


def _after_fork() -> None:
    # Another thread may have held the mutex, which urllib3 takes at exit. Closing a copied descriptor ends nothing for
    # the parent.
    for shelf in _shelves:
        for connection in shelf.queue:
            if connection:
                connection.close()
        queue.Queue.__init__(shelf, MAX_CONNECTIONS)  # pyright: ignore[reportUnknownMemberType]  any items
        shelf.queue.extend([None] * MAX_CONNECTIONS)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def _is_foreign(_: logging.LogRecord) -> bool:
    return not _exchange.running


# Guests do not write into a host's logs: urllib3 would log each request at DEBUG, and headers of an odd server, with a
# traceback, at WARNING.
for _name in ("urllib3.connectionpool", "urllib3.connection", "urllib3.response"):
    logging.getLogger(_name).addFilter(_is_foreign)


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
        self._connect_seconds = connect_seconds
        self._forwarding = proxy is not None and place.scheme == "http"
        options: dict[str, Any] = {"maxsize": MAX_CONNECTIONS, "block": True, "ssl_context": context}
        if proxy:
            manager: PoolManager = ProxyManager(proxy.url, proxy_headers=dict(proxy.headers()), **options)
        else:
            manager = PoolManager(**options)
        manager.pool_classes_by_scheme = _POOLS
        try:
            self._pool = manager.connection_from_url(base_url)
        except LocationValueError as error:
            raise failure(error, None, where=self._where, sent=False) from None
        shelf = self._pool.pool
        assert shelf is not None  # noqa: S101  only of closed pools, and none is
        self._shelf: Shelf = shelf
        _shelves.add(shelf)

    def send(
        self, method: str, url: str, body: bytes, headers: tuple[Mapping[str, str], ...], *, ends_at: float
    ) -> Response:
        """Send one request and return the answer.

        Args:
            method: As in HTTP.
            url: The whole of it.
            body: Sent as it is.
            headers: All but Host and Content-Length; those with credentials in a mapping whose `repr` hides them.
            ends_at: When the exchange has to be over, on the monotonic clock.

        Raises:
            TlsError: See there.
            TransportError: No usable answer. In doubt exactly when the whole request had been handed to the system:
                of less than that no server can make a request.
        """
        # Not the manager's `urlopen`, which would do this too: it parses the URL twice, a sixth of the whole cost.
        if self._forwarding:
            headers = (*headers, {"Host": self._where})
        else:
            url = "/" + url.split("/", 3)[3]
        # Where the caller handles an exception, it is the context of all that are raised here.
        outer = sys.exc_info()[1]
        _exchange.ends_at, _exchange.connect_seconds = ends_at, self._connect_seconds
        _exchange.running, _exchange.sent = True, False
        self.tidy()
        try:
            answer = self._pool.urlopen(
                method,
                url,
                body=body or None,
                headers={name: value for group in headers for name, value in group.items()},
                pool_timeout=_exchange.left_seconds(),  # type: ignore[arg-type]  # it is for `Queue.get`
                **_OPTIONS,
            )
            return _read(answer)
        except FAILURES as error:
            trouble = failure(error, outer, where=self._where, sent=_exchange.sent)
        finally:
            _exchange.running = False
            self.tidy()
        # Outside the handler, so that no context carries the frames of urllib3 and the headers in them.
        raise trouble

    def tidy(self, keep: int = IDLE_CONNECTIONS) -> None:
        """Close connections that rested too long and, while nothing is sent, all but *keep*, the last used."""
        with self._shelf.mutex:
            idle = [connection for connection in self._shelf.queue if connection and connection.sock]
            surplus = len(idle) - keep if len(self._shelf.queue) == MAX_CONNECTIONS else 0
            oldest = time.monotonic() - IDLE_SECONDS
            for number, connection in enumerate(idle):
                if number < surplus or connection.used_at < oldest:
                    connection.close()

    def open_connections(self) -> int:
        """Return how many connections are open, in use or idle."""
        with self._shelf.mutex:
            places = self._shelf.queue
            idle = sum(1 for connection in places if connection and connection.sock)
            return MAX_CONNECTIONS - len(places) + idle


def _read(answer: BaseHTTPResponse) -> Response:
    raw = b""
    try:
        while len(raw) <= MAX_ANSWER_BYTES and (piece := answer.read(MAX_ANSWER_BYTES + 1 - len(raw))):
            raw += piece
        if len(raw) > MAX_ANSWER_BYTES:
            answer.close()
    finally:
        answer.release_conn()
    headers = {name.lower(): value for name, value in answer.headers.itermerged()}
    body = decoded(raw[:MAX_ANSWER_BYTES], headers.get("content-encoding", ""))
    return Response(status=answer.status, headers=headers, body=body)


def decoded(raw: bytes, encoding: str) -> bytes:
    """Return *raw* without its content encoding, at most 64 KiB of it; urllib3 before 2.6 knows no such limit.

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


def connect(place: Origin, proxy: Proxy | None, *, connect_seconds: float, ends_at: float) -> socket.socket:
    """Return a connection to *place* for another protocol, within the bounds of an exchange.

    Args:
        place: Its scheme does not matter: what is returned speaks no TLS yet.
        proxy: Asked for a tunnel, or None for the direct way.
        connect_seconds: Longest wait for a connection.
        ends_at: When the exchange has to be over, on the monotonic clock.
    """
    _exchange.ends_at, _exchange.connect_seconds = ends_at, connect_seconds
    _exchange.running = True
    try:
        if proxy is None:
            connection = _Connection(place.host, place.port)
        else:
            connection = _Connection(proxy.host, proxy.port)
            connection.set_tunnel(place.host, place.port, headers=dict(proxy.headers()))
        connection.connect()
        sock, connection.sock = connection.sock, None
        return sock
    finally:
        _exchange.running = False


def failure(error: BaseException, outer: BaseException | None, *, where: str, sent: bool) -> TransportError:
    """Return what *error* means for a request.

    Args:
        error: One of `FAILURES`, with the chain of its causes.
        outer: What the caller was handling when the exchange began; not one of the causes.
        where: Host and port, for the message.
        sent: Whether all of the request had been handed to the system.
    """
    if isinstance(error, TransportError):
        return error
    chain = list(_chain(error, outer))

    def met(*kinds: type[BaseException]) -> bool:
        return any(isinstance(error, kinds) for error in chain)

    # Our words only: texts of exceptions quote servers, proxies and headers (reliability.md S3, S19).
    if met(ssl.SSLError, SSLError) and not met(*_NETWORK) and not sent:
        reason = next((error.reason for error in chain if isinstance(error, ssl.SSLError)), "") or "no match"
        return TlsError(
            f"{where}: TLS failed ({reason}); nothing was sent; is its certificate valid, and its CA known?"
        )
    if met(EmptyPoolError):
        what = f"all {MAX_CONNECTIONS} connections are in use"
    elif met(socket.gaierror, UnicodeError, LocationValueError):
        what = "its name could not be resolved"
    elif met(TimeoutError):
        what = "no complete answer in time" if sent else "no connection in time"
    elif met(ConnectionRefusedError):
        what = "the connection was refused"
    elif sent:
        what = f"the answer was cut short or made no sense ({type(chain[-1]).__name__})"
    else:
        what = f"it could not be reached ({type(chain[-1]).__name__})"
    return TransportError(f"{where}: {what}", in_doubt=sent)
