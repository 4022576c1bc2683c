"""One HTTP/1.1 answer out of bytes, bounded in every direction (RFC 9110, RFC 9112; reliability.md S9, S14).

`http.client` makes an e-mail of each header, which takes as long as all the rest of an exchange with a quick server.
This reads what usage servers say: a status line, header fields, and a body that is sized, chunked or ended by the
connection. What is unusual and harmless is passed over, and its connection not used again; what leaves open where the
answer ends is no answer. ``tests/courier/test_answer.py`` compares it with `http.client`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

MAX_ANSWER_BYTES: Final = 64 * 1024
"""Larger bodies are cut here, and their connection is closed."""

MAX_HEAD_BYTES: Final = 64 * 1024
MAX_HEADER_LINES: Final = 100
"""Of one answer, with the interim ones before it; and again of what follows a chunked body."""

MAX_HEARD_BYTES: Final = 16 * MAX_ANSWER_BYTES
"""Of everything that a server says in one exchange: chunks may be small, and may say things about themselves."""

MAX_LINE_BYTES: Final = 4096
"""Of the line before a chunk, and of one after the last."""

Receive: TypeAlias = "Callable[[], bytes]"
"""Returns what came next, of any length; nothing when the connection has ended."""

_HEAD_ENDS: Final = re.compile(rb"\r?\n\r?\n")
_STATUS: Final = re.compile(r"HTTP/1\.([0-9])[ \t]+([1-9][0-9]{2})(?:[ \t].*)?", re.DOTALL)
_FOLD: Final = re.compile(r"\r?\n[ \t]+")
_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_LENGTH: Final = re.compile(r"[0-9]{1,18}")
_CHUNK: Final = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(?:;.*)?", re.DOTALL)


class AnswerError(Exception):
    """What came is no HTTP answer, or not all of one."""


class Answer(NamedTuple):
    """An answer.

    Attributes:
        status: From 200 on.
        headers: By names in lower case; repeated ones are joined with commas.
        body: As it came, its content encoding and all; at most `MAX_ANSWER_BYTES`.
        keeps: Whether the connection can carry another exchange.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    keeps: bool


def read_answer(receive: Receive, *, method: str) -> Answer:
    """Return the answer to a request, passing over ``100 Continue``.

    Args:
        receive: The connection.
        method: Of the request; an answer to HEAD has no body, and neither has a yes to CONNECT.

    Raises:
        AnswerError: It is none. Whatever *receive* raises is passed on.
    """
    stream, lines_left = _Stream(receive), MAX_HEADER_LINES
    while True:
        text = stream.head()
        if "\n " in text or "\n\t" in text:
            text = _FOLD.sub(" ", text)
        first, *lines = text.split("\n")
        lines_left -= len(lines)
        found = _STATUS.fullmatch(first.rstrip("\r"))
        if found is None or lines_left < 0:
            msg = "no status line, or too many header lines"
            raise AnswerError(msg)
        minor, status = found.group(1), int(found.group(2))
        if status >= 200:
            break
        if status != 100:
            msg = "an interim answer"
            raise AnswerError(msg)
        lines_left -= 1  # a flood of empty ones comes to its end, too
    headers, keeps = _fields(lines)
    if minor == "0":
        keeps = keeps and "keep-alive" in headers.get("connection", "").lower()
    else:
        keeps = keeps and "close" not in headers.get("connection", "").lower()
    if method == "HEAD" or status in {204, 304} or (method == "CONNECT" and status < 300):
        body, ends = b"", True
    elif "transfer-encoding" in headers:
        if headers["transfer-encoding"].lower() != "chunked":
            msg = "a transfer encoding that nobody asked for"
            raise AnswerError(msg)
        keeps = keeps and "content-length" not in headers
        body, ends = stream.chunks()
    elif "content-length" in headers:
        length = _length(headers["content-length"])
        body, ends = stream.take(min(length, MAX_ANSWER_BYTES)), length <= MAX_ANSWER_BYTES
    else:
        body, ends = stream.rest(), False
    return Answer(status, headers, body, keeps and ends and stream.is_empty())


def _fields(lines: list[str]) -> tuple[dict[str, str], bool]:
    """Return the header fields, and whether every line was one."""
    headers: dict[str, str] = {}
    whole = True
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon or not _NAME.fullmatch(name):
            whole = False
            continue
        key, value = name.lower(), value.strip(" \t\r")
        headers[key] = f"{headers[key]}, {value}" if key in headers else value
    return headers, whole


def _length(text: str) -> int:
    """Return the length that *text* says, perhaps more than once."""
    if _LENGTH.fullmatch(text):
        return int(text)
    said = {each.strip(" \t") for each in text.split(",")}
    length = said.pop()
    if said or not _LENGTH.fullmatch(length):
        msg = "no length"
        raise AnswerError(msg)
    return int(length)


class _Stream:
    """What came and was not used yet."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._buffer = bytearray()
        self._heard_bytes = 0

    def is_empty(self) -> bool:
        """Whether everything that came was used."""
        return not self._buffer

    def head(self) -> str:
        """Return status line and header lines, without the empty line after them."""
        buffer, looked = self._buffer, 0
        if not buffer:
            self._more()
        while (found := _HEAD_ENDS.search(buffer, looked)) is None:
            if not buffer.startswith(b"HTTP/"[: len(buffer)]) or len(buffer) > MAX_HEAD_BYTES:
                msg = "no HTTP, or a header too long"
                raise AnswerError(msg)
            looked = max(0, len(buffer) - 3)
            self._more()
        if found.end() > MAX_HEAD_BYTES:
            msg = "a header too long"
            raise AnswerError(msg)
        text = buffer[: found.start()].decode("latin-1")
        del buffer[: found.end()]
        return text

    def take(self, count: int) -> bytes:
        """Return the next *count* bytes."""
        buffer = self._buffer
        while len(buffer) < count:
            self._more()
        taken = bytes(buffer[:count])
        del buffer[:count]
        return taken

    def rest(self) -> bytes:
        """Return what comes until the connection ends, or as much of it as may be read."""
        buffer = self._buffer
        while len(buffer) < MAX_ANSWER_BYTES and (piece := self._receive()):
            buffer += piece
        return bytes(buffer[:MAX_ANSWER_BYTES])

    def chunks(self) -> tuple[bytes, bool]:
        """Return a chunked body or as much of it as may be read, and whether that was all."""
        body = bytearray()
        while size := self._chunk_size():
            room = MAX_ANSWER_BYTES - len(body)
            body += self.take(min(size, room))
            if size > room:
                return bytes(body), False
            if self._line():
                msg = "a chunk longer than it said"
                raise AnswerError(msg)
        for _ in range(MAX_HEADER_LINES):
            if not self._line():
                return bytes(body), True
        msg = "too many lines after the last chunk"
        raise AnswerError(msg)

    def _chunk_size(self) -> int:
        found = _CHUNK.fullmatch(self._line())
        if found is None:
            msg = "no size of a chunk"
            raise AnswerError(msg)
        return int(found.group(1), 16)

    def _line(self) -> bytes:
        """Return the next line without its end."""
        buffer, looked = self._buffer, 0
        while (end := buffer.find(b"\n", looked)) < 0 and len(buffer) <= MAX_LINE_BYTES:
            looked = len(buffer)
            self._more()
        if not 0 <= end <= MAX_LINE_BYTES:
            msg = "a line too long"
            raise AnswerError(msg)
        line = bytes(buffer[:end]).removesuffix(b"\r")
        del buffer[: end + 1]
        return line

    def _more(self) -> None:
        piece = self._receive()
        self._heard_bytes += len(piece)
        if not piece or self._heard_bytes > MAX_HEARD_BYTES:
            msg = "the answer was cut, or has no end"
            raise AnswerError(msg)
        self._buffer += piece
