"""Room: bytes of a pending use on disk, bytes of a registered function in memory."""

from __future__ import annotations

import gc
import os
import tracemalloc
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from bench.intake import PROJECT as INTAKE_PROJECT
from bench.measure import Figure
from bench.worker import ROOT, Worker

USES = 10_000
FUNCTIONS = 10_000

_QUIET = {"FOOTFALL_RATE": "0", "FOOTFALL_DELIVERY_INTERVAL_SECONDS": "3600", "FOOTFALL_EXIT_BUDGET_SECONDS": "0"}


def on_disk() -> Callable[[], list[float]]:
    """Bytes of a use without arguments in the journal, and of its requests (one migas, its share of an OTLP batch)."""
    import footfall
    from footfall import runtime
    from footfall.delivery import Delivery
    from footfall.settings import Settings

    def work() -> None:
        return None

    def measure() -> list[float]:
        function = footfall.register("space", project=INTAKE_PROJECT)(work)
        footfall.instrument(INTAKE_PROJECT, version="1", send_to=[footfall.Migas("http://127.0.0.1:9")])
        function()
        places = runtime.current().places
        assert places is not None
        before = _size_of(places.journal)
        for _ in range(USES):
            function()
        journal = (_size_of(places.journal) - before) / USES
        delivery = Delivery(places, Settings())
        delivery.intake.run()
        kept = delivery.outbox.size_bytes() / delivery.outbox.pending()
        return [journal, kept]

    return measure


def in_memory() -> Callable[[], dict[str, Any]]:
    """Bytes that tracemalloc sees for each of `FUNCTIONS` functions: registered and wrapped, then used once."""
    import sys
    from types import ModuleType

    import footfall
    from footfall.instrumentation import wrapper  # noqa: F401  loaded before, so that its code does not count

    def define(name: str, count: int) -> ModuleType:
        module = ModuleType(name)
        exec("".join(f"def f{number}():\n    return None\n" for number in range(count)), vars(module))
        sys.modules[name] = module
        return module

    def instrument(module: ModuleType, project: str) -> None:
        names = [f"{module.__name__}:{name}" for name in vars(module) if name[0] == "f"]
        footfall.instrument(project, version="1", registry={"registry": {"calls": names}})

    def measure() -> dict[str, Any]:
        instrument(define("bench_one", 1), "bench/one")
        module = define("bench_many", FUNCTIONS)
        gc.collect()
        tracemalloc.start()
        instrument(module, "bench/many")
        gc.collect()
        registered = tracemalloc.take_snapshot()
        for name in [name for name in vars(module) if name[0] == "f"]:
            getattr(module, name)()
        gc.collect()
        used = sum(trace.size for trace in tracemalloc.take_snapshot().traces)
        tracemalloc.stop()
        places: Counter[str] = Counter()
        for statistic in registered.statistics("filename"):
            place = statistic.traceback[0].filename
            places[os.path.relpath(place, ROOT / "src" / "footfall")] += statistic.size
        total = sum(places.values())
        return {
            "registered": total / FUNCTIONS,
            "used": used / FUNCTIONS,
            "places": [[place, size / FUNCTIONS] for place, size in places.most_common(6)],
        }

    return measure


def figures(directory: Path) -> Iterator[Figure]:
    """A pending use in the journal, and what it becomes in the outbox; a registered and wrapped function."""
    with Worker("bench.space:on_disk", directory / "disk", environ=_QUIET) as worker:
        journal, kept = worker()
    yield Figure("pending use in the journal", journal, 200, unit=" B")
    yield Figure("the same in the outbox, as a migas request", kept, None, unit=" B", detail="row and index included")
    with Worker("bench.space:in_memory", directory / "memory", environ={**_QUIET, "FOOTFALL": "local"}) as worker:
        found: dict[str, Any] = worker()
    places = ", ".join(f"{place} {size:.0f}" for place, size in found["places"])
    yield Figure("registered and wrapped function", found["registered"], 1024, unit=" B", detail=places)
    yield Figure("the same after its first use", found["used"], None, unit=" B", detail="with its journal definition")


def _size_of(directory: Path) -> int:
    return sum(path.stat().st_size for path in directory.iterdir())
