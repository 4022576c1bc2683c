"""From journal to outbox against ramen's `QueueWriter.push`: both end with a request kept in SQLite, synced.

Ours is what `Delivery.step` does before it sends: read the journal, translate with the migas wire, keep in the outbox,
one transaction a megabyte. Ramen's push translates to JSON, compresses, inserts and commits, one message at a time, in
the caller's thread. What our caller's thread does instead, the recording, is its own line.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from bench.measure import Figure, compare, gain, in_microseconds, interleave, per_second, percentile
from bench.worker import Worker

PROJECT = "bench/intake"
USES = 4000
PUSHES = 50
ROUNDS = 20

_QUIET = {
    "FOOTFALL_RATE": "0",
    # Nothing is delivered meanwhile, and the exit of the worker waits for nobody.
    "FOOTFALL_DELIVERY_INTERVAL_SECONDS": "3600",
    "FOOTFALL_EXIT_BUDGET_SECONDS": "0",
}

MESSAGE: dict[str, Any] = {
    "project": PROJECT,
    "project_version": "1",
    "language": "python",
    "language_version": "3.11.0",
    "ctx": {"session_id": "0b1f1e1c-3c61-4f0a-8f6e-6f1d1a0f3d55", "platform": "linux", "is_ci": False},
    "proc": {"status": "C", "status_desc": "bench.intake:work"},
}
"""What ramen is given to push: the content that our use has in the migas format."""


def import_journals() -> Callable[[], list[float]]:
    """Record `USES` uses, then take them in; nanoseconds a use for either, and for one sync of this file system."""
    import footfall
    from footfall import runtime
    from footfall.delivery import Delivery
    from footfall.settings import Settings

    def work() -> None:
        return None

    function = footfall.register("intake", project=PROJECT)(work)
    footfall.instrument(PROJECT, version="1", send_to=[footfall.Migas("http://127.0.0.1:9")])
    function()
    places = runtime.current().places
    assert places is not None
    delivery = Delivery(places, Settings())
    delivery.intake.run()

    def measure() -> list[float]:
        begin = time.perf_counter_ns()
        for _ in range(USES):
            function()
        recorded = (time.perf_counter_ns() - begin) / USES
        begin = time.perf_counter_ns()
        taken = delivery.intake.run()
        imported = (time.perf_counter_ns() - begin) / USES
        pending = delivery.outbox.pending()
        if taken != USES or pending < USES:
            msg = f"{USES} uses were recorded, {taken} taken in, {pending} are pending"
            raise AssertionError(msg)
        delivery.outbox.withdraw(lambda project: project == PROJECT)
        return [recorded, imported]

    return measure


def push() -> Callable[[], float]:
    """The reference: ramen's writer with its default queue; nanoseconds a push."""
    from infi.ramen_client.config import QueueWriterConfig
    from infi.ramen_client.queue_writer import QueueWriter

    directory = os.path.join(os.environ["FOOTFALL_DIR"], "ramen")
    config = {"sender": "bench", "system_serial": 1, "system_version": "1", "queue_dir": directory}
    writer = QueueWriter(QueueWriterConfig(config))

    def measure() -> float:
        begin = time.perf_counter_ns()
        for _ in range(PUSHES):
            writer.push("events", "work", "v1", MESSAGE)
        return (time.perf_counter_ns() - begin) / PUSHES

    return measure


def figures(directory: Path) -> Iterator[Figure]:
    """One message from the journal into the outbox against one push; and one use recorded against the same."""
    with (
        Worker("bench.intake:import_journals", directory / "ours", environ=_QUIET) as ours,
        Worker("bench.intake:push", directory / "ramen") as reference,
    ):
        rounds: list[list[float]] = []

        def imported() -> float:
            rounds.append(ours())
            return rounds[-1][1]

        taken, pushed = interleave(ROUNDS, imported, reference)
    recorded = [round_[0] for round_ in rounds[1:]]
    yield gain("journal to outbox / ramen push", compare(taken, pushed), 40, show=per_second)
    yield gain("recording a use / ramen push", compare(recorded, pushed), None, show=per_second)
    both = percentile(recorded, 10) + percentile(taken, 10)
    yield Figure("recording and intake, per use", both / 1e3, None, unit=" us", detail=in_microseconds(both))
