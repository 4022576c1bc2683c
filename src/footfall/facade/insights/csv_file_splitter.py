"""`CsvFileSplitter`: a table into files of limited size."""

from __future__ import annotations

import io
import os
from typing import Any

from footfall.collect.splitting import Splitter
from footfall.facade.insights.package import Package


class CsvFileSplitter(io.TextIOBase):
    """Writes a table into files of at most *max_file_size* bytes, each with the header.

    Rows are never torn, whatever pieces are written, and a file is larger than the limit only where one row is.

    Args:
        filespec: Path of the file; ``_split0`` and so on is appended where there are several.
        max_file_size: Bytes, header included.
    """

    def __init__(
        self, filespec: str | os.PathLike[str] | None = None, max_file_size: int = Package.MAX_DATA_SIZE, *_: Any
    ) -> None:
        super().__init__()
        self.filespec = filespec
        self.max_file_size = max_file_size
        self._splitter = Splitter(str(filespec), max_file_size)

    @property
    def files(self) -> list[str]:
        """The files written so far."""
        return self._splitter.files

    @property
    def header(self) -> str | None:
        """The first line, without its end; None before it was written."""
        return self._splitter.header.decode().rstrip("\r\n") or None

    def writable(self) -> bool:
        """Whether it can be written to."""
        return True

    def write(self, s: str) -> int:
        """Add *s*: rows, or parts of one; the first row is the header. Return its length."""
        self._splitter.write(s)
        return len(s)

    def cycle_file(self) -> None:
        """Begin a new file, though the current one has room."""
        self._splitter.cycle()

    def file_list(self) -> list[str]:
        """Close, and return the files: none for a table without rows."""
        return self._splitter.close()
