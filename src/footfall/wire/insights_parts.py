"""A tarball that its server found too large, as two smaller ones: piece by piece, whatever its size (insights.md 13).

The data members are cut in the middle of their bytes: those before it go into the first part, those behind it into the
second, and a table that the middle lies in is cut between two rows, its header in both. Config goes into both; status
table and manifest tell in each of what that one holds. What is no table is never cut: a package of one JSON member has
no smaller form. A row is never torn, not even at a line end within quotes (the original tears them, insights.md 12).
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import tarfile
from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import IO, BinaryIO, Final, cast

import msgspec

from footfall.wire.insights_package import CONFIG, MANIFEST, STATUS

MOST_SMALL_BYTES: Final = 16 * 2**20
"""Of config, status table and manifest, which are read whole; also of one row."""

PIECE_BYTES: Final = 64 * 1024

Make = Callable[[int], AbstractContextManager[BinaryIO]]


class _Cut(msgspec.Struct, frozen=True):
    """Where the table *name* is cut: its header's length, and where the second part's rows begin."""

    name: str
    header_bytes: int
    at: int


class _Plan(msgspec.Struct, frozen=True, kw_only=True):
    small: dict[str, bytes]
    data: tuple[tuple[str, int], ...]
    first: int
    """How many data members are in the first part, the one that is cut not counted."""
    cut: _Cut | None


def split_tarball(source: BinaryIO, make: Make) -> int:
    """Write the two parts of the tarball *source* to what *make* opens; return how many were made: 2, or 0.

    Raises:
        ValueError: It is no tarball with a manifest, or a row is larger than `MOST_SMALL_BYTES`.
    """
    try:
        plan = _plan(source)
        if plan is None:
            return 0
        for number in range(2):
            with make(number) as target:
                _write(source, target, plan, number)
    except (tarfile.TarError, EOFError, KeyError, msgspec.MsgspecError, csv.Error, gzip.BadGzipFile) as error:
        msg = f"no package that can be split ({type(error).__name__})"
        raise ValueError(msg) from error
    return 2


def _plan(source: BinaryIO) -> _Plan | None:
    small: dict[str, bytes] = {}
    data: list[tuple[str, int]] = []
    with _tar(source) as tar:
        for member in tar:
            name = member.name.removeprefix("./")
            if name in {CONFIG, STATUS, MANIFEST}:
                if member.size > MOST_SMALL_BYTES:
                    msg = f"{name} is too large to be read"
                    raise ValueError(msg)
                small[name] = _content(tar, member).read()
            elif member.isfile():
                data.append((name, member.size))
    total, seen = sum(size for _, size in data), 0
    for index, (name, size) in enumerate(data):
        if seen + size > total // 2:
            cut = _cut(source, name, total // 2 - seen) if name.endswith(".csv") else None
            first = index if cut is not None or index else 1
            if first >= len(data) and cut is None:
                return None
            return _Plan(small=small, data=tuple(data), first=first, cut=cut)
        seen += size
    return None


def _cut(source: BinaryIO, name: str, wish: int) -> _Cut | None:
    """Return where to cut table *name*: at the first end of a row from *wish* on, or the last before its last row."""
    header_bytes = at = offset = 0
    with _tar(source) as tar:
        for member in tar:
            if member.name.removeprefix("./") != name:
                continue
            for size in _row_sizes(_content(tar, member)):
                offset += size
                if not header_bytes:
                    header_bytes = offset
                elif offset >= member.size:
                    break  # the last row stays in the second part
                else:
                    at = offset
                    if at >= wish:
                        break
    return _Cut(name, header_bytes, at) if at > header_bytes else None


def _row_sizes(file: IO[bytes]) -> Iterator[int]:
    """Yield the size of each row, header first: a line ends one where the quotes before it are even in number."""
    size = quotes = 0
    while line := file.readline(MOST_SMALL_BYTES):
        size, quotes = size + len(line), quotes + line.count(b'"')
        if size > MOST_SMALL_BYTES:
            msg = "a row is too large"
            raise ValueError(msg)
        if quotes % 2 == 0 and line.endswith(b"\n"):
            yield size
            size = quotes = 0
    if size:
        yield size


def _write(source: BinaryIO, target: BinaryIO, plan: _Plan, number: int) -> None:
    with (
        gzip.GzipFile("", "wb", compresslevel=6, fileobj=target, mtime=0) as packed,
        # Streamed ("w|"): the target cannot be sought in.
        tarfile.open(fileobj=packed, mode="w|", format=tarfile.PAX_FORMAT) as made,
        _tar(source) as tar,
    ):
        inside: list[str] = []
        mtime = 0.0
        index = 0
        for member in tar:
            name = member.name.removeprefix("./")
            if name in plan.small or not member.isfile():
                continue
            mtime = max(mtime, float(member.mtime))
            cut = plan.cut if plan.cut is not None and plan.cut.name == name else None
            if cut is not None or (index < plan.first) == (number == 0):
                inside.append(name)
                _copy(tar, member, made, cut, number)
            index += 1
        _add(made, CONFIG, plan.small.get(CONFIG), mtime)
        _add(made, STATUS, _status(plan.small[STATUS], inside), mtime)
        _add(made, MANIFEST, _manifest(plan.small[MANIFEST], inside), mtime)


def _copy(tar: tarfile.TarFile, member: tarfile.TarInfo, made: tarfile.TarFile, cut: _Cut | None, number: int) -> None:
    content = _content(tar, member)
    kept = tarfile.TarInfo(member.name)
    kept.mode, kept.mtime = member.mode, member.mtime
    kept.pax_headers = dict(member.pax_headers)
    if cut is None:
        kept.size = member.size
        made.addfile(kept, content)
    elif number == 0:
        kept.size = cut.at
        made.addfile(kept, content)
    else:
        header = content.read(cut.header_bytes)
        content.seek(cut.at)
        kept.size = len(header) + member.size - cut.at
        made.addfile(kept, cast("IO[bytes]", _Chained(header, content)))


class _Chained:
    """Bytes, and then the rest of a file."""

    def __init__(self, first: bytes, rest: IO[bytes]) -> None:
        self._first, self._rest = first, rest

    def read(self, size: int) -> bytes:
        piece, self._first = self._first[:size], self._first[size:]
        return piece + self._rest.read(size - len(piece)) if len(piece) < size else piece


def _status(table: bytes, inside: list[str]) -> bytes:
    header, *rows = csv.reader(io.StringIO(table.decode(), newline=""))
    place = header.index("file_name")
    text = io.StringIO(newline="")
    csv.writer(text).writerows([header, *(row for row in rows if row[place].removeprefix("./") in inside)])
    return text.getvalue().encode()


def _manifest(manifest: bytes, inside: list[str]) -> bytes:
    versions = msgspec.json.decode(manifest, type=dict[str, object])
    kept = {name: version for name, version in versions.items() if name in {*inside, CONFIG, STATUS}}
    return json.dumps(kept).encode()


def _add(made: tarfile.TarFile, name: str, content: bytes | None, mtime: float) -> None:
    if content is not None:
        member = tarfile.TarInfo(f"./{name}")
        member.size, member.mode, member.mtime = len(content), 0o644, mtime
        made.addfile(member, io.BytesIO(content))


def _content(tar: tarfile.TarFile, member: tarfile.TarInfo) -> IO[bytes]:
    file = tar.extractfile(member)
    if file is None:
        msg = f"{member.name} is no plain file"
        raise ValueError(msg)
    return file


@contextmanager
def _tar(source: BinaryIO) -> Generator[tarfile.TarFile]:
    source.seek(0)
    with tarfile.open(fileobj=source, mode="r:gz") as tar:
        yield tar
