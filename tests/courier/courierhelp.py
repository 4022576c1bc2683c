"""A loopback server whose every byte a test decides, and certificates made on the spot."""

from __future__ import annotations

import contextlib
import socket
import ssl
import subprocess
import threading
from dataclasses import dataclass, field

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@dataclass
class Received:
    """One request as it came in."""

    line: str
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


class Loopback:
    """Accepts connections, reads requests, and lets *handle* answer on the raw socket.

    `handle(connection, received)` returns anything but False to go on with the same connection.
    """

    def __init__(self, handle=None, *, tls=None, greet=None):
        self.handle = handle or (lambda connection, received: connection.sendall(OK))
        self.greet = greet
        self.tls = tls
        self.received: list[Received] = []
        self.connections = 0
        self.closed = 0
        self.stopped = threading.Event()
        self._open: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self._listener.getsockname()[1]
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}"
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stopped.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in list(self._open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(20)
            assert not thread.is_alive()

    def _accept(self):
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            self._open.append(connection)
            thread = threading.Thread(target=self._serve, args=(connection,))
            self._threads.append(thread)
            thread.start()

    def _serve(self, raw):
        try:
            self._converse(raw)
        finally:
            self.closed += 1

    def _converse(self, raw):
        # The raw socket is closed whatever becomes of TLS on top of it.
        with raw, contextlib.suppress(OSError, ValueError):
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection = raw
            if self.greet and self.greet(raw) is False:
                return
            if self.tls:
                connection = self.tls.wrap_socket(raw, server_side=True)
            with connection, connection.makefile("rb") as stream:
                while (received := self._read(stream)) is not None:
                    self.received.append(received)
                    if self.handle(connection, received) is False:
                        return

    @staticmethod
    def _read(stream):
        line = stream.readline()
        if not line:
            return None
        received = Received(line.decode().strip())
        while (header := stream.readline().strip()) != b"":
            name, _, value = header.decode("latin-1").partition(":")
            received.headers[name.lower()] = value.strip()
        received.body = stream.read(int(received.headers.get("content-length", 0)))
        return received


def answer(head: str = "200 OK", body: bytes = b"", *headers: str, length: bool = True):
    """A handler that gives this answer."""
    lines = [f"HTTP/1.1 {head}", *headers, *([f"Content-Length: {len(body)}"] if length else [])]
    raw = "\r\n".join([*lines, "", ""]).encode("latin-1") + body
    return lambda connection, received: connection.sendall(raw)


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def certificate(folder, *, name="127.0.0.1", days=2):
    """A self-signed certificate for *name*; returns the path of certificate and key in one file."""
    key, chain, both = folder / "key.pem", folder / "chain.pem", folder / f"{name}.pem"
    kind = "IP" if name[0].isdigit() else "DNS"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
            *("-keyout", key, "-out", chain, "-days", str(days), "-subj", f"/CN={name}"),
            *("-addext", f"subjectAltName={kind}:{name}"),
        ],
        check=True,
        capture_output=True,
        timeout=60,
    )
    both.write_bytes(key.read_bytes() + chain.read_bytes())
    return both


def server_context(pem, *, newest=None):
    """A server's TLS context with that certificate; *newest* limits the version."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    if newest:
        context.set_ciphers("ALL:@SECLEVEL=0")
        context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
        context.maximum_version = newest
    return context
