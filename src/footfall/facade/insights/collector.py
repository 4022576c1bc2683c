"""`Collector`: gathers what the registered functions of a module say, and ships it."""

from __future__ import annotations

import contextlib
import logging
import re
import shutil
import tempfile
from collections.abc import Collection as AbstractCollection
from collections.abc import Generator
from datetime import datetime, timezone
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final

from footfall.collect import intervals
from footfall.collect.locking import advisory_lock
from footfall.collect.registered import Registered, registered
from footfall.collect.run import Run
from footfall.collect.shipping import Parcel, Piece, Shipper
from footfall.collect.store import Kept, Store
from footfall.errors import ConfigurationError
from footfall.facade.insights import delivery
from footfall.facade.insights.collection import Collection, CollectionCSV, CollectionJSON
from footfall.facade.insights.package import Package
from footfall.gathering import state

if TYPE_CHECKING:
    from footfall.collect.collection import Collection as CoreCollection

PREFIX: Final = "awx_analytics-"


class Collector:
    """To be derived from: say where stored times are kept, whether shipping is configured, and which `Package` is used.

    Args:
        collection_type: ``manual``, ``scheduled`` (the same, less loud) or ``dry-run``: nothing is shipped or stored,
            and the tarballs stay.
        collector_module: Module with functions that `register` marked.
        logger: Default: ``insights-analytics-collector.collector``.
        licensed: Whether a licence is needed.
    """

    MANUAL_COLLECTION = "manual"
    DRY_RUN = "dry-run"
    SCHEDULED_COLLECTION = "scheduled"

    def __init__(
        self,
        collection_type: str = DRY_RUN,
        collector_module: ModuleType | None = None,
        logger: logging.Logger | None = None,
        licensed: bool = True,
    ) -> None:
        self.licensed = licensed
        self.collector_module = collector_module
        self.collection_type = collection_type
        self.logger = logger or logging.getLogger("insights-analytics-collector.collector")
        self.log_level = logging.DEBUG if collection_type == self.SCHEDULED_COLLECTION else logging.ERROR
        self.collections: dict[str, Any] = {}
        self.packages: dict[str, list[Package]] = {}
        self.last_gathered_entries: dict[str, datetime] = {}
        self.tmp_dir: Path = Path()
        self.tar_dir: Path = Path()
        self.gather_dir: Path = Path()
        self.gather_since: datetime | None = None
        self.gather_until: datetime = intervals.EVER
        self.last_gather: datetime | None = None
        self._kept = Kept()
        self._run: Run[Package] | None = None
        self._own_tar_dir = False

    @classmethod
    def registered_collectors(cls, module: ModuleType) -> dict[str, dict[str, str]]:
        """Return name, version and description of the collectors of *module*, by key."""
        return {
            each.key: {"name": each.key, "version": each.version, "description": each.description}
            for each in registered(module)
        }

    def gather(
        self,
        dest: str | Path | None = None,
        subset: AbstractCollection[str] | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> list[str] | None:
        """Gather, pack and ship.

        What the server does not take now stays in the outbox and is delivered later, under the same request id.

        Args:
            dest: Folder for the work and, in a dry run, the tarballs; nothing else in it is touched. Default: a new
                temporary one.
            subset: Names of functions in the module; None: all.
            since: Begin of the interval, aware. Default: where each key got to.
            until: Its end; default: now.

        Returns:
            Paths of the tarballs, which exist after a dry run only; None where nothing was gathered because there is
            no licence, no shipping, no config, another run, or a no of the user.

        Raises:
            ValueError: Nothing lies between *since* and *until*.
            TypeError: One of them has no time zone.
        """
        if not self.is_enabled():
            return None
        with self._lock() as acquired:
            if not acquired:
                self.logger.log(self.log_level, "Not gathering analytics, another task holds lock")
                return None
            try:
                self._gather_initialize(dest, subset, since, until)
                if not self._gather_config():
                    return None
                self._gather_collections()
                self._gather_finalize(subset)
                return self.all_tar_paths()
            finally:
                self._gather_cleanup()

    def is_dry_run(self) -> bool:
        """Whether nothing is shipped or stored."""
        return self.collection_type == self.DRY_RUN

    def is_shipping_enabled(self) -> bool:
        """Whether it is."""
        return not self.is_dry_run()

    def is_enabled(self) -> bool:
        """Whether a run may begin: licence, shipping, and no no of the user."""
        if not self._is_valid_license() and self.licensed:
            self.logger.log(self.log_level, "Invalid License provided, or No License Provided")
            return False
        if not self.is_shipping_enabled():
            return True
        decision = state.decision(self.project())
        if not decision.records:
            self.logger.log(self.log_level, "Not gathering analytics: %s", decision.reason)
            return False
        return bool(self._is_shipping_configured())

    def config_present(self) -> bool:
        """Whether the module has a config collector."""
        return self.collections.get(Collection.COLLECTION_TYPE_CONFIG) is not None

    def last_gathered_entry_for(self, key: str) -> datetime | None:
        """Return the stored time of *key*."""
        return self.last_gathered_entries.get(key)

    def all_tar_paths(self) -> list[str]:
        """Return the paths of this run's tarballs."""
        return [path for packages in self.packages.values() for each in packages if (path := each.tar_path) is not None]

    def delete_tarballs(self) -> None:
        """Remove them."""
        for path in self.all_tar_paths():
            Path(path).unlink(missing_ok=True)

    def now(self) -> datetime:
        """Return the present."""
        return datetime.now(timezone.utc)

    def project(self) -> str:
        """Return the name under which a user may say no: ``footfall off <name>``."""
        return f"insights/{self.state_name()}"

    def state_name(self) -> str:
        """Return the name under which it is remembered what is on its way.

        Override it where one user runs several deployments of one class.
        """
        name = f"{type(self).__module__}.{type(self).__qualname__}".replace("<locals>.", "")
        return re.sub(r"[^A-Za-z0-9._-]", "_", name).lstrip("._-")[-100:]

    def shipper(self) -> Shipper:
        """Return who keeps packages and delivers them."""
        return state.shipper(self.project())

    # What a run asks for (`footfall.collect.run.Host`).

    def make_collection(self, registered: Registered) -> Collection:
        """Return an empty collection of *registered*.

        Raises:
            ConfigurationError: Its format is none of the two.
        """
        if registered.format == Collection.COLLECTION_TYPE_JSON:
            collection: Collection = self._collection_json_class()(self, registered.function)
        elif registered.format == Collection.COLLECTION_TYPE_CSV:
            collection = self._collection_csv_class()(self, registered.function)
        else:
            msg = f"{registered.key}: format {registered.format!r} is neither json nor csv"
            raise ConfigurationError(msg)
        collection.registered = registered  # under its name in the module, which may be another
        return collection

    def make_package(self) -> Package:
        """Return an empty package."""
        return self._package_class()(self)

    def max_data_size(self) -> int:
        """Return the bytes that a package may hold before compression."""
        return self._package_class().max_data_size()

    def make_tarball(self, package: Package, config: CoreCollection | None) -> None:
        """Make the tarball of *package*, which asks for *config* itself."""
        del config
        package.make_tgz()

    def parcel(self, package: Package, pieces: tuple[Piece, ...]) -> Parcel | None:
        """Return *package* ready for the way, or None."""
        return package.parcel(pieces)

    def gathered(self, collection: CoreCollection) -> None:
        """Tell the project's other destinations, where it has some."""
        state.tell(self.project(), collection)

    # To be overridden.

    @staticmethod
    def db_connection() -> Any:
        """Return a connection to PostgreSQL, whose advisory lock keeps other runs away; None takes a file's lock."""
        return None

    @staticmethod
    def _package_class() -> type[Package]:
        return Package

    @staticmethod
    def _collection_json_class() -> type[CollectionJSON]:
        return CollectionJSON

    @staticmethod
    def _collection_csv_class() -> type[CollectionCSV]:
        return CollectionCSV

    def _is_shipping_configured(self) -> bool:
        """Return whether there is all that shipping needs."""
        return False

    def _is_valid_license(self) -> bool:
        """Return whether there is a licence."""
        return False

    def _last_gathering(self) -> datetime | None:
        """Return the end of the last run, as `_save_last_gather` stored it."""
        return None

    def _load_last_gathered_entries(self) -> dict[str, datetime]:
        """Return the stored times, as `_save_last_gathered_entries` stored them."""
        return {}

    def _save_last_gathered_entries(self, last_gathered_entries: dict[str, datetime]) -> None:
        """Store them: a time for each key."""

    def _save_last_gather(self) -> None:
        """Store `gather_until`."""

    # The steps of a run.

    @contextlib.contextmanager
    def _lock(self) -> Generator[bool]:
        connection = self.db_connection()
        if connection is not None and getattr(connection, "vendor", "postgresql") == "postgresql":
            with advisory_lock(connection) as acquired:
                yield acquired
        elif self.is_dry_run():
            yield True
        else:
            with self._store().lock() as acquired:
                yield acquired

    def _gather_initialize(
        self,
        dest: str | Path | None,
        subset: AbstractCollection[str] | None,
        since: datetime | None,
        until: datetime | None,
    ) -> None:
        self.collections = {Collection.COLLECTION_TYPE_CONFIG: None}
        self.packages = {}
        self._init_tmp_dir(dest)
        self.last_gathered_entries = dict(self._load_last_gathered_entries() or {})
        self._calculate_collection_interval(since, until)
        self._kept = Kept() if self.is_dry_run() else self._store().read()
        run = self._run = Run(
            self,
            progress=self._kept.progress,
            entries=self.last_gathered_entries,
            shipper=None if self.is_dry_run() else self.shipper(),
            save=self._save_progress,
        )
        if run.settle():
            self._save_last_gathered_entries(self.last_gathered_entries)
        interval = intervals.Interval(self.gather_since, self.gather_until, self.last_gather or self.gather_until)
        module = self.collector_module
        run.plan(registered(module, subset) if module is not None else (), interval)
        self.collections = {**run.collections, Collection.COLLECTION_TYPE_CONFIG: run.config}
        self.packages = run.packages.by_group

    def _init_tmp_dir(self, dest: str | Path | None) -> None:
        self._own_tar_dir = dest is None
        self.tar_dir = Path(tempfile.mkdtemp(prefix=PREFIX)) if dest is None else Path(dest)
        self.tar_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.tmp_dir = Path(tempfile.mkdtemp(prefix=PREFIX, dir=self.tar_dir))
        self.gather_dir = self.tmp_dir / "stage"
        self.gather_dir.mkdir(mode=0o700)

    def _calculate_collection_interval(self, since: datetime | None, until: datetime | None) -> None:
        found = intervals.resolve(since, until, now=self.now(), stored=self._last_gathering(), warn=self.logger.warning)
        self.gather_since, self.gather_until, self.last_gather = found

    def _gather_config(self) -> bool:
        if not self.config_present():
            self.logger.log(self.log_level, "'config' collector data is missing")
            return False
        config: Collection = self.collections[Collection.COLLECTION_TYPE_CONFIG]
        config.gather(self.max_data_size())
        return bool(config.successful)

    def _gather_collections(self) -> None:
        if self._run is not None:
            self._run.gather()

    def _gather_finalize(self, subset: AbstractCollection[str] | None) -> None:
        if self.is_dry_run() or self._run is None:
            return
        seconds = min(delivery.WAIT_SECONDS * len(self._kept.progress.ids()), delivery.MOST_SECONDS)
        if not state.decision(self.project()).sends:
            seconds = 0.0
        self._run.finish(seconds, all_known=not subset)
        self._save_last_gathered_entries(self.last_gathered_entries)
        self._save_last_gather()
        self._save_progress()
        self._run.forget()

    def _gather_cleanup(self) -> None:
        """Remove the work and, but for dry runs, the tarballs."""
        shutil.rmtree(self.tmp_dir, ignore_errors=True)
        if self.is_dry_run() and self.all_tar_paths():
            return
        self.delete_tarballs()
        if self._own_tar_dir:
            with contextlib.suppress(OSError):
                self.tar_dir.rmdir()

    def _store(self) -> Store:
        return Store(state.existing_directory(), self.state_name())

    def _save_progress(self) -> None:
        self._store().write(self._kept)
