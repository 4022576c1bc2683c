"""Which session a notebook kernel had before it was restarted.

A restarted kernel is a new process that is given the connection file of the one before. So the last session of each
connection file is kept, in ``<state>/kernels/<digest>.json``, mode 0600: two random identifiers under a digest from
which no path can be read.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec

from footfall.places import private_directory, read_private, remove_files, write_private

FOLDER: Final = "kernels"
KEEP_SECONDS: Final = 30 * 86400.0
"""A kernel that was started longer ago than this is not remembered any more."""


class _Kernel(msgspec.Struct, frozen=True):
    session_id: str
    previous_id: str = ""


def follow(
    state_directory: Path, connection_file: str, session_id: str, *, now: Callable[[], float] = time.time
) -> str:
    """Return the session before *session_id* in the kernel of *connection_file*, and remember the new one.

    Never raises; where nothing can be remembered nothing is.

    Args:
        state_directory: `footfall.places.Places.state`.
        connection_file: Of the kernel, as it was told: the same text after a restart.
        session_id: Of this process.
        now: UTC seconds.

    Returns:
        A session's id, or "" for the first one.
    """
    directory = state_directory / FOLDER
    path = directory / f"{hashlib.blake2b(connection_file.encode(errors='replace'), digest_size=16).hexdigest()}.json"
    try:
        private_directory(directory)
        remove_files(directory, changed_before=now() - KEEP_SECONDS)
        before = _read(path)
        if before.session_id == session_id:
            return before.previous_id
        write_private(path, msgspec.json.encode(_Kernel(session_id, before.session_id)) + b"\n")
    except OSError:
        return ""
    return before.session_id


def forget(state_directory: Path) -> None:
    """Remember no kernel any more: what is recorded from now on is not joined to what was before.

    Raises:
        OSError: Something is still there.
    """
    remove_files(state_directory / FOLDER)


def _read(path: Path) -> _Kernel:
    try:
        return msgspec.json.decode(read_private(path, max_bytes=4096), type=_Kernel)
    except (FileNotFoundError, msgspec.DecodeError):
        return _Kernel("")
