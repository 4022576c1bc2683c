"""Cost per use when there is more of everything: 10 000 functions, 16 threads, 16 processes, each against one."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

from bench.calls import JOURNAL_ONLY
from bench.measure import Figure, compare, cost, in_microseconds, interleave, percentile
from bench.worker import Worker

PROJECT = "bench/scale"
FUNCTIONS = 10_000
CROWD = 16
USES = 4000

_UNLIMITED = {**JOURNAL_ONLY, "FOOTFALL_RATE": "0"}


def generated(count: int) -> ModuleType:
    """Return a module of *count* functions that return None, instrumented, every use reported."""
    import footfall

    module = ModuleType("bench_generated")
    exec("".join(f"def f{number}():\n    return None\n" for number in range(count)), vars(module))
    sys.modules[module.__name__] = module
    entries = [f"{module.__name__}:f{number}" for number in range(count)]
    footfall.instrument(PROJECT, version="1", registry={"registry": {"calls": entries}})
    return module


def one_after_the_other(count: int) -> Callable[[], float]:
    """All of *count* functions in turn, `FUNCTIONS` uses a round; nanoseconds a use."""
    module = generated(count)
    functions = [getattr(module, f"f{number % count}") for number in range(FUNCTIONS)]

    def measure() -> float:
        begin = time.perf_counter_ns()
        for function in functions:
            function()
        return (time.perf_counter_ns() - begin) / FUNCTIONS

    return measure


def first_of(count: int) -> Callable[[], float]:
    """One of *count* functions, `FUNCTIONS` uses a round; nanoseconds a use."""
    module = generated(count)
    functions = [module.f0] * FUNCTIONS

    def measure() -> float:
        begin = time.perf_counter_ns()
        for function in functions:
            function()
        return (time.perf_counter_ns() - begin) / FUNCTIONS

    return measure


def in_threads(count: int) -> Callable[[], list[float]]:
    """*count* threads that share `CROWD` * `USES` uses; wall and CPU nanoseconds a use, of the whole process."""
    function = generated(1).f0
    uses = CROWD * USES // count
    start, end = threading.Barrier(count + 1), threading.Barrier(count + 1)

    def work() -> None:
        while True:
            start.wait()
            for _ in range(uses):
                function()
            end.wait()

    for _ in range(count):
        threading.Thread(target=work, daemon=True).start()

    def measure() -> list[float]:
        begin, cpu = time.perf_counter_ns(), time.process_time_ns()
        start.wait()
        end.wait()
        total = count * uses
        return [(time.perf_counter_ns() - begin) / total, (time.process_time_ns() - cpu) / total]

    return measure


def cpu_per_use() -> Callable[[], float]:
    """CPU nanoseconds a use in this process, system time included."""
    function = generated(1).f0

    def measure() -> float:
        begin = time.process_time_ns()
        for _ in range(USES):
            function()
        return (time.process_time_ns() - begin) / USES

    return measure


def figures(directory: Path) -> Iterator[Figure]:
    """Functions by wall time a use, threads by wall time over all uses, processes by CPU time of each.

    Processes are compared by CPU time because 16 of them on a few cores take turns: their wall time tells of the
    machine. What they could do to each other (a lock in the kernel, a shared file) shows in system time.
    """
    yield from _functions(directory)
    yield from _threads(directory)
    yield from _processes(directory)


def _functions(directory: Path) -> Iterator[Figure]:
    with (
        Worker(
            "bench.scale:one_after_the_other", directory / "all", environ=_UNLIMITED, count=FUNCTIONS
        ) as all_of_them,
        Worker("bench.scale:first_of", directory / "first", environ=_UNLIMITED, count=FUNCTIONS) as first,
        Worker("bench.scale:first_of", directory / "one", environ=_UNLIMITED, count=1) as one,
    ):
        in_turn, same, alone = interleave(40, all_of_them, first, one)
    yield cost(f"each of {FUNCTIONS} functions in turn / one", compare(in_turn, alone), 1.4, show=in_microseconds)
    yield cost(f"the same of {FUNCTIONS} functions / one", compare(same, alone), None, show=in_microseconds)


def _threads(directory: Path) -> Iterator[Figure]:
    with (
        Worker("bench.scale:in_threads", directory / "threads", environ=_UNLIMITED, count=CROWD) as crowd,
        Worker("bench.scale:in_threads", directory / "thread", environ=_UNLIMITED, count=1) as single,
    ):
        pairs = [(crowd(), single()) for _ in range(12)][1:]
    for name, index, target in (("wall", 0, 1.2), ("CPU", 1, None)):
        ratio = compare([many[index] for many, _ in pairs], [one[index] for _, one in pairs])
        yield cost(f"{CROWD} threads / 1, {name} per use", ratio, target, show=in_microseconds)


def _processes(directory: Path) -> Iterator[Figure]:
    def setup(number: int) -> Worker:
        # One state directory for all of them: that is how a user's processes run.
        shared = {**_UNLIMITED, "FOOTFALL_DIR": str(directory / "processes" / "state")}
        return Worker("bench.scale:cpu_per_use", directory / "processes", environ=shared)

    workers = [setup(number) for number in range(CROWD)]

    def crowd() -> float:
        for worker in workers:
            worker.begin()
        return percentile([worker.end() for worker in workers], 50)

    try:
        many, alone = interleave(20, crowd, workers[0])
    finally:
        for worker in workers:
            worker.close()
    yield cost(f"{CROWD} processes / 1, CPU per use", compare(many, alone), 1.2, show=in_microseconds)
