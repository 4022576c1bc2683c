"""What the outbox hands out, and how a request becomes a row: envelope, digest, checksum, size. Pure.

SQLite has no checksums, and a flipped bit in a body would be delivered as somebody's usage. So each row carries a CRC
of its bytes, and a digest of destination and idempotency key: both are looked at before a request is handed out
(reliability.md P13).
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import Any, Final

import msgspec

from footfall.destination import Destination
from footfall.wire.base import Attachment, DropRule, Request, Verdict

INLINE_BYTES: Final = 2048
"""Longer bodies lie in a table of their own: a change of state then rewrites some 100 bytes and never the body."""

OVERHEAD_BYTES: Final = 180
"""What a row costs beside its envelope: measured, 100 000 rows with 300-byte bodies take 500 bytes each."""

ID_STEP: Final = 2**24
"""Distance of the ids of two neighbours: room for the parts of a request that is split, in their order."""


class Leased(msgspec.Struct, frozen=True, kw_only=True):
    """A request claimed for a while.

    Attributes:
        id: Of the row.
        destination: Row id of the destination.
        request: What to send, as it was enqueued.
        attempts: Started before this one, without those that ended with their process.
        created_ns: UTC nanoseconds at which it was enqueued, by the clock as it is set now.
        lease: Token that `Outbox.settle` asks for.
        in_doubt: An earlier attempt was started and never settled: its process died, or its lease lapsed. Where a
            second copy does harm, drop it (`Reason.IN_DOUBT`) instead of sending it.
    """

    id: int
    destination: int
    request: Request
    attempts: int
    created_ns: int
    lease: str
    in_doubt: bool = False


class Settlement(msgspec.Struct, frozen=True, kw_only=True):
    """How one leased request ended; the arguments of `Outbox.settle` as a value.

    `obeyed` is the drop rule because of which it was never sent.
    """

    leased: Leased
    verdict: Verdict
    retry_at_ns: int | None = None
    replacements: Sequence[Request] = ()
    obeyed: DropRule | None = None


class KnownRule(msgspec.Struct, frozen=True, kw_only=True):
    """A drop rule that holds.

    Attributes:
        destination: Key of the destination whose server gave it, and which alone it is about.
        labels: What it asks of a request; see `wire.base.DropRule`.
        until_ns: UTC nanoseconds at which it ends, by the clock as it is set now.
        dropped: Records that were not sent because of it.
    """

    destination: str
    labels: Mapping[str, str]
    until_ns: int
    dropped: int = 0


class KnownDestination(msgspec.Struct, frozen=True, kw_only=True):
    """A destination and how it fares.

    Attributes:
        id: Row id.
        destination: As it was registered.
        paused_until_ns: UTC nanoseconds before which nothing is leased for it; 0 when it is not paused.
        pause_reason: As given to `Outbox.pause`, or "".
        failures: In a row, since it last answered.
        last_answer_ns: UTC nanoseconds of its last answer, or 0.
        pending: Records not settled.
        due: Requests that could be leased now but for a pause; counted up to 1 000.
        next_due_ns: UTC nanoseconds at which something can be leased (after the pause), or None.
    """

    id: int
    destination: Destination
    paused_until_ns: int = 0
    pause_reason: str = ""
    failures: int = 0
    last_answer_ns: int = 0
    pending: int = 0
    due: int = 0
    next_due_ns: int | None = None


class Refusal(msgspec.Struct, frozen=True, kw_only=True):
    """A no from a server, for `footfall doctor`. Holds no credentials: `Request` and the answer's text have none."""

    destination: str
    at_ns: int
    status: int
    path: str
    detail: str


class Envelope(msgspec.Struct, frozen=True, array_like=True):
    """A `Request` as stored: the same fields in the same order, without their names. New fields go at the end."""

    method: str
    path: str
    body: bytes
    content_type: str
    headers: tuple[tuple[str, str], ...]
    idempotency_key: str
    order_key: str
    records: int
    attachment: Attachment | None = None
    hold_seconds: float = 0.0
    joins: str = ""


_PLAIN_FIELDS: Final = Envelope.__struct_fields__.index("attachment")
_ENCODER: Final = msgspec.msgpack.Encoder()
_DECODER: Final = msgspec.msgpack.Decoder(Envelope)


def digest(destination: int, key: str) -> int:
    """Return 64 bits of a digest of destination and idempotency key.

    The unique index holds this number: at 100 000 pending rows a third as many of its pages change in a batch as with
    keys of 32 characters. Chance of a false match among a million pending: 3 in 100 million.
    """
    text = f"{destination} {key}".encode("utf-8", "surrogatepass")
    return int.from_bytes(blake2b(text, digest_size=8).digest(), "big", signed=True)


def encode(request: Request) -> tuple[bytes, bytes | None, int]:
    """Return envelope, body where it is kept apart (else None), and checksum.

    Raises:
        UnicodeEncodeError: A text holds lone surrogates.
    """
    body = request.body
    if len(body) <= INLINE_BYTES:
        envelope = _ENCODER.encode(_fields(request))
        return envelope, None, zlib.crc32(envelope)
    envelope = _ENCODER.encode(_fields(msgspec.structs.replace(request, body=b"")))
    return envelope, body, zlib.crc32(body, zlib.crc32(envelope))


def _fields(request: Request) -> tuple[object, ...]:
    """Return the fields of *request* for its envelope, without the last ones where they say nothing: 11 bytes a row."""
    fields = msgspec.structs.astuple(request)
    return fields if request.attachment or request.hold_seconds or request.joins else fields[:_PLAIN_FIELDS]


def decode(envelope: object, body: object, checksum: object, *, destination: int, digested: object) -> Request | None:
    """Return the request in a row, or None when any bit of it is not what was stored."""
    if not isinstance(envelope, bytes) or not (body is None or isinstance(body, bytes)):
        return None
    crc = zlib.crc32(envelope) if body is None else zlib.crc32(body, zlib.crc32(envelope))
    if crc != checksum:
        return None
    try:
        fields = _DECODER.decode(envelope)
    except msgspec.DecodeError:
        return None
    if digest(destination, fields.idempotency_key) != digested:
        return None
    values: dict[str, Any] = msgspec.structs.asdict(fields)
    if body is not None:
        values["body"] = body
    return Request(**values)


def places(low: int, high: int, weights: Sequence[int]) -> list[int] | None:
    """Return rising ids in ``[low, high)`` for parts of the given *weights*, or None when there are not enough.

    Each part gets room in proportion to its weight, so that it can be split again down to single records.
    """
    room, total = high - low, sum(max(weight, 1) for weight in weights)
    if room < total:
        return None
    ids: list[int] = []
    before = 0
    for weight in weights:
        ids.append(low + room * before // total)
        before += max(weight, 1)
    return ids
