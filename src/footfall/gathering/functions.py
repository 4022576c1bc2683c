"""Collectors without classes: `footfall.collector` marks a function, `footfall.gather` asks all of them.

    @footfall.collector("jobs", "1.0", format="csv")
    def jobs(since, until):
        return connection.execute("SELECT id, ended FROM jobs WHERE ended BETWEEN ? AND ?", (since, until))

    footfall.gather(send_to=footfall.Insights("https://ingress.example.org/api/ingress/v1/upload"))

A function takes those of ``since``, ``until``, ``max_data_size``, ``full_path`` and ``collection_type`` that it names.
Stored times and what is on its way are kept in the state directory (`store`).
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Callable
from collections.abc import Collection as AbstractCollection
from datetime import datetime
from pathlib import Path
from types import ModuleType
from typing import Any, Final, Literal, TypeVar

from footfall.collect.package import MAX_DATA_BYTES
from footfall.collect.registered import Registered, mark, read, registered
from footfall.collect.shipping import Shipper
from footfall.destination import Destination, check
from footfall.errors import ConfigurationError
from footfall.gathering import state
from footfall.gathering.task import Gathered, Task

F = TypeVar("F", bound=Callable[..., Any])

Format = Literal["json", "csv"]

RESERVED: Final = frozenset({"config", "manifest", "data_collection_status"})

_KEY: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")

_known: dict[str, Callable[..., Any]] = {}
"""Every function that `collector` marked in this process, by module and name."""


def collector(
    key: str,
    version: str,
    *,
    format: Format = "json",  # noqa: A002  the word of those who come from the original
    description: str = "",
    config: bool = False,
    slicing: Callable[..., Any] | None = None,
    group: str = "default",
    full_sync_interval_days: float | None = None,
    header: AbstractCollection[str] = (),
) -> Callable[[F], F]:
    """Return a decorator that registers a collector and returns it unchanged (insights.md section 2).

    Args:
        key: Of what it collects: the name of its file, and of its stored time.
        version: Of that file's format.
        format: ``json``: it returns what `json.dumps` takes. ``csv``: an iterable of rows (sequences, or mappings with
            the same keys), a database cursor after its ``execute``, which is closed when it is read, or paths of CSV
            files. Rows are streamed.
        description: For people.
        config: Whether its result goes into every package.
        slicing: Called as ``(key, last_gather, since=, until=)``, or with ``full_sync_enabled=True`` in the stead of
            the two; yields the intervals to ask for. Default: one, from where the last one ended.
        group: Only collectors of one group share packages.
        full_sync_interval_days: Everything is gathered anew when that many days have passed.
        header: Names of columns, for rows that do not tell.

    Raises:
        ConfigurationError: The key cannot be the name of a file, or is one of footfall's own; or the format is unknown.
    """
    if not _KEY.fullmatch(key) or (key in RESERVED and not config):
        msg = f"collector {key!r}: a key is letters, digits and ._- (64 at most), and none of {sorted(RESERVED)}"
        raise ConfigurationError(msg)
    if format not in {"json", "csv"}:
        msg = f"collector {key!r}: format {format!r} is not offered; say 'json' or 'csv'"
        raise ConfigurationError(msg)

    def decorate(function: F) -> F:
        mark(
            function,
            key=key,
            version=version,
            description=description,
            type=format,
            config=config,
            fnc_slicing=slicing,
            shipping_group=group,
            full_sync_interval_days=full_sync_interval_days,
            header=tuple(header),
        )
        _known[f"{function.__module__}:{function.__qualname__}"] = function
        return function

    return decorate


def gather(
    module: ModuleType | None = None,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    subset: AbstractCollection[str] | None = None,
    dry_run: bool = False,
    send_to: Destination | None = None,
    dest: str | os.PathLike[str] | None = None,
    project: str = "",
    max_data_bytes: int = MAX_DATA_BYTES,
    timeout_seconds: float = 0.0,
    shipper: Shipper | None = None,
    told: Callable[[int, int], object] = lambda _done, _total: None,
) -> Gathered:
    """Ask collectors, pack what they say, and keep the tarballs for delivery (insights.md sections 3 to 7).

    Returns when they are on disk and synced; the courier delivers them, or `footfall send`.

    Args:
        module: Whose collectors; default: all that `collector` marked in this process.
        since: Begin of the interval, aware; default: where each collector got to.
        until: Its end; default: now. At most four weeks in all.
        subset: Names of functions; default: all.
        dry_run: Leave the tarballs where they are, send nothing, remember nothing.
        send_to: Made by `footfall.Insights`.
        dest: Folder for the tarballs of a dry run; default: a new temporary one.
        project: ``owner/name``, to which the user may say no. Default: ``insights/<package of the collectors>``.
        max_data_bytes: Of a package before compression.
        timeout_seconds: Wait so long for the delivery; 0 leaves it to the courier.
        shipper: Who keeps and delivers; default: the outbox.
        told: Called with how many of how many intervals are gathered.

    Raises:
        ConfigurationError: There is nowhere to send to, or there are no collectors.
        FootfallError: No directory can be used, or what was remembered is damaged.
        TypeError: A time has no zone.
        ValueError: Nothing lies between *since* and *until*.
    """
    collectors = _of(module, subset)
    if not collectors:
        msg = "no collectors: decorate functions with @footfall.collector(key, version), or look at subset="
        raise ConfigurationError(msg)
    if send_to is None and not dry_run:
        msg = "nowhere to send to: pass send_to=footfall.Insights(url), or dry_run=True"
        raise ConfigurationError(msg)
    package = collectors[0].function.__module__.partition(".")[0].strip("_")
    project = project or f"insights/{package}"
    task = Task(
        project,
        collectors,
        asked=(since, until),
        told=told,
        max_data_bytes=max_data_bytes,
        destination=check(send_to) if send_to is not None else None,
    )
    if dry_run:
        return task.rehearse(Path(tempfile.mkdtemp(prefix="footfall-gather-")) if dest is None else Path(dest))
    decision = state.decision(project)
    if not decision.records:
        return Gathered(reason=decision.reason)
    return task.run(shipper, timeout_seconds if decision.sends else 0.0, all_known=not subset)


def _of(module: ModuleType | None, subset: AbstractCollection[str] | None) -> list[Registered]:
    if module is not None:
        return list(registered(module, subset))
    named = ((function.__name__, place, function) for place, function in _known.items())
    found = (read(name, function) for name, _, function in sorted(named, key=lambda each: each[:2]))
    return [each for each in found if each is not None and (not subset or each.name in subset)]
