"""The files of a journal: making one, its directory, and the size of all."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from footfall.places import private_directory


def create(path: Path) -> int:
    """Create *path*, mode 0600, for appending, and its directory where somebody removed that; return its descriptor."""
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL
    flags |= getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOFOLLOW", 0)
    try:
        return os.open(path, flags, 0o600)
    except FileNotFoundError:  # somebody removed the directory under a running process (reliability.md D3)
        private_directory(path.parent)
        return os.open(path, flags, 0o600)


def size_of(directory: Path) -> int:
    """Return the bytes of all files in *directory*; one that cannot be looked at counts as nothing."""
    total = 0
    with contextlib.suppress(OSError), os.scandir(directory) as entries:
        for entry in entries:
            with contextlib.suppress(OSError):
                total += entry.stat(follow_symlinks=False).st_size
    return total
