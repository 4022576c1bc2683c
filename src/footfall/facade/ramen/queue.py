"""The queue as the original's users and tests look at it: its length, its first message, and taking that out."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Any, Final, cast
from urllib.parse import parse_qs, urlsplit

from footfall.facade.ramen import spool as spools
from footfall.facade.ramen.config import QueueWriterConfig
from footfall.facade.ramen.engine import engine_of
from footfall.wire import ramen_names as names
from footfall.wire.base import DELIVERED

if TYPE_CHECKING:
    from collections.abc import Callable

    from footfall.facade.ramen.engine import QueueDelivery
    from footfall.outbox.rows import Leased
    from footfall.wire.base import Request

PATIENCE_SECONDS: Final = 5.0
LEASE_SECONDS: Final = 60.0

TRIES: Final = 5
TRY_AGAIN_SECONDS: Final = 0.01
"""What has just come up may be due a moment from now: the outbox reads two clocks, and a busy machine may stop us in
between (seen once in 20 runs of 1 100 messages at a load of 10)."""

_MADE: Final = re.compile(r"[0-9a-f]{32}-[0-9a-f]{16}")
_WHOLE: Final = re.compile(r"-?[0-9]+")


class Queue:
    """One queue of this process; `QueueWriter` and `QueueReader` have one as ``_queue``.

    Args:
        config: Which queue.

    Raises:
        AssertionError: *config* is none.
        DataError: *config* is not valid.
        OSError: The folder cannot be made, or is not ours alone.
    """

    def __init__(self, config: QueueWriterConfig) -> None:
        if not isinstance(cast("object", config), QueueWriterConfig):
            msg = "QueueWriterConfig instance is required"
            raise AssertionError(msg)  # noqa: TRY004  the original's
        config.validate()
        self.config = config
        self.spool = spools.spool_of(config)
        self.engine = engine_of(self.spool)

    def __len__(self) -> int:
        return self.engine.count(self.config)

    def peek(self) -> dict[str, Any] | None:
        """Return the first message and leave it there; None when there is none.

        Raises:
            OutboxBusyError: Another process is reading.
        """
        return self._take(lambda delivery, leased: delivery.outbox.release(leased))

    def pop(self) -> dict[str, Any] | None:
        """Take the first message out; None when there is none. It counts as delivered: to the caller.

        Raises:
            OutboxBusyError: Another process is reading.
        """
        return self._take(
            lambda delivery, leased: delivery.outbox.settle(leased, verdict=DELIVERED, now_ns=delivery.clock.now_ns())
        )

    def unread(self, delivery: QueueDelivery) -> int:
        """Return how many messages were pushed and not taken in yet."""
        return spools.unread(self.spool.root, delivery.outbox.offsets())

    def compact(self) -> None:
        """Do nothing: room is given back as messages go, and nobody waits for it."""

    def dropped(self) -> dict[str, int]:
        """Return how many messages went undelivered, by reason."""
        found: dict[str, int] = {}
        if unread := spools.dropped(self.spool.root):
            found["over_size"] = unread
        with self.engine.turn(self.config, patience_seconds=PATIENCE_SECONDS) as delivery:
            for account in delivery.outbox.ledger().accounts if delivery is not None else ():
                for reason, records in account.dropped.items():
                    found[reason.value] = found.get(reason.value, 0) + records
        return found

    def _take(self, then: Callable[[QueueDelivery, Leased], object]) -> dict[str, Any] | None:
        """Return the first message, after *then* has said what becomes of it."""
        with self.engine.turn(self.config, patience_seconds=PATIENCE_SECONDS) as delivery:
            leased = _first(delivery)
            if delivery is None or leased is None:
                return None
            then(delivery, leased)
            return message(leased.id, leased.request)


def _first(delivery: QueueDelivery | None) -> Leased | None:
    if delivery is None:
        return None
    outbox = delivery.outbox
    if not outbox.pending():
        delivery.take_in()
    for _ in range(TRIES):
        leased = outbox.lease(delivery.number, now_ns=delivery.clock.now_ns(), ttl_seconds=LEASE_SECONDS, limit=1)
        if leased:
            return leased[0]
        if not outbox.pending():
            break
        time.sleep(TRY_AGAIN_SECONDS)
    return None


def message(row: int, request: Request) -> dict[str, Any]:
    """Return *request* as the original has it in its table; ``reqid`` is None unless somebody gave one."""
    labels = names.labels(request.path)
    version = labels.get("data_version", "")
    reqid = parse_qs(urlsplit(request.path).query).get("reqid", [""])[0]
    return {
        "id": row,
        "category": labels.get("category", ""),
        "data_type": labels.get("data_type", ""),
        "data_version": int(version) if _WHOLE.fullmatch(version) else version,
        "reqid": None if _MADE.fullmatch(reqid) else reqid,
        "data": request.body,
    }
