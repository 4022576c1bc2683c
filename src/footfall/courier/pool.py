"""Connections to one server: how many there may be, which are kept, and for how long. Knows no protocol."""

from __future__ import annotations

import os
import select
import threading
import time
import weakref
from typing import TYPE_CHECKING, Any, Final, Generic, Protocol, TypeVar

from footfall.errors import TransportError

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

MAX_CONNECTIONS: Final = 8
"""To one server at once (design.md section 4)."""

IDLE_CONNECTIONS: Final = 2
"""Kept to one server while nothing is sent (reliability.md P10)."""

IDLE_SECONDS: Final = 30.0
"""A connection that rested longer is not used again: servers and firewalls forget it without a word."""


class Kept(Protocol):
    """A connection that can be kept."""

    used_at: float  # monotonic

    def is_fresh(self) -> bool:
        """Whether the other side has not said or closed anything since."""
        ...

    def close(self) -> None:
        """Close it."""
        ...


C = TypeVar("C", bound=Kept)


class Pool(Generic[C]):
    """The connections to one server. Safe for threads; a fork child starts with none.

    Args:
        where: The server, for messages.
    """

    def __init__(self, where: str) -> None:
        self._where = where
        self._idle: list[C] = []  # the last used comes last
        self.forget()
        _pools.add(self)

    def __del__(self) -> None:
        # With the last transport that knew it; a socket that is collected open would be a ResourceWarning of the host.
        for connection in self._idle:
            connection.close()

    def forget(self) -> None:
        """Begin anew, in a fork child: closing a copied descriptor ends nothing for the parent."""
        # Another thread may have held the lock.
        self._lock = threading.Lock()
        self._freed = threading.Condition(self._lock)
        self._in_use = self._wanted = 0
        idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def take(self, ends_at: float) -> C | None:
        """Return a connection that rested, or None for a new one; `give` must follow, whatever happens.

        Args:
            ends_at: Longest wait while all are in use, on the monotonic clock.

        Raises:
            TransportError: They stayed in use; there is nothing to give back.
        """
        with self._lock:
            self._wanted += 1  # who waits here will want what is given back, so it is not closed meanwhile
            try:
                while self._in_use >= MAX_CONNECTIONS:
                    left = ends_at - time.monotonic()
                    if left <= 0 or not self._freed.wait(left):
                        msg = f"{self._where}: all {MAX_CONNECTIONS} connections are in use"
                        raise TransportError(msg, in_doubt=False)
                self._in_use += 1
            finally:
                self._wanted -= 1
        while True:
            with self._lock:
                connection = self._idle.pop() if self._idle else None
            if connection is None:
                return None
            if connection.used_at >= time.monotonic() - IDLE_SECONDS and connection.is_fresh():
                return connection
            connection.close()

    def give(self, connection: C | None) -> None:
        """Take back what `take` allowed: a connection to be kept, or None where there is none."""
        with self._lock:
            self._in_use -= 1
            if connection is not None:
                self._idle.append(connection)
            gone = self._surplus(IDLE_CONNECTIONS)
            if self._wanted:
                self._freed.notify()
        for each in gone:
            each.close()

    def tidy(self, keep: int = IDLE_CONNECTIONS) -> None:
        """Close connections that rested too long and, while nothing is sent, all but *keep*, the last used."""
        with self._lock:
            gone = self._surplus(keep)
        for each in gone:
            each.close()

    def open_connections(self) -> int:
        """Return how many connections are open, in use or idle."""
        with self._lock:
            return self._in_use + len(self._idle)

    def _surplus(self, keep: int) -> list[C]:
        idle, oldest = self._idle, time.monotonic() - IDLE_SECONDS
        surplus = 0 if self._in_use or self._wanted else len(idle) - keep
        if surplus <= 0 and (not idle or idle[0].used_at >= oldest):
            return []
        gone = [each for number, each in enumerate(idle) if number < surplus or each.used_at < oldest]
        self._idle = [each for each in idle if each not in gone]
        return gone


_pools: weakref.WeakSet[Pool[Any]] = weakref.WeakSet()


def _after_fork() -> None:
    for pool in tuple(_pools):
        pool.forget()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def silence_of(sock: socket.socket) -> Callable[[], bool]:
    """Return what tells whether nothing has come in on *sock*, not even its end."""
    if not hasattr(select, "poll"):  # Windows
        return lambda: not select.select([sock], [], [], 0)[0]
    poll = select.poll()
    poll.register(sock, select.POLLIN)
    return lambda: not poll.poll(0)
