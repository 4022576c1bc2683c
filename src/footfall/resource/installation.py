"""The installation's random UUID: pseudonymous, resettable, and a new one each year (reliability.md S18).

It is made on the first request, so whoever is opted out never has one. The file is ``installation-<n>.json`` in the
config directory, mode 0600. A new id is a new *n*, created with ``link``, which succeeds for exactly one process, also
on network file systems; processes that race for it read the winner's. So no lock is needed, and a file never changes.
"""

from __future__ import annotations

import contextlib
import os
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec

from footfall.places import open_private, private_directory, read_private, write_all
from footfall.resource.session import as_uuid, random_uuid

YEAR_SECONDS: Final = 365 * 86400
READ_TRIES: Final = 50
READ_PAUSE_SECONDS: Final = 0.002

_NAME: Final = re.compile(r"installation-(\d{1,9})\.json")


class _Installation(msgspec.Struct, frozen=True):
    id: str
    created: int
    """UTC seconds, cut to the day: the hour of the first use is nobody's business."""


def installation_id(config_directory: Path, *, now: Callable[[], float] = time.time) -> str:
    """Return this installation's UUID, made now when there is none or the last is a year old.

    Args:
        config_directory: `footfall.places.config_directory`; created when missing.
        now: UTC seconds. A clock that is more than a year behind the file's date also makes a new one.

    Returns:
        A UUID, or "" where the directory is not ours, or cannot be read or written. Files of others are passed over.
    """
    try:
        private_directory(config_directory, below_own=True, listable=True)
        return _current(config_directory, now())
    except OSError:
        return ""


def reset(config_directory: Path) -> bool:
    """Forget the id; the next request makes a new one. Return whether there was one.

    Raises:
        OSError: It is still there.
    """
    found = _numbers(config_directory)
    for number in found:
        with contextlib.suppress(FileNotFoundError):
            _path(config_directory, number).unlink()
    return bool(found)


def _current(directory: Path, now: float) -> str:
    for _ in range(3):  # twice when another process is quicker, thrice when `reset` comes between
        numbers = _numbers(directory)
        held = next(((n, found) for n in numbers if (found := _read(directory, n))), None)
        if held and abs(now - held[1].created) <= YEAR_SECONDS:
            return held[1].id
        if _create(directory, numbers[0] + 1 if numbers else 1, now) and held:
            with contextlib.suppress(OSError):
                _path(directory, held[0]).unlink()
    return ""


def _numbers(directory: Path) -> list[int]:
    """Return the numbers of all ids in *directory*, the newest first."""
    try:
        names = os.listdir(directory)  # noqa: PTH208  names are all we want
    except FileNotFoundError:
        return []
    return sorted((int(match.group(1)) for name in names if (match := _NAME.fullmatch(name))), reverse=True)


def _read(directory: Path, number: int) -> _Installation | None:
    """Return what file *number* holds; None when it is not ours, or holds no id.

    Where `link` is missing the winner writes in place, so an empty file is looked at again for a moment.
    """
    for _ in range(READ_TRIES):
        try:
            data = read_private(_path(directory, number), max_bytes=4096)
        except OSError:
            return None
        if data:
            try:
                found = msgspec.json.decode(data, type=_Installation)
            except msgspec.DecodeError:
                return None
            return found if as_uuid(found.id) == found.id else None
        time.sleep(READ_PAUSE_SECONDS)
    return None


def _create(directory: Path, number: int, now: float) -> bool:
    """Create file *number* with a new id, unless somebody has. Return whether it was us."""
    today = int(now // 86400) * 86400
    data = msgspec.json.encode(_Installation(random_uuid(), today)) + b"\n"
    path = _path(directory, number)
    temporary = directory / f".{path.name}.{os.urandom(6).hex()}.tmp"
    fd = open_private(temporary)
    try:
        try:
            write_all(fd, data)
        finally:
            os.close(fd)
        try:
            path.hardlink_to(temporary)
        except FileExistsError:
            return False
        except OSError:  # FAT and some FUSE file systems have no links
            return _create_in_place(path, data)
        return True
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()


def _create_in_place(path: Path, data: bytes) -> bool:
    try:
        fd = open_private(path)
    except FileExistsError:
        return False
    try:
        write_all(fd, data)
    finally:
        os.close(fd)
    return True


def _path(directory: Path, number: int) -> Path:
    return directory / f"installation-{number}.json"
