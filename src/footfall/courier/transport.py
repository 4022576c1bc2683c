"""The courier's seam to the network: a request and a base URL in, a response out.

On connections of our own (`exchange`, `pool`, `dial`, `answer`): with a server that answers at once nearly all of the
time of an exchange is the client's, and libraries spend it on what a usage server never says. Proxy settings and
certificates are found as by `requests` (`route`). Keep-alive to a loopback server, 300-byte bodies, CPython 3.11,
urllib3 2.8, 2 cores, exchanges a second, median of seven interleaved rounds (one thread / eight):

    requests.Session                      1 850 /  1 750
    urllib3 PoolManager.urlopen           5 250 /  4 300
    http.client, a connection a thread   10 600 /  8 900
    this module, all bounds kept         17 100 / 12 400
"""

from __future__ import annotations

import importlib
import os
import time
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol, cast

from footfall.courier.credentials import NO_TLS_FILES, Headers, TlsFiles
from footfall.courier.route import Origin, origin, present, proxy_for, system_proxies, tls_context
from footfall.courier.uploads import Upload
from footfall.errors import TransportError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from contextlib import AbstractContextManager

    from footfall.courier.exchange import Server
    from footfall.courier.grpc import GrpcServer
    from footfall.wire.base import Request, Response

GRPC: Final = "application/grpc"
"""Requests whose content type begins so are calls of gRPC, over HTTP/2 (`grpc.py`)."""


def preload() -> None:
    """Import what the first exchange would import on its way: on a busy machine that takes longer than a server."""
    for module in ("encodings.idna", "opentelemetry.instrumentation.utils", "footfall.courier.exchange"):
        importlib.import_module(module)


class Transport(Protocol):
    """What carries requests. `HttpTransport` is the real one, `footfall.testing.ScriptedTransport` another."""

    def send(self, request: Request, *, base_url: str, headers: Mapping[str, str], timeout_seconds: float) -> Response:
        """Send *request* once and return the answer, whatever its status.

        Args:
            request: Its path is appended to *base_url*.
            base_url: Without a final slash.
            headers: Credentials, which no request carries itself.
            timeout_seconds: For the whole exchange.

        Raises:
            TransportError: No usable answer; says whether the request may have arrived.
        """
        ...


class BeginningTransport(Transport, Protocol):
    """A transport that can send without waiting for the answer, so that one thread has more than one under way."""

    def begin(
        self, request: Request, *, base_url: str, headers: Mapping[str, str], timeout_seconds: float
    ) -> Callable[[], Response] | None:
        """Send *request* once and return what waits for the answer, which must be called, once.

        Takes and raises what `Transport.send` does, and so does what is returned.

        Returns:
            None, and nothing was sent, where this request can only go by `send`.
        """
        ...


class HttpTransport:
    """Sends over kept-alive connections, HTTP/1.1 or, for gRPC, HTTP/2.

    Safe for threads; opens nothing before the first `send`. Redirects are not followed, cookies not kept, ``.netrc``
    not read. A fork child starts with no connections.

    Args:
        connect_timeout_seconds: Longest wait for a connection, and again for the TLS handshake.
        ca_file: Further certificates to trust, or "".
        version: For ``User-Agent``.
        environ: Names certificate bundles (`route.tls_context`).
        proxies: Returns proxy URLs by scheme; asked once for each server. Default: as `requests` finds them.
        loading: Held while what gRPC needs is imported, for forks to wait for.
        files: Directory of the attachments of requests.
    """

    def __init__(
        self,
        connect_timeout_seconds: float = 2.0,
        ca_file: str = "",
        *,
        version: str = "0",
        environ: Mapping[str, str] = os.environ,
        proxies: Callable[[], Mapping[str, str]] | None = None,
        loading: AbstractContextManager[Any] | None = None,
        files: Path = Path(),
    ) -> None:
        self._connect_timeout_seconds = connect_timeout_seconds
        self._ca_file = ca_file
        self._environ = environ
        self._proxies = proxies
        self._loading = loading or nullcontext()
        self._agent = f"footfall/{version}"
        self._files = files
        self._servers: dict[tuple[Origin, bool, TlsFiles], Server | GrpcServer] = {}
        self._by_url: dict[tuple[str, bool, TlsFiles], Server | GrpcServer] = {}

    def send(self, request: Request, *, base_url: str, headers: Mapping[str, str], timeout_seconds: float) -> Response:
        """Send *request* once; see `Transport.send`.

        Raises:
            TlsError: The server could not be trusted; nothing was sent.
            TransportError: No usable answer.
        """
        ends_at = time.monotonic() + timeout_seconds
        with unobserved():
            server, url, said = self._way(request, base_url, headers)
            if request.attachment is None:
                return server.send(request.method, url, request.body, (said, headers), ends_at=ends_at)
            assert not _is_grpc(request)  # noqa: S101  its messages are framed whole
            body = Upload(request, self._files)
            try:
                return cast("Server", server).send(request.method, url, body, (said, headers), ends_at=ends_at)
            finally:
                body.close()

    def begin(
        self, request: Request, *, base_url: str, headers: Mapping[str, str], timeout_seconds: float
    ) -> Callable[[], Response] | None:
        """Send *request* once, unless it has a file or goes by gRPC; see `BeginningTransport.begin`.

        Raises:
            TlsError: As `send`, here or from what is returned.
            TransportError: Likewise.
        """
        if request.attachment is not None or _is_grpc(request):
            return None
        ends_at = time.monotonic() + timeout_seconds
        with unobserved():
            server, url, said = self._way(request, base_url, headers)
            # The answer is read from the socket itself, which nobody instruments.
            return cast("Server", server).begin(request.method, url, request.body, (said, headers), ends_at=ends_at)

    def _way(
        self, request: Request, base_url: str, headers: Mapping[str, str]
    ) -> tuple[Server | GrpcServer, str, Mapping[str, str]]:
        """Return the server for *request*, its URL there, and its headers but for the credentials."""
        said = {
            "Content-Type": request.content_type,
            "User-Agent": self._agent,
            "Accept": "*/*",
            **dict(request.headers),
            "Accept-Encoding": "identity",
            "Idempotency-Key": request.idempotency_key,
        }
        url = base_url + request.path
        tls = NO_TLS_FILES
        if isinstance(headers, Headers):
            tls = headers.tls
            if headers.sign is not None:
                url = headers.sign(request.method, url)
        is_grpc = _is_grpc(request)
        return self._by_url.get((base_url, is_grpc, tls)) or self._server(base_url, is_grpc, tls), url, said

    def close(self) -> None:
        """Close all idle connections. The transport can be used again."""
        for server in list(self._servers.values()):
            server.tidy(keep=0)

    def open_connections(self) -> int:
        """Return how many connections are open, in use or idle."""
        return sum(server.open_connections() for server in list(self._servers.values()))

    def _server(self, base_url: str, is_grpc: bool, tls: TlsFiles) -> Server | GrpcServer:
        place = origin(base_url)
        if (place, is_grpc, tls) not in self._servers:
            with self._loading if is_grpc else nullcontext():
                make = _grpc() if is_grpc else _http()
            proxy = proxy_for(place, self._proxies() if self._proxies else system_proxies(place))
            context = None
            if place.scheme == "https":
                context = tls_context(ca_file=tls.ca_file or self._ca_file, environ=self._environ)
                present(context, tls)
            server = make(base_url, proxy, context, self._connect_timeout_seconds)
            # By origin: two destinations on one host share its connections, where they are the same to it. Two threads
            # may get here at once; the pool of the second one is never used.
            self._servers.setdefault((place, is_grpc, tls), server)
        server = self._by_url[base_url, is_grpc, tls] = self._servers[place, is_grpc, tls]
        return server


def unobserved() -> AbstractContextManager[None]:
    """Return a block in which instrumentations of HTTP clients in the host see nothing (otel.md section 5).

    They would make spans about us and send ``traceparent`` to usage servers. Within another such block it does nothing.
    """
    # Late: it loads the propagators.
    from opentelemetry.instrumentation.utils import (  # noqa: PLC0415
        is_instrumentation_enabled,
        suppress_instrumentation,
    )

    return suppress_instrumentation() if is_instrumentation_enabled() else _NOTHING


_NOTHING: Final = nullcontext()


def _is_grpc(request: Request) -> bool:
    return request.content_type.startswith(GRPC)


def _http() -> type[Server]:
    from footfall.courier.exchange import Server  # noqa: PLC0415  loads sockets and TLS

    return Server


def _grpc() -> type[GrpcServer]:
    try:
        from footfall.courier.grpc import GrpcServer  # noqa: PLC0415  loads h2, which is an extra
    except ImportError:
        msg = "gRPC needs the package h2; run: pip install footfall[otlp]"
        raise TransportError(msg, in_doubt=False) from None
    return GrpcServer
