"""The drop-in queue against the client that it stands in for: messages a second in and out, bytes on disk.

Both sides run the same code against the same names; only the package differs. Messages are of `TYPES` data types, in
turn: the order of ours is kept within a category and data type, so that one type alone is sent one by one, which a line
of its own shows. The original sends everything one by one.
"""

from __future__ import annotations

import importlib
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from bench.intake import MESSAGE
from bench.measure import Figure, compare, gain, interleave, per_second
from bench.servers import serving
from bench.worker import Worker

OURS, THEIRS = "footfall.facade.ramen", "infi.ramen_client"
TYPES = 16
THREADS = 8


def _ends(package: str, server: str = "127.0.0.1:9") -> tuple[Any, Any]:
    """Return writer and reader of *package* on a queue of their own."""
    config, writer, reader = (
        importlib.import_module(f"{package}.{name}") for name in ("config", "queue_writer", "queue_reader")
    )
    names = {"sender": "bench", "system_serial": 1, "system_version": "1", "hostname": server, "auth_token": "token"}
    directory = os.path.join(os.environ["FOOTFALL_DIR"], "queue")
    settings = config.QueueReaderConfig({**names, "queue_dir": directory, "ssl": False})
    return writer.QueueWriter(settings), reader.QueueReader(settings)


def push(package: str, messages: int) -> Callable[[], float]:
    """Nanoseconds a push."""
    writer, _ = _ends(package)

    def measure() -> float:
        begin = time.perf_counter_ns()
        for number in range(messages):
            writer.push("events", f"work{number % TYPES}", "v1", MESSAGE)
        return (time.perf_counter_ns() - begin) / messages

    return measure


def push_from_threads(package: str, messages: int) -> Callable[[], float]:
    """Nanoseconds a push that survives loss of power, from `THREADS` threads; the original knows no other."""
    writer, _ = _ends(package)
    options = {"sync": True} if package == OURS else {}

    def work() -> None:
        for number in range(messages // THREADS):
            writer.push("events", f"work{number % TYPES}", "v1", MESSAGE, **options)

    def measure() -> float:
        threads = [threading.Thread(target=work) for _ in range(THREADS)]
        begin = time.perf_counter_ns()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return (time.perf_counter_ns() - begin) / messages

    return measure


def drain(package: str, server: str, messages: int, types: int = TYPES) -> Callable[[], float]:
    """Nanoseconds a message of `run(blocking=False)`, from a full queue to an empty one."""
    writer, reader = _ends(package, server)

    def measure() -> float:
        for number in range(messages):
            writer.push("events", f"work{number % types}", "v1", MESSAGE)
        begin = time.perf_counter_ns()
        sent = reader.run(blocking=False)
        took = (time.perf_counter_ns() - begin) / messages
        if sent != messages or writer.queue_size():
            msg = f"{package} sent {sent} of {messages} messages, {writer.queue_size()} are left"
            raise AssertionError(msg)
        return took

    return measure


def fill(package: str, messages: int) -> Callable[[], list[float]]:
    """Bytes on disk a message after *messages* pushes, and after a reader has taken them in."""
    writer, reader = _ends(package)

    def measure() -> list[float]:
        for number in range(messages):
            writer.push("events", f"work{number % TYPES}", "v1", MESSAGE)
        pushed = _size() / messages
        if package == OURS:
            reader.consume_one()
        return [pushed, _size() / messages]

    return measure


def _size() -> int:
    """Return the bytes that the disk has given to the queue."""
    root = os.path.join(os.environ["FOOTFALL_DIR"], "queue")
    return sum(
        os.stat(os.path.join(folder, name)).st_blocks * 512 for folder, _, names in os.walk(root) for name in names
    )


def _pair(rounds: int, setup: str, directory: Path, ours: dict[str, Any], theirs: dict[str, Any]) -> list[list[float]]:
    with (
        Worker(f"bench.ramen:{setup}", directory / "ours", package=OURS, **ours) as subject,
        Worker(f"bench.ramen:{setup}", directory / "theirs", package=THEIRS, **theirs) as reference,
    ):
        return interleave(rounds, subject, reference)


def figures(directory: Path) -> Iterator[Figure]:
    """Push, push with sync, drain, disk."""
    # Rounds of pushes take 8 ms and 16 ms: as many as it takes for a virtual machine to have quiet moments among them.
    sides = _pair(200, "push", directory / "push", {"messages": 1000}, {"messages": 50})
    yield gain("ramen push", compare(*sides), 40, show=per_second)
    sides = _pair(12, "push_from_threads", directory / "sync", {"messages": 160}, {"messages": 80})
    yield gain(f"ramen push, synced, {THREADS} threads", compare(*sides), 3, show=per_second)
    plans = (
        ("quick server", 0.0, TYPES, 4, 800, 100, 40),
        ("20 ms server", 0.02, TYPES, 7, 400, 40, 8),
        ("quick server, one type", 0.0, 1, None, 400, 100, 8),
    )
    for name, delay_seconds, types, target, ours, theirs, rounds in plans:
        place = directory / name.replace(" ", "-").replace(",", "")
        with serving(delay_seconds) as server:
            common = {"server": server, "types": types}
            sides = _pair(rounds, "drain", place, {**common, "messages": ours}, {**common, "messages": theirs})
        yield gain(f"ramen drain, {name}", compare(*sides), target, show=per_second)
    for messages in (1_000, 10_000):
        place = directory / f"disk-{messages}"
        found: list[list[float]] = []
        for side, package in (("ours", OURS), ("theirs", THEIRS)):
            with Worker("bench.ramen:fill", place / side, package=package, messages=messages) as worker:
                found.append(worker())
        (pushed, taken), (reference, _) = found
        detail = f"{pushed:.0f} B / {reference:.0f} B"
        yield Figure(f"ramen bytes on disk, {messages} pushed", pushed / reference, 1.0, detail=detail)
        detail = f"{taken:.0f} B / {reference:.0f} B"
        yield Figure("the same, taken in by a reader", taken / reference, None, detail=detail)
