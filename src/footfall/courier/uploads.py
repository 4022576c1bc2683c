"""A body with a file in it, read piece by piece: memory stays the same, whatever the size of the file.

The file is checked while it is sent. If it is shorter, longer or another than what was kept, its last piece is never
handed out: the connection is cut, no server has a whole request, and nothing wrong is delivered (reliability.md P13).
"""

from __future__ import annotations

import os
import stat
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from footfall.errors import TransportError
from footfall.wire.base import Request

PIECE_BYTES: Final = 64 * 1024


class SpoiltFileError(TransportError):
    """The file of a request is gone, or not what was kept. Trying again helps nobody."""

    def __init__(self, message: str) -> None:
        super().__init__(message, in_doubt=False)


class Upload:
    """The body of *request*, a file in *directory* included: its pieces, to be gone through once, and their size.

    Raises:
        SpoiltFileError: There is no such file of ours, or it has another size.
    """

    def __init__(self, request: Request, directory: Path) -> None:
        attachment = request.attachment
        assert attachment is not None  # noqa: S101  the caller has looked
        flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
        try:
            self._fd = os.open(directory / attachment.name, flags)
        except OSError as error:
            msg = f"file {attachment.name}: {error.strerror}; its request is dropped"
            raise SpoiltFileError(msg) from None
        found = os.fstat(self._fd)
        if not stat.S_ISREG(found.st_mode) or found.st_size != attachment.size:
            self.close()
            msg = f"file {attachment.name}: not the {attachment.size} bytes that were kept; its request is dropped"
            raise SpoiltFileError(msg)
        self._name, self._left, self._expected = attachment.name, attachment.size, attachment.crc32
        self._head, self._tail = request.body[: attachment.at], request.body[attachment.at :]
        self._size = request.size

    def __len__(self) -> int:
        return self._size

    def close(self) -> None:
        """Close the file. Again: nothing."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)

    def __iter__(self) -> Iterator[bytes]:
        if self._head:
            yield self._head
        checksum = 0
        while self._left > 0:
            piece = os.read(self._fd, min(PIECE_BYTES, self._left))
            checksum, self._left = zlib.crc32(piece, checksum), self._left - len(piece)
            if not piece or (not self._left and checksum != self._expected):
                msg = f"file {self._name}: its bytes are not those that were kept; its request is dropped"
                raise SpoiltFileError(msg)
            yield piece
        if self._tail:
            yield self._tail
