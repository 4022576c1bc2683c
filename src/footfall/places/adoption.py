"""Directories of machines that do not come back, on a file system that this machine shares with them.

A compute node without a route writes into ``hosts/<node>-<boot id>/`` of the user's network home and is gone after
the job. Whoever finds that directory still for a day takes it over by renaming it, which only one can win, and delivers
what is in it: the login node's ``footfall send`` (design.md section 3; reliability.md "Network file systems").
"""

from __future__ import annotations

import contextlib
import math
import os
import time
from pathlib import Path
from typing import Final

import msgspec

from footfall.places.layout import Places

IDLE_SECONDS: Final = 86400.0
"""How long nothing was written there before somebody else may take it."""

GONE_SECONDS: Final = 2 * IDLE_SECONDS
"""How long nothing was written to a journal there before it is removed.

A machine that was frozen (a suspended laptop, a moved virtual machine) goes on writing to the file that its process has
open, wherever that was renamed to. By then its locks are gone, if they ever reached other machines: only time tells.
"""

_BETWEEN: Final = "~"
"""``<new owner>~<old owner>``, and a number where there is one already: cannot occur in host names or boot ids."""


def adopt(places: Places, *, now: float | None = None, idle_seconds: float = IDLE_SECONDS) -> list[Places]:
    """Return the places of other machines that are ours to deliver: taken over now, or earlier and not finished.

    Args:
        places: Our own, on a network file system; elsewhere there are none to adopt.
        now: UTC seconds, by the clock that also dates files there; default: that clock's. Ours may be years off.
        idle_seconds: See `IDLE_SECONDS`.
    """
    if not places.network:
        return []
    now = _now_there(places.journal.parent) if now is None else now
    adopted: list[Places] = []
    for path in sorted((places.state / "hosts").iterdir()):
        owner, claimed, rest = path.name.partition(_BETWEEN)
        if not path.is_dir() or path.is_symlink() or path.name == places.host:
            continue
        target = path
        if not claimed or owner != places.host:
            if now - _last_written(path) < idle_seconds:
                continue
            target = _free(path.with_name(f"{places.host}{_BETWEEN}{rest if claimed else path.name}"))
            try:
                # In this order: whoever looks between the two must not find something old that is nobody's.
                os.utime(path)
                path.rename(target)
            except OSError:  # somebody else was quicker
                continue
        adopted.append(
            msgspec.structs.replace(
                places,
                journal=target / "journal",
                outbox=target / "outbox",
                status=target / "status.json",
                host=target.name,
            )
        )
    return adopted


def discard(adopted: Places) -> None:
    """Remove an adopted directory in which nothing is left.

    A journal that is still there after delivery was written to less than `GONE_SECONDS` ago, must not be sent, or can
    only be read by a newer footfall: then all of it stays.
    """
    if any(adopted.journal.glob("*.jsonl")) or any(adopted.files.glob("*.batch")):
        return
    for folder in (adopted.journal, adopted.files, adopted.outbox, adopted.status.parent):
        with contextlib.suppress(OSError):
            for path in folder.iterdir():
                if not path.is_dir():
                    path.unlink()
            folder.rmdir()


def _now_there(directory: Path) -> float:
    """Return the time by the file server's clock, which it gives to what is touched; ours where that cannot be had."""
    try:
        os.utime(directory)
        return directory.stat().st_mtime
    except OSError:
        return time.time()


def _free(path: Path) -> Path:
    """Return *path*, or that name with the first number that is free: the same machine may leave something twice."""
    target, number = path, 1
    while target.exists():
        number += 1
        target = path.with_name(f"{path.name}{_BETWEEN}{number}")
    return target


def _last_written(directory: Path) -> float:
    """Return when something was last written below *directory*, and "never long ago" where that cannot be seen.

    A network file system that answers with an error says nothing of an age.
    """
    newest = 0.0
    try:
        for folder, _, names in os.walk(directory, onerror=_raised):
            for name in (".", *names):
                newest = max(newest, Path(folder, name).stat(follow_symlinks=False).st_mtime)
    except OSError:
        return math.inf
    return newest


def _raised(error: OSError) -> None:
    raise error
