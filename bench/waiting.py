"""Whether the state of a server can be felt by the caller: the 99th percentile of its calls.

Three drivers make calls with a pause between, while their background threads deliver to a server that answers, to one
that refuses, and to one that accepts and never answers. All but the one being measured are stopped.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

from bench.measure import Figure, compare, cost, in_microseconds, interleave, percentile
from bench.servers import refusing, serving
from bench.worker import Worker

PROJECT = "bench/waiting"
CALLS = 1000
PAUSE_SECONDS = 0.0003
ROUNDS = 16

_OFTEN = {"FOOTFALL_RATE": "0", "FOOTFALL_DELIVERY_INTERVAL_SECONDS": "0.05", "FOOTFALL_EXIT_BUDGET_SECONDS": "0"}


def caller(server: str) -> Callable[[], list[float]]:
    """Calls with *server* behind them; the 50th, 99th and 99.9th percentile of their nanoseconds, and the most."""
    import footfall

    def work() -> None:
        return None

    function = footfall.register("waiting", project=PROJECT)(work)
    footfall.instrument(PROJECT, version="1", send_to=[footfall.Migas(f"http://{server}")])

    def measure() -> list[float]:
        took: list[float] = []
        clock, sleep = time.perf_counter_ns, time.sleep
        for _ in range(CALLS):
            begin = clock()
            function()
            took.append(clock() - begin)
            sleep(PAUSE_SECONDS)
        return [percentile(took, percent) for percent in (50, 99, 99.9, 100)]

    return measure


def figures(directory: Path) -> Iterator[Figure]:
    """The caller's p99 with the server refusing, and hanging, against the server answering."""
    with serving() as up, refusing() as dead, serving(answers=False) as mute:
        places = {"up": up, "refusing": dead, "hanging": mute}
        workers = {
            name: Worker("bench.waiting:caller", directory / name, environ=_OFTEN, server=server)
            for name, server in places.items()
        }
        try:
            rounds: dict[str, list[list[float]]] = {name: [] for name in workers}
            results = interleave(ROUNDS, *[_noted(worker, rounds[name]) for name, worker in workers.items()])
        finally:
            for worker in workers.values():
                worker.close()
    answering, *others = results
    for name, found in zip(("refusing", "hanging"), others, strict=True):
        yield cost(f"caller's p99, server {name} / up", compare(found, answering), 1.2, show=in_microseconds)
    for name, values in rounds.items():
        middle, late, later, most = (percentile([value[place] for value in values], 50) for place in range(4))
        yield Figure(
            f"caller, server {name}: p99",
            late / 1e3,
            None,
            unit=" us",
            detail=f"p50 {middle / 1e3:.3g}, p99.9 {later / 1e3:.3g}, most {most / 1e3:.3g} us (medians over rounds)",
        )


def _noted(worker: Worker, rounds: list[list[float]]) -> Callable[[], float]:
    def measure() -> float:
        found: list[float] = worker()
        rounds.append(found)
        return found[1]

    return measure
