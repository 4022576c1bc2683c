"""Loopback servers that cost as little as possible, in a thread of the measuring process, which idles in a round."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass

ANSWER_BODY = b'{"code":"ACCEPTED","details":null,"success":true,"message":""}'
"""What a ramen server and a migas server say when they take a request, in one."""


@dataclass
class Traffic:
    """What went over the wire, headers included; counted in the server's threads.

    Attributes:
        requests: Answered ones.
        received: Bytes of them.
        sent: Bytes of the answers.
    """

    requests: int = 0
    received: int = 0
    sent: int = 0


def reply(status: str, body: bytes = b"", content_type: str = "application/json") -> bytes:
    """Return an answer as bytes, such as ``reply("201 Created", b"{}")``."""
    return b"HTTP/1.1 %s\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s" % (
        status.encode(),
        content_type.encode(),
        len(body),
        body,
    )


def _converse(
    connection: socket.socket, delay_seconds: float, answer: bytes, traffic: Traffic, lock: threading.Lock
) -> None:
    buffer = b""
    with connection, contextlib.suppress(OSError):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while data := connection.recv(65536):
            buffer += data
            head, ended, rest = buffer.partition(b"\r\n\r\n")
            _, found, length = head.lower().partition(b"content-length:")
            wanted = int(length.split(b"\r\n", 1)[0]) if found else 0
            if not ended or len(rest) < wanted:
                continue
            buffer = rest[wanted:]
            if answer:
                if delay_seconds:
                    time.sleep(delay_seconds)
                with lock:  # before the client can know: whoever saw the last answer finds it counted
                    traffic.requests += 1
                    traffic.received += len(head) + len(ended) + wanted
                    traffic.sent += len(answer)
                connection.sendall(answer)


@contextlib.contextmanager
def serving(
    delay_seconds: float = 0.0, *, answers: bool = True, answer: bytes = b"", traffic: Traffic | None = None
) -> Iterator[str]:
    """Serve on a free port, a blocking thread a connection, and give its ``host:port``.

    An event loop would take longer over a request than our client does, and that would be measured.

    Args:
        delay_seconds: How long each request waits for its answer.
        answers: False: requests are read and never answered.
        answer: In place of what ramen and migas servers say.
        traffic: Where requests and bytes are counted.
    """
    given = (answer or reply("202 Accepted", ANSWER_BODY)) if answers else b""
    counted, lock = traffic or Traffic(), threading.Lock()
    listener = socket.create_server(("127.0.0.1", 0), backlog=64)

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                arguments = (connection, delay_seconds, given, counted, lock)
                threading.Thread(target=_converse, args=arguments, daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    with listener:
        yield f"127.0.0.1:{listener.getsockname()[1]}"
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)


@contextlib.contextmanager
def refusing() -> Iterator[str]:
    """Give a ``host:port`` that refuses every connection: bound, so that nobody else takes it, and not listening."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{bound.getsockname()[1]}"
