"""`Task`: one call of `footfall.gather`, the host of its run."""

from __future__ import annotations

import contextlib
import logging
import platform
import shutil
import tempfile
from collections.abc import Callable, Generator, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Final

import msgspec

from footfall.collect import intervals
from footfall.collect.collection import Collection, CsvCollection, JsonCollection
from footfall.collect.package import Package, free_path, tarball_base, write_tarball
from footfall.collect.registered import Registered
from footfall.collect.run import Run
from footfall.collect.shipping import Parcel, Piece, Shipper
from footfall.collect.store import Kept, Store
from footfall.destination import Destination
from footfall.errors import FootfallError
from footfall.gathering import state
from footfall.version import VERSION

logger: Final = logging.getLogger("footfall")

STAGE: Final = "stage-"

Told = Callable[[int, int], object]
"""Is told how many of how many intervals are gathered."""

Asked = tuple[datetime | None, datetime | None]
"""Begin and end of the interval that somebody asked for."""


class Gathered(msgspec.Struct, frozen=True, kw_only=True):
    """What came of `gather`.

    Attributes:
        reason: Why nothing was gathered; "" where something could be.
        tarballs: Paths; they exist after a dry run only.
        intervals: How many intervals collectors were asked for.
        failed: How many of them failed; these are asked for again next time.
        pending: How many tarballs wait to be delivered, of this run and of earlier ones.
        delivered: How many of this run's arrived.
    """

    reason: str = ""
    tarballs: tuple[Path, ...] = ()
    intervals: int = 0
    failed: int = 0
    pending: int = 0
    delivered: int = 0


class Task:
    """What one run asks for, and where it puts things.

    Args:
        project: Whose collectors.
        collectors: They.
        asked: Begin and end of the interval, where somebody asked for one.
        told: Is told how far it got.
        max_data_bytes: Of a package.
        destination: Where packages go; None in a dry run.
    """

    def __init__(
        self,
        project: str,
        collectors: Sequence[Registered],
        *,
        asked: Asked,
        told: Told,
        max_data_bytes: int,
        destination: Destination | None,
    ) -> None:
        self.logger = logger
        self.collection_type = "manual"
        self.gather_dir = Path()
        self.gather_until = intervals.EVER
        self._project = project
        self._collectors = collectors
        self._asked = asked
        self._told = told
        self._max_data_bytes = max_data_bytes
        self._destination = destination
        self._folder = Path()
        self._names: list[str] = []

    def rehearse(self, folder: Path) -> Gathered:
        """Gather into *folder*, and remember nothing."""
        self.collection_type = "dry-run"
        self._folder = folder
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        directory = state.directory(make=False)
        kept = Store(directory, self._project).read() if directory is not None else Kept()
        with self._staged():
            run = self._planned(kept, None, lambda: None)
            run.gather()
        return _report(run, pending=len(kept.progress.ids()))

    def run(self, shipper: Shipper | None, timeout_seconds: float, *, all_known: bool) -> Gathered:
        """Gather, keep for delivery, and wait for that a while.

        Args:
            shipper: Who keeps and delivers; default: the outbox.
            timeout_seconds: See `footfall.gather`.
            all_known: No collector of these keys was left out.
        """
        store = Store(state.existing_directory(), self._project)
        with store.lock() as acquired:
            if not acquired:
                return Gathered(reason=f"another run gathers for {self._project}")
            for stale in store.directory.glob(f"{STAGE}*"):  # of a run that was killed
                shutil.rmtree(stale, ignore_errors=True)
            kept = store.read()
            self._folder = store.directory
            with self._staged():
                run = self._planned(kept, shipper or state.shipper(self._project), lambda: store.write(kept))
                run.gather()
                run.finish(timeout_seconds, all_known=all_known)
                kept.last_gather = max(kept.last_gather or self.gather_until, self.gather_until)
                store.write(kept)
                run.forget()
            return _report(run, pending=len(kept.progress.ids()))

    def now(self) -> datetime:
        """Return the present."""
        return datetime.now(timezone.utc)

    def make_collection(self, registered: Registered) -> Collection:
        """Return an empty collection of *registered*."""
        return (JsonCollection if registered.format == "json" else CsvCollection)(self, registered)

    def make_package(self) -> Package:
        """Return an empty package."""
        return Package()

    def max_data_size(self) -> int:
        """Return the bytes that a package may hold."""
        return self._max_data_bytes

    def make_tarball(self, package: Package, config: Collection | None) -> None:
        """Write the tarball of *package*."""
        path = free_path(self._folder, tarball_base(self), self._names)
        self._names.append(path.name)
        try:
            package.manifest_bytes = write_tarball(path, package.collections, config, self)
        except OSError as error:
            self.logger.error("footfall: %s could not be written: %s", path, error)  # noqa: TRY400  says it all
            path.unlink(missing_ok=True)
        else:
            package.path = path

    def parcel(self, package: Package, pieces: tuple[Piece, ...]) -> Parcel | None:
        """Return *package* ready for the way."""
        if package.path is None or self._destination is None:
            return None
        return Parcel(
            path=package.path,
            content_type=state.content_type(self._destination),
            request_id=package.request_id,
            destination=self._destination,
            pieces=pieces,
        )

    def gathered(self, collection: Collection) -> None:
        """Tell the project's other destinations, where it has some."""
        state.tell(self._project, collection)

    @contextlib.contextmanager
    def _staged(self) -> Generator[None]:
        """Have a folder for files while the block runs; tarballs lie beside it only until they are handed over."""
        self.gather_dir = Path(tempfile.mkdtemp(prefix=STAGE, dir=self._folder))
        if self.collection_type != "dry-run":
            self._folder = self.gather_dir
        try:
            yield
        finally:
            shutil.rmtree(self.gather_dir, ignore_errors=True)

    def _planned(self, kept: Kept, shipper: Shipper | None, save: Callable[[], None]) -> Run[Package]:
        since, until = self._asked
        interval = intervals.resolve(since, until, now=self.now(), stored=kept.last_gather, warn=self._warn)
        self.gather_until = interval.until
        run: Run[Package] = Run(
            self, progress=kept.progress, entries=kept.entries, shipper=shipper, save=save, told=self._told
        )
        if run.settle():
            save()
        run.plan(self._collectors, interval)
        run.config = run.config or self.make_collection(_config(self._project))
        run.config.gather(self._max_data_bytes)
        if not run.config.successful:
            msg = "the config collector failed, and every package needs its result; its error was logged"
            raise FootfallError(msg)
        return run

    def _warn(self, text: str) -> None:
        self.logger.warning("footfall: %s", text)


def _report(run: Run[Package], *, pending: int) -> Gathered:
    packages = tuple(run.packages)
    collections = [each for group in run.collections.values() for each in group]
    return Gathered(
        tarballs=tuple(package.path for package in packages if package.path is not None),
        intervals=len(collections),
        failed=sum(not each.successful for each in collections),
        pending=pending,
        delivered=sum(bool(package.shipped) for package in packages),
    )


def _config(project: str) -> Registered:
    """Return the collector of a config where there is none: what gathered, and for whom (insights.md section 13)."""

    def config() -> dict[str, str]:
        return {
            "service.name": project.rpartition("/")[2],
            "telemetry.distro.name": "footfall",
            "telemetry.distro.version": VERSION,
            "process.runtime.name": platform.python_implementation().lower(),
            "process.runtime.version": platform.python_version(),
        }

    return Registered(name="config", function=config, key="config", version="1.0", config=True)
