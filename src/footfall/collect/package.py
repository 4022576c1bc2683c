"""`Package`: the collections of one tarball; `Packages`: which collection goes into which (insights.md section 4)."""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
import tarfile
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final, Generic, TypeVar

from footfall.collect.collection import Collection, Context, add_member
from footfall.places.files import open_private

MAX_DATA_BYTES: Final = 200 * 2**20
"""Of what goes into one package, before compression."""

COMPRESSION_LEVEL: Final = 4
"""Of zlib. A table of numbers and words takes 0.61 us a row of 78 bytes, and is 10 % larger than with 9, the library's
default, which takes 3.9 us."""

STATUS_NAME: Final = "data_collection_status.csv"
STATUS_COLUMNS: Final = ("collection_start_timestamp", "since", "until", "file_name", "status", "elapsed")
MANIFEST_NAME: Final = "manifest.json"
OWN_VERSION: Final = "1.0"


class Package:
    """What one tarball holds.

    Attributes:
        collections: In order of their coming.
        data_bytes: Their sum, before compression.
        manifest_bytes: Of the manifest, which counts as data; 0 before the tarball is made.
        processed: Whether its tarball is made, or could not be: nothing more goes in.
        path: Of the tarball.
        request_id: Under which it is sent, on every attempt.
        shipped: Whether the server took it; None until it was tried.
    """

    def __init__(self) -> None:
        self.collections: list[Collection] = []
        self.data_bytes = 0
        self.manifest_bytes = 0
        self.processed = False
        self.path: Path | None = None
        self.request_id = uuid.uuid4().hex
        self.shipped: bool | None = None

    def add(self, collection: Collection) -> None:
        """Put *collection* in."""
        self.collections.append(collection)
        self.data_bytes += collection.data_size()

    def has_key(self, key: str) -> bool:
        """Whether something with *key* is in there."""
        return any(collection.key == key for collection in self.collections)

    def has_room(self, size: int, limit: int) -> bool:
        """Whether *size* more bytes stay within *limit*."""
        return self.data_bytes + size <= limit


P = TypeVar("P", bound=Package)


class Packages(Generic[P]):
    """The packages of a run, by group in order of first use.

    Args:
        make: Makes an empty package.
        limit: Returns the bytes that a package may hold.
    """

    def __init__(self, make: Callable[[], P], limit: Callable[[], int]) -> None:
        self.by_group: dict[str, list[P]] = {}
        self._make = make
        self._limit = limit

    def __iter__(self) -> Iterator[P]:
        return (package for packages in self.by_group.values() for package in packages)

    def place(self, collection: Collection) -> P:
        """Put *collection* into the first package of its group that is open and has room and not this key; return it.

        What is larger than a package gets one of its own.
        """
        packages = self.by_group.setdefault(collection.registered.group, [])
        size, limit = collection.data_size(), self._limit()
        for package in packages:
            if package.has_room(size, limit) and not package.has_key(collection.key) and not package.processed:
                break
        else:
            package = self._make()
            packages.append(package)
        package.add(collection)
        return package

    def replace(self, package: P, others: Sequence[P]) -> None:
        """Put *others* into the place of *package*."""
        for packages in self.by_group.values():
            if package in packages:
                at = packages.index(package)
                packages[at : at + 1] = others


def write_tarball(path: Path, collections: Sequence[Collection], config: Collection | None, context: Context) -> int:
    """Write the tarball *path*: data, config, status table, manifest (insights.md section 5).

    Args:
        path: In a directory of ours; must not exist.
        collections: In order.
        config: Goes along unless it failed.
        context: The run.

    Returns:
        Characters of the manifest, which counts as data.

    Raises:
        OSError: It could not be written.
    """
    manifest: dict[str, str] = {}
    mtime = context.gather_until.timestamp()
    with (
        open(open_private(path, os.O_RDWR), "wb") as raw,  # noqa: PTH123  an open descriptor
        gzip.GzipFile(path.name, "wb", COMPRESSION_LEVEL, raw, mtime=int(mtime)) as packed,
        tarfile.TarFile(path.name, "w", packed, format=tarfile.PAX_FORMAT) as tar,
    ):
        for collection in (*collections, *((config,) if config is not None else ())):
            if not collection.is_empty():
                collection.add_to_tar(tar)
                manifest[collection.filename] = collection.version
        status = status_table(collections).encode()
        add_member(tar, STATUS_NAME, io.BytesIO(status), size=len(status), mtime=context.now().timestamp())
        manifest[STATUS_NAME] = OWN_VERSION
        text = json.dumps(manifest).encode()
        add_member(tar, MANIFEST_NAME, io.BytesIO(text), size=len(text), mtime=mtime)
    return len(text)


def status_table(collections: Sequence[Collection]) -> str:
    """Return the table of what was gathered when, and how that went: CSV with CRLF."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(STATUS_COLUMNS)
    for collection in collections:
        started, finished = collection.started_at, collection.finished_at
        elapsed = (finished - started).seconds if started and finished else 0
        status = "ok" if collection.successful else "failed"
        times = ("" if time is None else str(time) for time in (started, collection.since, collection.until))
        writer.writerow((*times, collection.filename, status, elapsed))
    return text.getvalue()


def tarball_base(context: Context) -> str:
    """Return what the names of a run's tarballs begin with."""
    return context.gather_until.strftime("analytics-%Y-%m-%d-%H%M%S%z")


def free_path(folder: Path, base: str, used: Iterable[str] = ()) -> Path:
    """Return the first ``base-<number>.tar.gz`` that is neither in *folder* nor one of *used*."""
    taken = {path.name for path in folder.glob(f"{base}-*")} | set(used)
    number = next(number for number in range(len(taken) + 1) if f"{base}-{number}.tar.gz" not in taken)
    return folder / f"{base}-{number}.tar.gz"
