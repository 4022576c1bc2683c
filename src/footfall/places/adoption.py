"""Directories of machines that do not come back, on a file system that this machine shares with them.

A compute node without a route writes into ``hosts/<node>-<boot id>/`` of the user's network home and is gone after
the job. Whoever finds that directory still for a day takes it over by renaming it, which only one can win, and delivers
what is in it: the login node's ``footfall send`` (design.md section 3; reliability.md "Network file systems").
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Final

import msgspec

from footfall.places.layout import Places

IDLE_SECONDS: Final = 86400.0
"""How long nothing was written there before somebody else may take it."""

_BETWEEN: Final = "~"
"""``<new owner>~<old owner>``: cannot occur in host names or boot ids."""


def adopt(places: Places, *, now: float, idle_seconds: float = IDLE_SECONDS) -> list[Places]:
    """Return the places of other machines that are ours to deliver: taken over now, or earlier and not finished.

    Args:
        places: Our own, on a network file system; elsewhere there are none to adopt.
        now: UTC seconds, by the clock that also dates files there.
        idle_seconds: See `IDLE_SECONDS`.
    """
    if not places.network:
        return []
    adopted: list[Places] = []
    for path in sorted((places.state / "hosts").iterdir()):
        owner, claimed, origin = path.name.rpartition(_BETWEEN)
        if not path.is_dir() or path.is_symlink() or path.name == places.host:
            continue
        mine = claimed and owner == places.host
        if not mine and now - _last_written(path) < idle_seconds:
            continue
        target = path if mine else path.with_name(f"{places.host}{_BETWEEN}{origin}")
        if not mine:
            try:
                path.rename(target)
                os.utime(target)  # the new owner is alive: nobody else may take it before another day is over
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

    A journal that is still there after delivery is one that must not be sent, or that only a newer footfall can read:
    then all of it stays.
    """
    if any(adopted.journal.glob("*.jsonl")):
        return
    for folder in (adopted.journal, adopted.outbox, adopted.status.parent):
        with contextlib.suppress(OSError):
            for path in folder.iterdir():
                if not path.is_dir():
                    path.unlink()
            folder.rmdir()


def _last_written(directory: Path) -> float:
    newest = 0.0
    for folder, _, names in os.walk(directory):
        for name in (".", *names):
            with contextlib.suppress(OSError):
                newest = max(newest, Path(folder, name).stat(follow_symlinks=False).st_mtime)
    return newest
