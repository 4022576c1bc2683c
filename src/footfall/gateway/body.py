"""Bodies of requests, within limits that hold while they come and while they are unpacked (reliability.md G2, S9)."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final, TypeAlias

from footfall.gateway.configuration import Limits

Receive: TypeAlias = Callable[[], Awaitable[MutableMapping[str, Any]]]
"""Of ASGI: the next part of a request."""

GZIP: Final = "gzip"

SMALL_BYTES: Final = 2**20
"""Unpacked bodies up to so much may have any ratio: thousands of equal records are no attack."""

DRAIN_BYTES: Final = 64 * 2**20
DRAIN_SECONDS: Final = 2.0
"""What is read and thrown away after a refusal: who is still sending would see a reset instead of the answer."""

_PIECE_BYTES: Final = 64 * 1024


class BodyError(Exception):
    """A request whose body is not taken, or not even read.

    Args:
        status: Of the answer.
        text: For its body; quotes nothing.
    """

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.text = text


class GoneError(Exception):
    """The sender hung up: there is nobody to answer."""


class Room:
    """Bytes of all bodies that are being read or worked on. For one event loop.

    Args:
        most_bytes: Beyond which bodies are answered 503.
    """

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self.used_bytes = 0

    def take(self, number: int) -> None:
        """Count *number* bytes more.

        Raises:
            BodyError: There is no room.
        """
        if self.used_bytes + number > self._most_bytes:
            raise BodyError(503, "too many bodies at once; send it again")
        self.used_bytes += number

    def give_back(self, number: int) -> None:
        """Count *number* bytes less."""
        self.used_bytes -= number


async def read(receive: Receive, *, declared: int | None, limits: Limits, room: Room) -> bytes:
    """Return the body of a request; who calls gives its length back to *room* when it is done with it.

    A slow one is answered 503, not 400 or 408: what is slow today is not wrong, and senders of OTLP throw away what
    they get a 400 for, and do not know 408.

    Args:
        receive: Of ASGI.
        declared: Its Content-Length, where there is one.
        limits: Size and time.
        room: For all bodies together.

    Raises:
        BodyError: It is too large, too slow, or there is no room.
        GoneError: The sender hung up.
    """
    _check_size(declared or 0, limits)
    deadline = asyncio.get_running_loop().time() + limits.body_seconds
    pieces: list[bytes] = []
    size = 0
    try:
        while True:
            piece, more = await _next(receive, deadline)
            _check_size(size + len(piece), limits)
            room.take(len(piece))
            size += len(piece)
            pieces.append(piece)
            if not more:
                return b"".join(pieces) if len(pieces) > 1 else piece
    except BaseException:
        room.give_back(size)
        raise


def _check_size(size: int, limits: Limits) -> None:
    if size > limits.body_bytes:
        raise BodyError(413, f"the body has more than {limits.body_bytes} bytes")


async def drain(receive: Receive) -> bool:
    """Read what is left of a body and throw it away; return whether it came to its end."""
    deadline = asyncio.get_running_loop().time() + DRAIN_SECONDS
    left = DRAIN_BYTES
    try:
        while left > 0:
            piece, more = await _next(receive, deadline)
            left -= len(piece)
            if not more:
                return True
    except (BodyError, GoneError):
        pass
    return False


async def _next(receive: Receive, deadline: float) -> tuple[bytes, bool]:
    left = deadline - asyncio.get_running_loop().time()
    try:
        message = await asyncio.wait_for(receive(), max(left, 0.001))
    except asyncio.TimeoutError:
        raise BodyError(503, "the body came too slowly; send it again") from None
    if message["type"] == "http.disconnect":
        raise GoneError
    return message.get("body", b""), message.get("more_body", False)


def unpacked(packed: bytes, limits: Limits) -> bytes:
    """Return what the gzip text *packed* holds. At no time more than the limit and a piece is in memory.

    Raises:
        BodyError: It is no gzip, has something behind it, or holds more than *limits* allow.
    """
    unpacker = zlib.decompressobj(wbits=31)
    pieces: list[bytes] = []
    size = 0
    most = limits.unpacked_bytes
    given = packed
    try:
        while not unpacker.eof:
            piece = unpacker.decompress(given, _PIECE_BYTES)
            given = unpacker.unconsumed_tail
            size += len(piece)
            pieces.append(piece)
            if size > most or size > max(SMALL_BYTES, limits.ratio * len(packed)):
                raise BodyError(413, f"the body unpacks to more than {most} bytes, or {limits.ratio} times its size")
            if not piece and not given and not unpacker.eof:
                raise BodyError(400, "the gzip body is cut off")
    except zlib.error:
        raise BodyError(400, "the body is not gzip") from None
    if unpacker.unused_data:
        raise BodyError(400, "something follows the gzip body")
    return b"".join(pieces)
