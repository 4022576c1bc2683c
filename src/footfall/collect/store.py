"""Where progress and stored times are kept between runs: one JSON file in the state directory, replaced in one step."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Generator
from datetime import datetime
from pathlib import Path
from typing import Final

import msgspec

from footfall.collect.progress import Progress
from footfall.errors import FootfallError
from footfall.locks import try_lock
from footfall.places.files import private_directory, read_private, write_private

MAX_BYTES: Final = 16 * 2**20

LOCK_NAME: Final = "lock"
FILE_NAME: Final = "progress.json"


class Kept(msgspec.Struct, kw_only=True):
    """What the file holds.

    Attributes:
        progress: What is on its way, and what arrived out of order.
        entries: Stored times by key, where nobody else keeps them.
        last_gather: End of the last run, likewise.
    """

    progress: Progress = msgspec.field(default_factory=Progress)
    entries: dict[str, datetime] = {}
    last_gather: datetime | None = None


class Store:
    """The file of one set of collectors.

    Args:
        state: The state directory (`footfall.places.Places.state`).
        name: Of the set: letters, digits, ``._-``; anything else becomes ``_``.
    """

    def __init__(self, state: Path, name: str) -> None:
        self.directory = state / "insights" / (re.sub(r"[^A-Za-z0-9._-]", "_", name).strip(".")[:100] or "default")

    def read(self) -> Kept:
        """Return what was kept, or nothing where nothing ever was.

        Raises:
            FootfallError: The file is damaged, or others can write it.
            OSError: It cannot be read.
        """
        path = self.directory / FILE_NAME
        try:
            return msgspec.json.decode(read_private(path, max_bytes=MAX_BYTES), type=Kept)
        except FileNotFoundError:
            return Kept()
        except msgspec.MsgspecError as error:
            msg = (
                f"{path}: not what footfall wrote ({error}); move it away to begin anew, which may gather things twice"
            )
            raise FootfallError(msg) from error

    def write(self, kept: Kept) -> None:
        """Keep *kept*, synced.

        Raises:
            FootfallError, OSError: It could not be written; what was there is still there.
        """
        private_directory(self.directory)
        write_private(self.directory / FILE_NAME, msgspec.json.encode(kept), synced=True)

    @contextlib.contextmanager
    def lock(self) -> Generator[bool]:
        """Hold the lock of the set, which the kernel frees with its holder; give False where another run has it."""
        private_directory(self.directory)
        flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
        fd = os.open(self.directory / LOCK_NAME, flags, 0o600)
        try:
            yield try_lock(fd) is not False
        finally:
            os.close(fd)
