"""A client that sees bytes: what `urllib` would hide, refuse or follow."""

from __future__ import annotations

import json
import socket
from dataclasses import dataclass, field

GUARD_SECONDS = 20.0
"""No read in these tests waits longer; reaching it is a failure."""

CRUMB = {"project": "test/project", "project_version": "1.0"}


@dataclass
class Raw:
    """An answer, as far as it came; `status` 0 when no status line did."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    header_lines: int = 0
    body: bytes = b""
    received: bytes = b""


def raw_exchange(port: int, request: bytes, *, most_bytes: int = 2**20) -> Raw:
    """Send *request* and read until the server closes, or *most_bytes* came."""
    with socket.create_connection(("127.0.0.1", port), timeout=GUARD_SECONDS) as connection:
        connection.sendall(request)
        return parse(read_some(connection, most_bytes))


def read_some(connection: socket.socket, most_bytes: int) -> bytes:
    """Read until the end or *most_bytes*; a connection that was reset counts as ended."""
    received = b""
    while len(received) < most_bytes:
        try:
            piece = connection.recv(65536)
        except ConnectionError:
            break
        if not piece:
            break
        received += piece
    return received


def parse(received: bytes) -> Raw:
    """Return the parts of an answer."""
    head, _, body = received.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    if not first.startswith("HTTP/1.1 "):
        return Raw(received=received)
    headers = {}
    for line in lines:
        name, _, value = line.partition(": ")
        headers[name] = value
    return Raw(int(first.split(" ")[1]), headers, len(lines), body, received)


def post(
    path: str = "/api/breadcrumb?wait=true",
    body: bytes | None = None,
    content_type: str = "application/json",
    *,
    close: bool = True,
    **headers: str,
) -> bytes:
    """Return the bytes of a POST; a good crumb when no body is given."""
    body = json.dumps(CRUMB).encode() if body is None else body
    lines = [f"POST {path} HTTP/1.1", "Host: sink", f"Content-Type: {content_type}", f"Content-Length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    if close:
        lines.append("Connection: close")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body
