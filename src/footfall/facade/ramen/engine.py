"""The reading side of a queue: what was pushed goes into an outbox, which one process at a time holds.

All readers of one queue in a process share one `Engine` and take turns with it; readers in other processes wait until
the outbox is free. It is let go when nobody has used it for `KEEP_SECONDS`, and by the kernel when its process dies, so
the others wait their turn by looking now and then, and take over when it comes (reliability.md section 3.2).
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
import weakref
from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any, Final

from footfall.delivery import Delivery
from footfall.errors import OutboxBusyError, OutboxError, guard
from footfall.facade.ramen import spool as spools
from footfall.facade.ramen.spool import HERE, MAX_LINE_BYTES, Spool
from footfall.facade.ramen.takeover import Original
from footfall.settings import Settings
from footfall.status import read_status
from footfall.wire.ramen import RamenWire

if TYPE_CHECKING:
    from footfall.destination import Destination
    from footfall.facade.ramen.config import QueueWriterConfig
    from footfall.wire.base import Wire

KEEP_SECONDS: Final = 2.0
"""An outbox that nobody used for so long is let go, for readers of other processes."""

LOOK_SECONDS: Final = 0.1
"""Pause between two looks whether another process has let the outbox go."""

FOLLOW_SECONDS: Final = 60.0
"""A reader whose folder was removed and made anew by somebody else follows after so long."""

AGE_SECONDS: Final = 100 * 365 * 86400.0
"""The original keeps messages whatever their age."""

CHUNKS_AT_ONCE: Final = 8
"""Megabytes taken in before something is sent again."""


class QueueDelivery(Delivery):
    """Journals to outbox of one queue, held by this process.

    Args:
        spool: Of the queue.
        config: Names the system in what was left by the original, and where the wire needs it.

    Attributes:
        number: Of the queue's account in the outbox.
    """

    def __init__(self, spool: Spool, config: QueueWriterConfig) -> None:
        self._queue_wire = RamenWire(
            system_serial=config.system_serial, sender=config.sender, system_version=config.system_version
        )
        settings = Settings(outbox_max_bytes=spool.limit, outbox_max_age_seconds=AGE_SECONDS)
        self._spool = spool
        super().__init__(spool.places(), settings, max_line_bytes=MAX_LINE_BYTES)
        self.number = self.outbox.destination(HERE)
        self._original = Original(spool.root, self._queue_wire)

    def take_in(self, most_chunks: int = CHUNKS_AT_ONCE) -> None:
        """Take in what the original left and what was pushed, at most so many megabytes of the latter at a time."""
        left = most_chunks

        def keep_going() -> bool:
            nonlocal left
            left -= 1
            return left >= 0

        self.obey()
        with guard("take over ramen queue"):
            self._original.take_over(self.outbox, self.number)
        self.intake.run(keep_going=keep_going)
        self.outbox.trim(now_ns=self.clock.now_ns())

    def write_status(self) -> None:
        """Leave the figures for other processes, but not in a folder that somebody made anew."""
        if self._spool.is_ours():
            super().write_status()

    def agreed(self) -> bool:
        """Whether the user has said nothing new since `obey`."""
        return self._choice() is self._obeyed

    def wire(self, destination: Destination) -> Wire:
        """Return the wire of the queue, which knows its system; that of its destination does not."""
        del destination
        return self._queue_wire


class Engine:
    """Hands out the queue's `QueueDelivery`, to one thread of one process at a time. Get it with `engine_of`."""

    def __init__(self, spool: Spool) -> None:
        self.spool = spool
        self._pid = os.getpid()
        self._turn = threading.Lock()
        self._delivery: QueueDelivery | None = None
        self._used_at = 0.0
        self._gone_since = 0.0
        self._inherited: list[Any] = []

    def __del__(self) -> None:
        # With the last reader and writer of the queue: nothing else would let its outbox go.
        if getattr(self, "_pid", 0) == os.getpid() and self._delivery is not None:
            self._close()

    @contextlib.contextmanager
    def turn(
        self, config: QueueWriterConfig, *, patience_seconds: float, give_up: Callable[[], bool] = lambda: False
    ) -> Generator[QueueDelivery | None]:
        """Give the delivery to this thread alone; None where there is nothing: no folder, or the user said no.

        Args:
            config: Of who asks.
            patience_seconds: Longest wait for other threads and processes.
            give_up: Asked while waiting; True ends it.

        Raises:
            OutboxBusyError: The turn did not come.
            OutboxError: The outbox cannot be used.
        """
        until = time.monotonic() + patience_seconds
        self._await(lambda: self._turn.acquire(timeout=LOOK_SECONDS), until, give_up)
        try:
            delivery = self._open(config, until, give_up)
            try:
                yield delivery
            except OutboxError:
                self._close()
                raise
            if delivery is not None:
                self._used_at = time.monotonic()
        finally:
            self._turn.release()

    def rest(self) -> None:
        """Let the outbox go where nobody has used it for a while; asked by readers while they wait."""
        if time.monotonic() - self._used_at >= KEEP_SECONDS and self._turn.acquire(blocking=False):
            try:
                self._close()
            finally:
                self._turn.release()

    def let_go(self) -> None:
        """Let the outbox go now, unless somebody is at it."""
        if self._turn.acquire(timeout=1.0):
            try:
                self._close()
            finally:
                self._turn.release()

    def count(self, config: QueueWriterConfig) -> int:
        """Return how many messages wait: exactly, or, while another process reads, as it said at most a second ago."""
        spool = self.spool
        if not spool.is_ours():
            return 0
        has_outbox = (spool.root / "outbox/outbox.db").exists()
        if self._delivery is None and not has_outbox and not Original.is_there(spool.root):
            return spools.unread(spool.root, {})
        with contextlib.suppress(OutboxError), self.turn(config, patience_seconds=0.05) as delivery:
            if delivery is not None and Original.is_there(spool.root):
                delivery.take_in()
            return 0 if delivery is None else _waiting(delivery)
        with contextlib.suppress(OutboxError):
            # Another thread of this process may be sending: its outbox may be asked all the same.
            if (held := self._delivery) is not None:
                return _waiting(held)
        status = read_status(spool.places())
        if status is None:
            return spools.unread(spool.root, {})
        return sum(account.pending for account in status.ledger.accounts) + spools.unread(spool.root, status.offsets)

    def after_fork(self) -> None:
        """In a fork child: the parent's outbox is not to be touched, not even by closing it."""
        if self._delivery is not None:
            self._inherited.append(self._delivery)
        self._delivery = None
        self._turn = threading.Lock()

    # -- within ---------------------------------------------------------------------------------------------------

    def _await(self, attempt: Callable[[], bool], until: float, give_up: Callable[[], bool]) -> None:
        while not attempt():
            if time.monotonic() >= until or give_up():
                msg = f"{self.spool.root}: another reader is at it"
                raise OutboxBusyError(msg)

    def _open(self, config: QueueWriterConfig, until: float, give_up: Callable[[], bool]) -> QueueDelivery | None:
        spool = self.spool
        if not self._is_there() or not spool.sends():
            self._close()
            return None

        def attempt() -> bool:
            try:
                self._delivery = QueueDelivery(spool, config)
            except OutboxBusyError:
                time.sleep(min(LOOK_SECONDS, max(until - time.monotonic(), 0.0)))
                return False
            return True

        if self._delivery is None:
            self._await(attempt, until, give_up)
        return self._delivery

    def _is_there(self) -> bool:
        spool = self.spool
        if spool.is_ours():
            self._gone_since = 0.0
            return True
        if not spool.root.is_dir():
            self._gone_since = 0.0
            return False
        # Somebody made it anew.
        now = time.monotonic()
        self._gone_since = self._gone_since or now
        if now - self._gone_since < FOLLOW_SECONDS:
            return False
        spool.adopt_folder()
        self._close()
        return True

    def _close(self) -> None:
        delivery, self._delivery = self._delivery, None
        if delivery is not None:
            with guard("close queue"):
                delivery.close()


def _waiting(delivery: QueueDelivery) -> int:
    return delivery.outbox.pending() + spools.unread(delivery.places.state, delivery.outbox.offsets())


_engines: weakref.WeakValueDictionary[int, Engine] = weakref.WeakValueDictionary()
"""By the id of their spool, which each keeps alive."""

_engines_lock = threading.Lock()


def engine_of(spool: Spool) -> Engine:
    """Return the engine of this process for *spool*."""
    with _engines_lock:
        engine = _engines.get(id(spool))
        if engine is None:
            engine = _engines[id(spool)] = Engine(spool)
        return engine


def _after_fork() -> None:
    global _engines_lock  # noqa: PLW0603  another thread of the parent may have held it
    _engines_lock = threading.Lock()
    for engine in list(_engines.values()):
        engine.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
