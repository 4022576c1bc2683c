"""A table that is written into files of limited size, each with the header, none with a torn row.

Rows are recognised as RFC 4180 has them: a line end within quotes belongs to the row. So whatever pieces a writer
passes, `COPY ... TO STDOUT` of PostgreSQL for one, each file is a table that can be read.
"""

from __future__ import annotations

import contextlib
import csv
import io
import os
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO, Final, cast

from footfall.places.files import open_private

BUFFER_BYTES: Final = 256 * 1024
"""Of one file; all that a table of any length needs."""

MAX_ROW_CHARACTERS: Final = 2**20
"""A longer row is taken for several, with a stray quote in the first: no table is gathered in memory."""

FETCH_ROWS: Final = 1000
"""Rows that a database cursor is asked for at once."""


class Splitter:
    """Writes one table.

    Args:
        path: Of the file; with ``_split0``, ``_split1``, ... behind it where there are several.
        max_bytes: No file is larger, header included, unless a single row is.
    """

    def __init__(self, path: str | os.PathLike[str], max_bytes: int) -> None:
        self.path = os.fspath(path)
        self.max_bytes = max_bytes
        self.files: list[str] = []
        self.header = b""
        self.written_bytes = 0
        self._file: BinaryIO | None = None
        self._has_rows = False
        self._pieces: list[str] = []  # of a row whose end has not come yet
        self._within_quotes = False
        self._piece_characters = 0

    def write(self, text: str) -> None:
        """Add *text*, of any length: rows, or parts of one. The first row is the header."""
        if self._file is not None and not self._pieces and text.endswith("\n") and text.count('"') % 2 == 0:
            # Whole rows, where they fit in one piece: what a writer passes is seldom anything else.
            rows = text.encode()
            if self.written_bytes + len(rows) <= self.max_bytes:
                self._file.write(rows)
                self.written_bytes += len(rows)
                self._has_rows = True
                return
        begin = scanned = 0
        while (end := text.find("\n", scanned)) >= 0:
            self._within_quotes ^= bool(text.count('"', scanned, end) % 2)
            scanned = end + 1
            if not self._within_quotes or self._piece_characters + scanned - begin > MAX_ROW_CHARACTERS:
                self._within_quotes = False
                self._write_row(self._whole(text[begin:scanned]))
                begin = scanned
        self._within_quotes ^= bool(text.count('"', scanned) % 2)
        if begin < len(text):
            self._pieces.append(text[begin:])
            self._piece_characters += len(text) - begin

    def cycle(self) -> BinaryIO:
        """Close the current file, and begin the next one with the header."""
        self._close_file()
        name = f"{self.path}_split{len(self.files)}"
        Path(name).unlink(missing_ok=True)  # of the slice before: its package is made
        file = self._file = open(open_private(Path(name)), "wb", buffering=BUFFER_BYTES)  # noqa: PTH123, SIM115  an open descriptor, kept open
        self.files.append(name)
        file.write(self.header)
        self.written_bytes = len(self.header)
        self._has_rows = False
        return file

    def close(self) -> list[str]:
        """Write what is left of the last row, and return the files: none for a table without rows."""
        if self._pieces:
            self._write_row(self._whole(""))
        self._close_file()
        if len(self.files) == 1 and self.files[0] != self.path:
            os.replace(self.files[0], self.path)  # noqa: PTH105
            self.files = [self.path]
        return self.files

    def _whole(self, end: str) -> bytes:
        self._pieces.append(end)
        row = "".join(self._pieces)
        self._pieces.clear()
        self._piece_characters = 0
        return row.encode()

    def _write_row(self, row: bytes) -> None:
        if not self.header:
            self.header = row
            return
        file = self._file
        if file is None or (self._has_rows and self.written_bytes + len(row) > self.max_bytes):
            file = self.cycle()
        file.write(row)
        self.written_bytes += len(row)
        self._has_rows = True

    def _close_file(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None


def split_file(path: Path, max_bytes: int) -> list[Path]:
    """Split the table *path* into files of at most *max_bytes* beside it, and remove it; return these."""
    splitter = Splitter(path.with_name(f"{path.name}_again"), max_bytes)
    with path.open(encoding="utf-8", newline="") as file:
        while text := file.read(BUFFER_BYTES):
            splitter.write(text)
    files = [Path(name) for name in splitter.close()]
    path.unlink()
    return files


def write_rows(rows: Any, path: Path, max_bytes: int, header: Sequence[str] = ()) -> list[str]:
    """Write *rows* into files and return these; only one row, or one fetch of a cursor, is in memory at a time.

    Args:
        rows: An iterable of sequences, or of mappings with the same keys, or a DB-API cursor after its ``execute``.
            A cursor or generator is closed afterwards: whoever returned it cannot know when that is, and one on the
            server would be in the way of the next of its name.
        path: See `Splitter`.
        max_bytes: Likewise.
        header: Names of the columns. Default: those of the cursor, or the keys of the first mapping, or else the
            first row.
    """
    splitter = Splitter(path, max_bytes)
    line = io.StringIO()
    writer = csv.writer(line, lineterminator="\n")
    names = tuple(header) or _columns(rows)
    if names:
        writer.writerow(names)
    with _closed(rows):
        for row in _rows(rows):
            if isinstance(row, Mapping):
                cells = cast("Mapping[str, Any]", row)
                if not names:
                    names = tuple(cells)
                    writer.writerow(names)
                writer.writerow([cells.get(name) for name in names])
            else:
                writer.writerow(row)
            if line.tell() >= BUFFER_BYTES // 4:
                _pass_on(line, splitter)
    _pass_on(line, splitter)
    return splitter.close()


def _pass_on(line: io.StringIO, splitter: Splitter) -> None:
    splitter.write(line.getvalue())
    line.seek(0)
    line.truncate()


@contextlib.contextmanager
def _closed(rows: Any) -> Generator[None]:
    try:
        yield
    finally:
        close = getattr(rows, "close", None)
        if callable(close):
            close()


def _columns(rows: Any) -> tuple[str, ...]:
    description = getattr(rows, "description", None)
    return tuple(str(column[0]) for column in description) if description else ()


def _rows(rows: Any) -> Iterable[Any]:
    fetch = getattr(rows, "fetchmany", None)
    return cast("Iterable[Any]", rows) if fetch is None else _fetched(fetch)


def _fetched(fetch: Any) -> Iterator[Any]:
    while batch := fetch(FETCH_ROWS):
        yield from batch
