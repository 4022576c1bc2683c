"""One simulated machine: ``python -m tests.filesystems.host NAME [local-locks|no-locks] [no-route] COMMAND ...``.

Before footfall is loaded the machine gets a name and a boot id of its own, a table of mounts in which everything is
NFS, and, as asked, locks that no other machine sees (as after a lost NFS lease, or with Lustre's ``localflock``), no
locks but in XDG_RUNTIME_DIR (Lustre without ``flock``), or no route to any server. Everything else is real: processes,
files, renames, sockets.

COMMAND is ``drive SCENARIO FIRST CALLS CONFIRM_FILE SINK_URL`` (scenarios of `tests.process.driver` and below), or one
of footfall's own.
"""

from __future__ import annotations

import errno
import fcntl
import os
import socket
import struct
import sys
import zlib
from pathlib import Path

NFS = "1 0 0:9001 / / rw,relatime - nfs4 server:/home rw\n"
BOOT = "11111111-2222-3333-4444-555555555555"


def place(state: Path, name: str) -> Path:
    """Where the machine *name* keeps its files below the shared *state*."""
    return state / "hosts" / f"{name}-{BOOT}"


def _ranged(number: int) -> bytes:
    return struct.pack("hhqqi", fcntl.F_WRLCK, os.SEEK_SET, number, 1, 0)


def keep_locks_to(name: str) -> None:
    """Give the machine locks of its own: each locks another byte far behind the end of the file."""
    from footfall import locks

    number = 2**40 + zlib.crc32(name.encode())

    def try_lock(fd: int) -> bool | None:
        try:
            fcntl.fcntl(fd, fcntl.F_OFD_SETLK, _ranged(number))
        except BlockingIOError:
            return False
        except OSError as error:
            if error.errno != errno.EBADF:
                return None
            # Open for reading only, which such locks do not allow: ask who holds it instead.
            found = fcntl.fcntl(fd, fcntl.F_OFD_GETLK, _ranged(number))
            return struct.unpack("hhqqi", found)[0] == fcntl.F_UNLCK
        return True

    locks.try_lock = try_lock


def have_no_locks() -> None:
    """Refuse all locks but those in XDG_RUNTIME_DIR, which is the machine's own."""
    from footfall import locks

    own, real = os.environ["XDG_RUNTIME_DIR"], locks.try_lock

    def try_lock(fd: int) -> bool | None:
        return real(fd) if os.readlink(f"/proc/self/fd/{fd}").startswith(own) else None

    locks.try_lock = try_lock


def unreachable(*_: object) -> None:
    raise OSError(errno.ENETUNREACH, os.strerror(errno.ENETUNREACH))


def become(name: str) -> None:
    """Make this process one of the machine *name*."""
    from footfall.places import layout

    layout.host_name = lambda: name
    layout.boot_id = lambda: BOOT
    own = os.environ.get("XDG_RUNTIME_DIR")
    layout.mounts.table = lambda *_: NFS + (f"2 1 0:9002 / {own} rw - tmpfs tmpfs rw\n" if own else "")


def pause(first: int, count: int) -> None:
    """Make calls, say so, wait until the confirmation file is touched by the test, and make as many again."""
    from tests.process import driver

    driver.calls(first, count)
    Path(os.environ["CONFIRM"] + ".paused").touch()
    sys.stdin.readline()
    driver.calls(first + count, count)


def main() -> int:
    name, *rest = sys.argv[1:]
    options = {"local-locks", "no-locks", "no-route"}
    wanted = {word for word in rest if word in options}
    rest = [word for word in rest if word not in options]
    if "local-locks" in wanted:
        keep_locks_to(name)
    if "no-locks" in wanted:
        have_no_locks()
    if "no-route" in wanted:
        socket.socket.connect = unreachable  # type: ignore[method-assign, assignment]
    become(name)
    if rest[0] != "drive":
        from footfall.cli.main import main as footfall

        return footfall(rest)
    from tests.process import driver

    _, scenario, first, count, confirm, url = rest
    driver.show_hangs()
    os.environ["CONFIRM"], os.environ["SINK"] = confirm, url
    driver.instrument(url)
    scenarios = {**vars(driver), "pause": pause}
    scenarios[scenario](int(first), int(count))
    return 0


if __name__ == "__main__":
    sys.exit(main())
