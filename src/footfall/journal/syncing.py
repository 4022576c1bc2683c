"""Group commit: threads that want their records on the disk share one ``fsync``.

Each thread writes its record first and then asks. Whoever finds nobody syncing does it for all who have written by
then; the others wait for a sync that began after their write.
"""

from __future__ import annotations

import threading
from collections.abc import Callable


class GroupSync:
    """Shares syncs between threads.

    Args:
        sync: Puts everything that was written before the call on the disk; raises OSError where that fails.
    """

    def __init__(self, sync: Callable[[], None]) -> None:
        self._sync = sync
        # Re-entrant, and the leader is known: a signal handler of the host may record something in any thread.
        self._changed = threading.Condition(threading.RLock())
        self._leader = 0
        self._asked = 0
        self._done = 0
        self._busy = False
        self._failed: tuple[int, OSError] | None = None

    def wait(self) -> None:
        """Return when what this thread has written is on the disk.

        Raises:
            OSError: The disk did not take it. Linux may report that once and then forget the pages, so that a second
                sync that succeeds says nothing: everybody who waited for the failed one hears of it.
        """
        me = threading.get_ident()
        if self._leader == me:
            self._sync()
            return
        with self._changed:
            self._asked += 1
            ticket = self._asked
            while self._busy and self._done < ticket:
                self._changed.wait()
            if self._done >= ticket:
                self._raise_if_failed(ticket)
                return
            self._leader, self._busy = me, True
            covered = self._asked
        failure: OSError | None = None
        try:
            self._sync()
        except OSError as error:
            failure = error
        finally:
            with self._changed:
                self._done = covered
                self._leader, self._busy = 0, False
                if failure is not None:
                    self._failed = (covered, failure)
                self._changed.notify_all()
        if failure is not None:
            raise failure

    def _raise_if_failed(self, ticket: int) -> None:
        if self._failed is not None and ticket <= self._failed[0]:
            raise OSError(self._failed[1].errno, self._failed[1].strerror)
