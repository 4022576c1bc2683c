"""The tarball that an insights server gets, and the multipart body around it (insights.md sections 5, 9 and 13).

    ./<key>.csv                     a table for each key, in the order of keys
    ./config.json                   where the uses happened
    ./data_collection_status.csv    a row for each table
    ./manifest.json                 file name to version

Everything is derived from the records: no time of packing, no random boundary, so that the same records give the same
bytes. Members are plain files of mode 0600 without an owner (reliability.md S8), cells of CSV that a spreadsheet would
compute begin with ``'`` (S7). Pure.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import tarfile
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta, timezone
from typing import Final

import msgspec

FIXED_COLUMNS: Final = (
    *("start", "end", "name", "status", "error_type", "session_id", "user"),
    *("trace_id", "span_id", "parent_span_id"),
)
"""Of each table; the attributes of its uses follow, sorted."""

STATUS_COLUMNS: Final = ("collection_start_timestamp", "since", "until", "file_name", "status", "elapsed")
CONFIG: Final = "config.json"
STATUS: Final = "data_collection_status.csv"
MANIFEST: Final = "manifest.json"
OWN_VERSION: Final = "1.0"
"""Of config and status table."""

MOST_UNPACKED_BYTES: Final = 64 * 2**20
"""Of a package of uses that is read again; ours are far smaller."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=timezone.utc)
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


class Table(msgspec.Struct, frozen=True):
    """Rows of one key. The cells are texts as they stand in the file."""

    version: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


class Package(msgspec.Struct, frozen=True):
    """What one tarball holds: the text of its config, and its tables by key."""

    config: bytes
    tables: Mapping[str, Table]

    @property
    def rows(self) -> int:
        """Of all tables."""
        return sum(len(table.rows) for table in self.tables.values())


def moment(time_ns: int) -> str:
    """Return UTC nanoseconds as tables have them, to the microsecond; texts sort like the times.

    Raises:
        OverflowError: A year beyond 9999.
    """
    return (_EPOCH + timedelta(microseconds=time_ns // 1000)).isoformat(sep=" ", timespec="microseconds")


def cell(text: str) -> str:
    """Return *text* as a cell that no spreadsheet takes for a formula."""
    return "'" + text if text.startswith(_FORMULA) else text


def table(version: str, rows: Iterable[Mapping[str, str]]) -> Table:
    """Return the table of *rows*, which may differ in their columns."""
    found = list(rows)
    columns = FIXED_COLUMNS + tuple(sorted({name for row in found for name in row} - set(FIXED_COLUMNS)))
    return Table(version, columns, tuple(tuple(row.get(name, "") for name in columns) for row in found))


def joined(packages: Sequence[Package]) -> Package:
    """Return all rows of *packages*, which have one config, in one package; of two versions of a key the last."""
    tables: dict[str, Table] = {}
    for key in sorted({key for package in packages for key in package.tables}):
        parts = [package.tables[key] for package in packages if key in package.tables]
        rows = [dict(zip(part.columns, row, strict=True)) for part in parts for row in part.rows]
        whole = table(parts[-1].version, rows)
        # By their begin, the first column; which package a row came in says nothing.
        tables[key] = msgspec.structs.replace(whole, rows=tuple(sorted(whole.rows)))
    return Package(packages[0].config, tables)


def halves(package: Package) -> tuple[Package, Package]:
    """Return the first and the second half of the rows of *package*, headers in both."""
    middle, seen = package.rows // 2, 0
    first: dict[str, Table] = {}
    second: dict[str, Table] = {}
    for key, whole in package.tables.items():
        cut = min(max(middle - seen, 0), len(whole.rows))
        seen += len(whole.rows)
        for part, rows in ((first, whole.rows[:cut]), (second, whole.rows[cut:])):
            if rows:
                part[key] = msgspec.structs.replace(whole, rows=rows)
    return Package(package.config, first), Package(package.config, second)


def pack(package: Package, key: str) -> tuple[str, bytes]:
    """Return name and bytes of the tarball; *key* makes the name of packages that end in one second differ."""
    bounds = [(min(row[0] for row in each.rows), max(row[1] for row in each.rows)) for each in package.tables.values()]
    since, until = min(start for start, _ in bounds), max(end for _, end in bounds)
    end = datetime.fromisoformat(until)
    name = f"analytics-{end:%Y-%m-%d-%H%M%S%z}-{int(key[:8], 16)}.tar.gz"
    members: list[tuple[str, bytes, str]] = []
    status: list[tuple[str, ...]] = [STATUS_COLUMNS]
    for (start, _), (table_key, each) in zip(bounds, package.tables.items(), strict=True):
        members.append((f"{table_key}.csv", _csv((each.columns, *each.rows)), each.version))
        # 0: how long a file took to write is not known before its bytes are, and would make them differ each time.
        status.append((start, since, until, f"{table_key}.csv", "ok", "0"))
    members += [(CONFIG, package.config, OWN_VERSION), (STATUS, _csv(status), OWN_VERSION)]
    versions = json.dumps({file_name: version for file_name, _, version in members})
    members.append((MANIFEST, versions.encode(), ""))
    packed = io.BytesIO()
    with gzip.GzipFile(name.removesuffix(".gz"), "wb", compresslevel=6, fileobj=packed, mtime=0) as file:
        file.write(_tar(members, end.timestamp()))
    return name, packed.getvalue()


def unpack(tarball: bytes) -> Package:
    """Return what `pack` packed.

    Raises:
        ValueError: It is no tarball of ours.
    """
    try:
        found = dict(members(tarball))
        versions: dict[str, str] = msgspec.json.decode(found.pop(MANIFEST), type=dict[str, str])
        config = found.pop(CONFIG)
        del found[STATUS]
        tables = {name.removesuffix(".csv"): _table(content, versions[name]) for name, content in found.items()}
    except (KeyError, msgspec.MsgspecError, csv.Error) as error:
        msg = f"no package of uses ({type(error).__name__})"
        raise ValueError(msg) from error
    return Package(config, tables)


def members(tarball: bytes) -> list[tuple[str, bytes]]:
    """Return name (without ``./``) and content of each plain file in *tarball*.

    Raises:
        ValueError: It is none, or unpacks to more than `MOST_UNPACKED_BYTES`.
    """
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(tarball)) as unpacker:
            plain = unpacker.read(MOST_UNPACKED_BYTES + 1)
        if len(plain) > MOST_UNPACKED_BYTES:
            msg = "no package of uses (too large)"
            raise ValueError(msg)
        return list(_members(plain))
    except (OSError, EOFError, zlib.error, tarfile.TarError) as error:
        msg = f"no package of uses ({type(error).__name__})"
        raise ValueError(msg) from error


def multipart(name: str, content_type: str, *, boundary: str) -> tuple[bytes, bytes]:
    """Return what stands before and behind the bytes of file *name* in a body of one part, ``file``."""
    head = (
        f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n'
        f"Content-Type: {content_type}\r\n\r\n"
    )
    return head.encode(), f"\r\n--{boundary}--\r\n".encode()


def in_multipart(body: bytes) -> bytes:
    """Return the bytes of the one part of *body*.

    Raises:
        ValueError: There is none.
    """
    first, line_end, _ = body.partition(b"\r\n")
    start, end = body.find(b"\r\n\r\n") + 4, len(body) - len(first) - 6
    if not line_end or start < 4 or end < start or body[end:] != b"\r\n" + first + b"--\r\n":
        msg = "no body of one part"
        raise ValueError(msg)
    return body[start:end]


def _csv(rows: Iterable[Sequence[str]]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text).writerows(rows)
    return text.getvalue().encode()


def _table(content: bytes, version: str) -> Table:
    columns, *rows = map(tuple, csv.reader(io.StringIO(content.decode(), newline="")))
    if any(len(row) != len(columns) for row in rows):
        msg = "a row of another length than its header"
        raise ValueError(msg)
    return Table(version, columns, tuple(rows))


def _tar(members: Iterable[tuple[str, bytes, str]], mtime: float) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, content, _ in members:
            member = tarfile.TarInfo(f"./{name}")
            # A float, so that there is a pax record of it, as in the originals.
            member.size, member.mode, member.mtime = len(content), 0o600, mtime
            tar.addfile(member, io.BytesIO(content))
    return packed.getvalue()


def _members(plain: bytes) -> Iterator[tuple[str, bytes]]:
    with tarfile.open(fileobj=io.BytesIO(plain), mode="r:") as tar:
        for member in tar:
            file = tar.extractfile(member) if member.isfile() else None
            if file is not None:
                yield member.name.removeprefix("./"), file.read()
