"""`Collection`: one collector function, asked for one interval, and the file that its answer became.

Nothing that was gathered stays in memory: JSON is written to a file at once, as tables are.
"""

from __future__ import annotations

import contextlib
import copy
import inspect
import itertools
import json
import logging
import os
import tarfile
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO, Final, Protocol, cast

from footfall.collect.intervals import Span
from footfall.collect.registered import Registered
from footfall.collect.splitting import write_rows
from footfall.places.files import open_private

_numbers: Final = itertools.count()
"""For names of files: slices of one key may be on disk at once, and keys are free text."""

MEMBER_MODE: Final = 0o644
"""Of every member of a tarball; nobody's name or number is in there."""


class Context(Protocol):
    """What a collection asks of its run."""

    @property
    def logger(self) -> logging.Logger:
        """Where failures are told."""
        ...

    @property
    def gather_dir(self) -> Path:
        """Folder for files of the run."""
        ...

    @property
    def gather_until(self) -> datetime:
        """End of the run's interval."""
        ...

    @property
    def collection_type(self) -> str:
        """``manual``, ``scheduled`` or ``dry-run``."""
        ...

    def now(self) -> datetime:
        """Return the present, aware."""
        ...


class Collection:
    """One function and one interval.

    Args:
        context: The run.
        registered: The function.

    Attributes:
        since: Begin of the interval; None where a slicing function says so.
        until: Its end.
        full_sync: Whether it belongs to a full synchronisation.
        successful: None until it was gathered.
        path: File of what was gathered; None where that was nothing, or failed.
        cover: The time that is settled when it arrives; begins where the one before ends.
        origin: The collection that was gathered, where this one is a part of it; else itself.
        parts: Of an origin: how many files its answer fills.
    """

    def __init__(self, context: Context, registered: Registered) -> None:
        self.context = context
        self.registered = registered
        self.key = registered.key
        self.version = registered.version
        self.filename = f"{registered.key}.{registered.format}"
        self.since: datetime | None = None
        self.until: datetime | None = None
        self.cover: Span | None = None
        self.full_sync = False
        self.started_at: datetime | None = None
        self.finished_at: datetime | None = None
        self.successful: bool | None = None
        self.path: Path | None = None
        self.origin: Collection = self
        self.parts = 1

    def gather(self, max_data_size: int) -> None:
        """Ask the function. What it raises is logged, and the collection has failed."""
        self.started_at = self.context.now()
        self.clear()
        try:
            self.keep(self.ask(max_data_size), max_data_size)
            self.successful = True
        except Exception as error:
            self.context.logger.exception("Could not generate metric %s: %s", self.filename, error)  # noqa: TRY401  as its users know it
            self.clear()
            self.successful = False
        finally:
            self.finished_at = self.context.now()

    def ask(self, max_data_size: int) -> Any:
        """Call the function with what it takes of what there is, and return its answer."""
        offered = {
            "since": self.since,
            "until": self.until,
            "max_data_size": max_data_size,
            "full_path": self.context.gather_dir,
            "collection_type": self.context.collection_type,
        }
        return self.registered.function(**_taken(self.registered.function, offered))

    def keep(self, answer: Any, max_data_size: int) -> None:
        """Write what the function answered to a file, or take the files that it wrote."""
        raise NotImplementedError

    def split(self) -> list[Collection]:
        """Return one collection for each file: none where there is nothing to ship."""
        return [self] if self.path is not None or not self.successful else []

    def is_empty(self) -> bool:
        """Whether there is nothing for a member of a tarball."""
        return self.path is None

    def data_size(self) -> int:
        """Return the bytes of what was gathered, as they are before compression."""
        try:
            return self.path.stat().st_size if self.path is not None else 0
        except OSError as error:
            self.context.logger.error("Can't get size of %s: %s", self.filename, error)  # noqa: TRY400  the file is gone; that is all there is to it
            return 0

    def ship_immediately(self) -> bool:
        """Whether its package is made at once: the next slice writes to the same files."""
        return self.registered.slicing is not None

    def mtime(self) -> float:
        """Return the time of the member, in seconds."""
        return self.context.gather_until.timestamp()

    def add_to_tar(self, tar: tarfile.TarFile) -> None:
        """Add the file to *tar*; nobody's name goes along."""
        if self.path is None:
            return
        with self.path.open("rb") as file:
            add_member(tar, self.filename, file, size=os.fstat(file.fileno()).st_size, mtime=self.mtime())

    def cleanup(self) -> None:
        """Remove the file."""
        if self.path is not None:
            with contextlib.suppress(OSError):
                self.path.unlink(missing_ok=True)

    def clear(self) -> None:
        """Forget what was gathered before."""
        self.path = None
        self.parts = 1


class JsonCollection(Collection):
    """One whose answer is anything that `json.dumps` takes."""

    def keep(self, answer: Any, max_data_size: int) -> None:  # noqa: ARG002  JSON is not split
        """Write *answer* to a file.

        Raises:
            TypeError, ValueError: It is no JSON.
        """
        text = json.dumps(answer)
        path = self.context.gather_dir / f".{next(_numbers)}.json"
        with open(open_private(path), "w", encoding="ascii") as file:  # noqa: PTH123  an open descriptor
            file.write(text)
        self.path = path


class CsvCollection(Collection):
    """One whose answer is the path of a file, or a list of such, or rows (`splitting.write_rows`)."""

    def __init__(self, context: Context, registered: Registered) -> None:
        super().__init__(context, registered)
        self.paths: tuple[Path, ...] = ()

    def keep(self, answer: Any, max_data_size: int) -> None:
        """Take the files that *answer* names, or write its rows into files."""
        if answer is None:
            return
        if isinstance(answer, (str, os.PathLike)):
            paths: Sequence[Any] = [answer]
        elif isinstance(answer, (list, tuple)) and all(map(_is_path, cast("Sequence[Any]", answer))):
            paths = cast("Sequence[Any]", answer)
        else:
            path = self.context.gather_dir / f".{self.registered.name}.csv"
            paths = write_rows(answer, path, max_data_size, header=self.registered.header)
        self.paths = tuple(Path(path) for path in paths)
        self.path = self.paths[0] if self.paths else None

    def split(self) -> list[Collection]:
        """Return one collection for each file."""
        if len(self.paths) < 2:
            return super().split()
        self.parts = len(self.paths)
        return [self.with_path(path) for path in self.paths]

    def with_path(self, path: Path) -> CsvCollection:
        """Return the part of the answer that the file *path* holds."""
        part = copy.copy(self)
        part.path, part.paths = path, (path,)
        return part

    def mtime(self) -> float:
        """Return the time of the file."""
        return self.path.stat().st_mtime if self.path is not None else super().mtime()

    def clear(self) -> None:
        """Forget what was gathered before."""
        super().clear()
        self.paths = ()


def _taken(function: Callable[..., Any], offered: dict[str, Any]) -> dict[str, Any]:
    parameters = inspect.signature(function).parameters
    if any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in parameters.values()):
        return offered
    return {name: value for name, value in offered.items() if name in parameters}


def _is_path(value: Any) -> bool:
    return isinstance(value, (str, os.PathLike))


def add_member(tar: tarfile.TarFile, name: str, file: BinaryIO | Any, *, size: int, mtime: float) -> None:
    """Add ``./name`` to *tar*: a plain file of nobody."""
    info = tarfile.TarInfo(f"./{name}")
    info.size = size
    info.mtime = mtime
    info.mode = MEMBER_MODE
    tar.addfile(info, file)
