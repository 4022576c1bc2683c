"""Gathering and packing against insights-analytics-collector, on the same collectors: rows a second, peak memory.

Both sides run the same code in dry runs; only the package differs. A table is written through ``CsvFileSplitter`` line
by line, as the original's users do, and into files of `LIMIT` bytes; a line of its own shows rows that a collector
yields, which only ours takes. Peak memory is that of the whole process, interpreter and imports included, with JSON
results beside the table.
"""

from __future__ import annotations

import importlib
import logging
import os
import random
import resource
import shutil
import sys
import time
import types
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from bench.measure import Figure, compare, gain, interleave, per_second
from bench.worker import Worker

OURS, THEIRS = "footfall.facade.insights", "insights_analytics_collector"
LIMIT = 8 * 2**20
WORDS = [f"{random.Random(number).getrandbits(40):x}" for number in range(997)]
HEADER = "id,started,status,host,task,changed\n"


def lines(rows: int) -> Iterator[str]:
    """Yield the lines of the table."""
    for number in range(rows):
        host, task = WORDS[number % 997], WORDS[number % 991]
        yield f"{number},2026-01-01T{number % 24:02d}:00:00Z,successful,node-{host},{task},{number % 2}\n"


def _collector(package: str, rows: int, json_items: int, *, streamed: bool) -> Any:
    if package == THEIRS:
        from django.conf import settings

        settings.configure(USE_TZ=True)
    client = importlib.import_module(package)

    def table(full_path: Path, max_data_size: int, **_: Any) -> Any:
        if streamed:
            return (line.rstrip().split(",") for line in (HEADER, *lines(rows)))
        splitter = client.CsvFileSplitter(filespec=str(full_path / "table.csv"), max_file_size=max_data_size)
        splitter.write(HEADER)
        for line in lines(rows):
            splitter.write(line)
        return splitter.file_list()

    module = types.ModuleType("collectors")
    module.config = client.register("config", "1.0", config=True)(lambda **_: {"version": "1.0"})
    module.table = client.register("table", "1.0", format="csv")(table)
    for number in range(12 if json_items else 0):
        answer = client.register(f"json{number}", "1.0")(lambda **_: list(lines(json_items)))
        setattr(module, f"json{number}", answer)

    class Package(client.Package):
        MAX_DATA_SIZE = LIMIT

    class Collector(client.Collector):
        db_connection = staticmethod(lambda: None)
        _package_class = staticmethod(lambda: Package)
        _is_valid_license = staticmethod(lambda: True)
        _last_gathering = staticmethod(lambda: None)
        _load_last_gathered_entries = staticmethod(dict)

    logging.disable(logging.CRITICAL)
    return Collector(collector_module=module)


def gather(package: str, rows: int, *, streamed: bool = False) -> Callable[[], float]:
    """Nanoseconds a row, from the collector's first line to the last tarball."""
    collector = _collector(package, rows, 0, streamed=streamed)

    def measure() -> float:
        begin = time.perf_counter_ns()
        _gather(collector)
        return (time.perf_counter_ns() - begin) / rows

    return measure


def peak(package: str, rows: int, json_items: int) -> Callable[[], float]:
    """Bytes of the process at its largest, after one run."""
    collector = _collector(package, rows, json_items, streamed=False)

    def measure() -> float:
        _gather(collector)
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)

    return measure


def _gather(collector: Any) -> None:
    until = datetime(2026, 3, 2, tzinfo=timezone.utc)
    dest = Path(os.environ["FOOTFALL_DIR"]) / "run" / "inner"
    dest.parent.mkdir(parents=True, exist_ok=True)  # which the original deletes, and puts its tarballs beside
    shutil.rmtree(dest, ignore_errors=True)
    dest.mkdir()
    paths = collector.gather(dest=str(dest), since=until - timedelta(days=1), until=until)
    if not paths:
        msg = "nothing was gathered"
        raise AssertionError(msg)
    for path in paths:
        os.remove(path)


def figures(directory: Path) -> Iterator[Figure]:
    """Rows a second, streamed rows a second, peak memory."""
    for name, streamed, target in (("splitter", False, 2), ("rows yielded", True, None)):
        place = directory / name.replace(" ", "-")
        with (
            Worker("bench.insights:gather", place / "ours", package=OURS, rows=100_000, streamed=streamed) as subject,
            Worker("bench.insights:gather", place / "theirs", package=THEIRS, rows=100_000) as reference,
        ):
            sides = interleave(7, subject, reference)
        yield gain(f"insights gather and pack, {name}", compare(*sides), target, show=per_second)
    found: list[float] = []
    for side, package in (("ours", OURS), ("theirs", THEIRS)):
        place = directory / "memory" / side
        with Worker("bench.insights:peak", place, package=package, rows=200_000, json_items=100_000) as worker:
            found.append(worker())
    ours, theirs = found
    detail = f"{ours / 2**20:.0f} MiB / {theirs / 2**20:.0f} MiB"
    yield Figure("insights peak memory", ours / theirs, 0.5, detail=detail)
