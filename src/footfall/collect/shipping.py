"""The seam between gathering and delivering: a `Parcel` goes in, and one day its `Outcome` comes out.

Whoever gathers writes down the request ids of a batch, synced, and then hands the batch over. After a crash it asks for
the outcomes: an id that the shipper does not know was never kept, so its interval is gathered again; every other one is
kept, and its interval is not. That holds because a batch is kept as a whole or not at all.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from pathlib import Path
from typing import Literal, Protocol

import msgspec

from footfall.destination import Destination

State = Literal["pending", "delivered", "dropped"]


class Piece(msgspec.Struct, frozen=True, kw_only=True):
    """One member of a tarball: part *part* of *parts* of what one collector said about one interval.

    Attributes:
        key: Of the collector.
        since: Begin of the interval, aware; None where the collector was asked for everything.
        until: Its end, aware.
        part: From 0; what one function said of one interval may be split over several tarballs.
        parts: How many there are. All of one interval's parts are in one call of `Shipper.ship`.
        full_sync: Whether the interval belongs to a full synchronisation.
    """

    key: str
    since: datetime | None
    until: datetime | None
    part: int = 0
    parts: int = 1
    full_sync: bool = False


class Parcel(msgspec.Struct, frozen=True, kw_only=True):
    """One tarball on its way: what is sent is that very file, on every attempt, under the same request id.

    Attributes:
        path: The finished tarball, a regular file. It stays the sender's, who removes it after `Shipper.ship`: the
            shipper copies or links it. Its base name is the file name in the multipart body.
        content_type: Of the part ``file``.
        request_id: 32 hexadecimal digits (UUID 4). The idempotency key, and header ``x-rh-insights-request-id``.
        destination: Wire ``insights``; its endpoint is the very URL that is posted to. Of the options, those of
            `footfall.Insights` (``auth`` "headers" or "s3", ``certificate``, ``private_key``, ``region``) and
            ``ca_file``, the path of a bundle that takes the place of the default one. Headers that its user gave,
            ``User-Agent`` among them, are lines of the credentials, so that none is on disk.
        pieces: What it completes, in the order of its members.
    """

    path: Path
    content_type: str
    request_id: str
    destination: Destination
    pieces: tuple[Piece, ...] = ()


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """How a parcel stands.

    Attributes:
        state: ``pending`` until the server took it, or until it was dropped.
        reason: Why it was dropped, a value of `footfall.ledger.Reason`; or what keeps it pending, where that is known.
        status: HTTP status of the last answer; 0 where there was none yet.
    """

    state: State
    reason: str = ""
    status: int = 0


class Shipper(Protocol):
    """Keeps parcels, delivers them, and knows what became of each."""

    def ship(self, *parcels: Parcel) -> None:
        """Keep *parcels*, all or none; return when they are on disk and synced.

        A parcel whose request id is known already is passed over.

        Raises:
            FootfallError: They could not be kept; none was.
            OSError: Likewise.
        """

    def outcomes(self, keys: Collection[str]) -> Mapping[str, Outcome]:
        """Return the outcome of each request id of *keys* that was kept; those that are absent never were.

        What is settled stays known until `forget`.
        """
        ...

    def wait(self, keys: Collection[str], *, timeout_seconds: float) -> Mapping[str, Outcome]:
        """Deliver now; return `outcomes` when each of *keys* is settled or had its attempt, or the time is over."""
        ...

    def forget(self, keys: Collection[str]) -> None:
        """Let go of the outcomes of *keys* that are settled: the sender has written them down."""
