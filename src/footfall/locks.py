"""Whole-file locks that the kernel frees with their holder, where the file system has them."""

from __future__ import annotations

import sys

if sys.platform == "win32":  # no lock that a death frees and a reader may ask for: other signs of life must do

    def try_lock(fd: int) -> bool | None:
        """Return None: this platform has no such lock."""
        del fd
        return None

else:
    import fcntl

    def try_lock(fd: int) -> bool | None:
        """Take the lock of the open file *fd* without waiting, until its last descriptor is closed.

        Returns:
            True when it is ours now, False when somebody holds it, None where the file system has no locks.
        """
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError:
            return None
        return True
