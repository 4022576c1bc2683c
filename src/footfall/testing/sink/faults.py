"""From the honest answer to what the client meets: replacing answers, and the ways to not deliver one.

`disturb` decides, `Delivery.perform` does it to the socket.
"""

from __future__ import annotations

import contextlib
import zlib
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Final, NoReturn

from footfall.testing.sink import access, migas, otlp, ramen, tracker
from footfall.testing.sink.exchange import HTML, JSON, Answer, Asked, text_answer
from footfall.testing.sink.modes import Mode, Rule, parse_mode

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Mapping

OK: Final = parse_mode("ok")

NOT_THE_APPLICATION: Final = "<html><head><title>{0}</title></head><body><h1>{0}</h1><hr>nginx</body></html>"
PORTAL: Final = "<!doctype html><html><body><form action='/login'>Welcome! Please sign in to use the network.</form>"

_NOT_TAKEN: Final = frozenset({"garbage", "hang", "interim", "noanswer"})
_NO_STATUS: Final = frozenset({"garbage", "hang", "interim", "lostack", "noanswer"})
_MEBIBYTE: Final = 2**20
_CUT: Final = frozenset({"closemid", "garbage", "hang", "huge", "interim", "lostack", "noanswer"})


@dataclass(frozen=True)
class Disturbed:
    """What became of an honest answer.

    Attributes:
        mode: The one that struck, or ``ok``.
        answer: Its records stay the honest ones: the journal tells what a refused request carried.
        status: What reaches the client; None where no final status does.
    """

    mode: Mode
    answer: Answer
    status: int | None


def disturb(rule: Rule, wire: str, asked: Asked, honest: Answer) -> Disturbed:
    """Return what *rule* makes of *honest*, the application's answer to *asked*."""
    if not rule.strikes():
        return Disturbed(OK, honest, honest.status)
    mode = rule.mode
    given = _instead(mode, wire, asked)
    yes = given is None or (wire == "access" and access.is_yes(given))
    accepted = honest.accepted and yes and mode.name not in _NOT_TAKEN
    answer = replace(given or honest, records=honest.records, accepted=accepted)
    return Disturbed(mode, answer, None if mode.name in _NO_STATUS else answer.status)


def _instead(mode: Mode, wire: str, asked: Asked) -> Answer | None:
    """Return the answer that *mode* gives in place of the application's, if it does."""
    if mode.name == "ratelimit":
        if wire == "access":
            return access.too_many(*_retry_after(mode))
        return _TOO_MANY.get(wire, migas.too_many)(asked, *_retry_after(mode))
    if mode.name == "badjson" and wire in {"insights", "ramen"}:
        return Answer(202, (("content-type", JSON),), b'{"code":')
    instead = _INSTEAD.get(mode.name)
    return instead(mode) if instead is not None else None


def _json_ok(body: bytes, *headers: tuple[str, str]) -> Answer:
    return Answer(200, (("content-type", JSON), *headers, *migas.BACKEND), body)


def _page(status: int, *headers: tuple[str, str]) -> Answer:
    if status in {204, 304}:
        return Answer(status, headers)
    return text_answer(status, NOT_THE_APPLICATION.format(status), *headers, content_type=HTML)


def _retry_after(mode: Mode) -> list[tuple[str, str]]:
    return [("retry-after", mode.tail)] if mode.tail else []


@lru_cache(maxsize=2)
def _bomb(mebibytes: int) -> bytes:
    """Return a gzip member of *mebibytes* of zeros; about one thousandth of that in size."""
    # After a full flush the compressor forgets, so each mebibyte packs to the same bytes and is packed only once.
    zeros = bytes(_MEBIBYTE)
    packer = zlib.compressobj(9, zlib.DEFLATED, wbits=-15)
    block = packer.compress(zeros) + packer.flush(zlib.Z_FULL_FLUSH)
    checksum = 0
    for _ in range(mebibytes):
        checksum = zlib.crc32(zeros, checksum)
    head = b"\x1f\x8b\x08" + bytes(6) + b"\xff"
    size = (mebibytes * _MEBIBYTE) % 2**32
    return head + block * mebibytes + packer.flush() + checksum.to_bytes(4, "little") + size.to_bytes(4, "little")


@dataclass(frozen=True)
class Delivery:
    """An answer about to be said.

    Attributes:
        connection: In blocking mode, without a time limit: the thread is this connection's own.
        mode: Of the rule in force; ``ok`` when its fault does not strike this time.
        keep_alive: Whether the client allows another request.
    """

    connection: socket.socket
    mode: Mode
    answer: Answer
    keep_alive: bool

    def perform(self) -> bool:
        """Say the answer, or fail to, as the mode wants; return whether the connection goes on.

        Raises:
            OSError: The client went away.
        """
        performer = _PERFORM.get(self.mode.name)
        if performer is None:
            self.connection.sendall(self.answer.head(keep_alive=self.keep_alive) + self.answer.body)
        else:
            performer(self)
        return self.keep_alive and self.mode.name not in _CUT


def _cut(to: Delivery) -> None:
    """Say nothing; the caller closes."""


def _close_mid(to: Delivery) -> None:
    half = to.answer.body[: len(to.answer.body) // 2]
    to.connection.sendall(to.answer.head(content_length=max(len(to.answer.body), 2), keep_alive=to.keep_alive) + half)


def _hang(to: Delivery) -> None:
    while to.connection.recv(4096):
        pass


def _drip(to: Delivery) -> None:
    head = to.answer.head(keep_alive=to.keep_alive)
    slow = head + to.answer.body
    if to.mode.tail == "body":
        to.connection.sendall(head)
        slow = to.answer.body
    to.connection.settimeout(to.mode.numbers[0])
    for byte in slow:
        to.connection.sendall(bytes((byte,)))
        with contextlib.suppress(TimeoutError):  # the pause; ends at once when the client gives up
            if not to.connection.recv(4096):
                return
    to.connection.settimeout(None)


def _huge(to: Delivery) -> None:
    to.connection.sendall(to.answer.head(content_length=-1, keep_alive=False) + b'{"success":true,"message":"')
    _forever(to.connection, b"x" * 65536)


def _headers(to: Delivery) -> None:
    flood = tuple((f"x-flood-{number}", "x" * 50) for number in range(int(to.mode.numbers[0])))
    flooded = replace(to.answer, headers=(*to.answer.headers, *flood))
    to.connection.sendall(flooded.head(keep_alive=to.keep_alive) + to.answer.body)


def _interim(to: Delivery) -> None:
    _forever(to.connection, b"HTTP/1.1 103 Early Hints\r\nlink: </style.css>; rel=preload\r\n\r\n" * 100)


def _forever(connection: socket.socket, piece: bytes) -> NoReturn:
    while True:  # until the client goes away, which raises
        connection.sendall(piece)


def _cookie(to: Delivery) -> None:
    crumbs = (("set-cookie", "track=me; Path=/; Max-Age=31536000"), ("set-cookie", "session=1; HttpOnly"))
    baked = replace(to.answer, headers=(*to.answer.headers, *crumbs))
    to.connection.sendall(baked.head(keep_alive=to.keep_alive) + to.answer.body)


def _garbage(to: Delivery) -> None:
    to.connection.sendall(b"220 mail.example ESMTP ready\r\n\x00\xff\xfe\r\n\r\n")


_TOO_MANY: Final = {"otlp": otlp.too_many, "ramen": ramen.too_many, "tracker": tracker.too_many}

_PERFORM: Final = {
    "closemid": _close_mid,
    "cookie": _cookie,
    "drip": _drip,
    "garbage": _garbage,
    "hang": _hang,
    "headers": _headers,
    "huge": _huge,
    "interim": _interim,
    "lostack": _cut,
    "noanswer": _cut,
}

_INSTEAD: Final[Mapping[str, Callable[[Mode], Answer]]] = {
    "badjson": lambda _: _json_ok(b'{"success":tru'),
    "gzipbomb": lambda mode: _json_ok(_bomb(int(mode.numbers[0])), ("content-encoding", "gzip")),
    "half500": lambda _: _page(500),
    "huge": lambda _: _json_ok(b""),
    "portal": lambda _: text_answer(200, PORTAL, content_type=HTML),
    "redirect": lambda mode: _page(int(mode.numbers[0]), ("location", mode.tail)),
    "status": lambda mode: _page(int(mode.numbers[0]), *_retry_after(mode)),
}
