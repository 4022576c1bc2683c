"""`CollectionJSON` and `CollectionCSV`: what one collector said about one interval."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from footfall.collect import collection as core
from footfall.collect.registered import read
from footfall.errors import ConfigurationError

if TYPE_CHECKING:
    from footfall.facade.insights.collector import Collector


class Collection(core.Collection):
    """What both have in common.

    Args:
        collector: Whose.
        fnc_collecting: A function that `register` marked.

    Raises:
        ConfigurationError: It is none.
    """

    COLLECTION_TYPE_CONFIG = "config"
    COLLECTION_TYPE_JSON = "json"
    COLLECTION_TYPE_CSV = "csv"

    def __init__(self, collector: Collector, fnc_collecting: Callable[..., Any]) -> None:
        registered = read(getattr(fnc_collecting, "__name__", ""), fnc_collecting)
        if registered is None:
            msg = f"{fnc_collecting!r} is no collector; decorate it with @register(key, version)"
            raise ConfigurationError(msg)
        super().__init__(collector, registered)
        self.collector = collector
        self.logger = collector.logger

    @property
    def fnc_collecting(self) -> Callable[..., Any]:
        """The collector function."""
        return self.registered.function

    @property
    def fnc_slicing(self) -> Callable[..., Any] | None:
        """Its slicing function."""
        return self.registered.slicing

    @property
    def is_config(self) -> bool:
        """Whether it goes into every package."""
        return self.registered.config

    @property
    def description(self) -> str:
        """For people."""
        return self.registered.description

    @property
    def shipping_group(self) -> str:
        """Group of its packages."""
        return self.registered.group

    @property
    def data_type(self) -> str:
        """``json`` or ``csv``."""
        return self.registered.format

    @property
    def full_sync_enabled(self) -> bool:
        """Whether it is part of a full synchronisation."""
        return self.full_sync

    @property
    def last_gathered_entry(self) -> datetime | None:
        """The stored time of its key."""
        return self.collector.last_gathered_entry_for(self.key)

    @property
    def gathering_started_at(self) -> datetime | None:
        """When the function was called."""
        return self.started_at

    @property
    def gathering_finished_at(self) -> datetime | None:
        """When it was done."""
        return self.finished_at

    @property
    def gathering_successful(self) -> bool | None:
        """Whether it succeeded; None before it was called."""
        return self.successful


class CollectionJSON(Collection, core.JsonCollection):
    """A result that `json.dumps` takes; it lies in a file of the run, not in memory."""

    @property
    def data(self) -> str | None:
        """The JSON text; None before it was gathered, or when that failed."""
        return self.path.read_text(encoding="ascii") if self.path is not None else None

    def target(self) -> str | None:
        """Return `data`."""
        return self.data


class CollectionCSV(Collection, core.CsvCollection):
    """A table: the path of a file or several, or rows."""

    @property
    def data_filepath(self) -> Path | None:
        """Path of the file; of the first one where there are several."""
        return self.path

    def target(self) -> Path | None:
        """Return `data_filepath`."""
        return self.path

    @property
    def sub_collections(self) -> list[core.Collection]:
        """One for each file where there are several."""
        return self.split() if len(self.paths) > 1 else []
