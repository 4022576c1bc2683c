"""A connection to a server: name, address, proxy, TLS, each step bounded by what is left of the exchange.

A socket time-out bounds one `recv`, so a server that sends a byte a second holds a client for ever. Here every step
gets what is left of the whole (reliability.md N2), in the answer as well as before.
"""

from __future__ import annotations

import socket
import time
from typing import TYPE_CHECKING, Final

from footfall.courier.answer import read_answer

if TYPE_CHECKING:
    import ssl

    from footfall.courier.route import Origin, Proxy

PIECE_BYTES: Final = 16 * 1024
"""Of a TLS record: `SSLSocket.sendall` grants the time-out to each anew."""


class Bounds:
    """How long an exchange may take.

    Args:
        ends_at: When it has to be over, on the monotonic clock.
        connect_seconds: Longest wait for a connection, and again for the TLS handshake.
    """

    __slots__ = ("connect_seconds", "ends_at")

    def __init__(self, ends_at: float, connect_seconds: float) -> None:
        self.ends_at = ends_at
        self.connect_seconds = connect_seconds

    def left_seconds(self) -> float:
        """Return what is left, for a step of the exchange.

        Raises:
            TimeoutError: Nothing is.
        """
        left = self.ends_at - time.monotonic()
        if left <= 0:
            msg = "the exchange took too long"
            raise TimeoutError(msg)
        return left

    def allow(self, seconds: float) -> None:
        """Let at least *seconds* be left."""
        self.ends_at = max(self.ends_at, time.monotonic() + seconds)

    def step_seconds(self) -> float:
        """Return how long a step of connecting may take; never 0, which would mean not to wait at all."""
        return max(0.001, min(self.connect_seconds, self.ends_at - time.monotonic()))


def connect(
    place: Origin, proxy: Proxy | None, context: ssl.SSLContext | None, bounds: Bounds, *, tunnel: bool
) -> socket.socket:
    """Return a connection to *place*.

    Args:
        place: Its host in ASCII.
        proxy: On the way, or None.
        context: For TLS, or None.
        bounds: Of the exchange.
        tunnel: Whether a proxy is asked for a way through; else it gets the requests themselves.

    Raises:
        OSError: There is no connection: no address, nobody listens, no time left, no trust (`ssl.SSLError`).
        AnswerError: The proxy speaks no HTTP.
        UnicodeError: No host can have that name.
    """
    sock = _reach(proxy.host, proxy.port, bounds) if proxy else _reach(place.host, place.port, bounds)
    try:
        if proxy and tunnel:
            _ask_for_way(sock, place, proxy, bounds)
        if context is not None:
            # The time-out of a handshake holds for the whole of it.
            sock.settimeout(bounds.step_seconds())
            sock = context.wrap_socket(sock, server_hostname=place.host.rstrip("."))
    except BaseException:
        sock.close()
        raise
    return sock


def _reach(host: str, port: int, bounds: Bounds) -> socket.socket:
    trouble = OSError("the name has no address")
    for family, kind, protocol, _, address in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
        sock: socket.socket | None = None
        try:
            sock = socket.socket(family, kind, protocol)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.settimeout(bounds.step_seconds())
            sock.connect(address)
        except OSError as error:
            trouble = error
            if sock is not None:
                sock.close()
        else:
            return sock
    raise trouble


def _ask_for_way(sock: socket.socket, place: Origin, proxy: Proxy, bounds: Bounds) -> None:
    """Have *proxy* lead to *place* what is sent from now on."""
    host = f"[{place.host}]" if ":" in place.host else place.host
    lines = [f"CONNECT {host}:{place.port} HTTP/1.1", f"Host: {host}:{place.port}"]
    lines += [f"{name}: {value}" for name, value in proxy.headers().items()]

    def receive() -> bytes:
        sock.settimeout(bounds.step_seconds())
        return sock.recv(1)  # what comes after the header is the server's

    sock.settimeout(bounds.step_seconds())
    sock.sendall("\r\n".join([*lines, "", ""]).encode("latin-1"))
    answer = read_answer(receive, method="CONNECT")
    if answer.status >= 300:
        msg = f"the proxy answered {answer.status}"
        raise OSError(msg)
