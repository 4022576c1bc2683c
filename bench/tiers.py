"""``python -m bench.tiers``: what a million uses cost at each tier, as the table of docs/scale.md.

Collectors are among them where ``--otelcol`` names one; `make collector` builds it and prints where it lies.

No target and no assertion on time: seconds of CPU, bytes kept, bytes on the wire, requests. Each side is measured in a
process of its own, and CPU time is that process's (user and system, all threads): the server that answers is another
one. The 10th percentile of some rounds (`bench.measure` says why) is scaled to a million uses. All on the loopback,
without TLS, with one small use without arguments, and a server that answers at once.
"""

from __future__ import annotations

import argparse
import platform
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import psutil

from bench import relays
from bench.measure import percentile
from bench.servers import ANSWER_BODY, Traffic, reply, serving
from bench.worker import Worker

PROJECT = "bench/tiers"
MILLION = 1_000_000
DRAIN_SECONDS = 300.0
BACKLOG = 10
"""Rounds of uses that a relay has to keep while its server is down, so that what it reserves hardly shows."""

ANSWERS = {
    "otlp": reply("200 OK", b"", "application/x-protobuf"),
    "migas": reply("202 Accepted", ANSWER_BODY),
    "access": reply("201 Created", b"{}"),
    "ramen": reply("202 Accepted", ANSWER_BODY),
    "tracker": reply("200 OK", b'{"id":1}'),
}
"""The wires, and what their servers say when they take a request."""

_RECORDING = {
    # Nothing is delivered meanwhile, and the exit of the worker waits for nobody.
    "FOOTFALL_DELIVERY_INTERVAL_SECONDS": "3600",
    "FOOTFALL_EXIT_BUDGET_SECONDS": "0",
}
_EACH_ONE = {**_RECORDING, "FOOTFALL_RATE": "0"}


Start = Callable[[Path, str], AbstractContextManager[tuple[int, list[psutil.Process]]]]
"""Starts a relay with its files below a directory, in front of a server; gives its port and processes."""


@dataclass(frozen=True)
class Tier:
    """One row, per million uses.

    Attributes:
        name: Of the tier.
        cpu_seconds: User and system time of its process.
        disk_bytes: Kept at its fullest; None where nothing is.
        wire_bytes: Both ways, headers of HTTP included; None where nothing is.
        requests: Sent.
    """

    name: str
    cpu_seconds: float
    disk_bytes: float | None = None
    wire_bytes: float | None = None
    requests: float | None = None

    def row(self) -> str:
        """Return it as a row of a Markdown table."""
        cells = [self.name, f"{self.cpu_seconds:,.1f}", _megabytes(self.disk_bytes), _megabytes(self.wire_bytes)]
        cells.append("" if self.requests is None else f"{self.requests:,.0f}")
        return f"| {' | '.join(cells)} |"


def record(uses: int) -> Callable[[], list[float]]:
    """Record *uses* uses; CPU nanoseconds and journal bytes of all of them."""
    function, directory = _observed("")

    def measure() -> list[float]:
        bytes_before, begin = _size_of(directory), time.process_time_ns()
        for _ in range(uses):
            function()
        return [time.process_time_ns() - begin, _size_of(directory) - bytes_before]

    return measure


def deliver(wire: str, server: str, uses: int) -> Callable[[], list[float]]:
    """Record *uses* uses, take them in, deliver them; CPU of the latter two, the size of the outbox between them."""
    function, _ = _observed(wire, server)
    from footfall import runtime
    from footfall.delivery import Delivery
    from footfall.settings import Settings

    places = runtime.current().places
    assert places is not None
    delivery = Delivery(places, Settings())
    delivery.drain(timeout_seconds=DRAIN_SECONDS)

    def measure() -> list[float]:
        for _ in range(uses):
            function()
        begin = time.process_time_ns()
        delivery.intake.run()
        taken_in, kept = time.process_time_ns(), delivery.outbox.size_bytes()
        ledger = delivery.drain(timeout_seconds=DRAIN_SECONDS)
        sent = time.process_time_ns()
        dropped = sum(account.lost for account in ledger.accounts)
        if ledger.pending or dropped or not ledger.balanced:
            msg = f"{wire}: {ledger.pending} of {uses} uses are pending, {dropped} dropped"
            raise AssertionError(msg)
        return [taken_in - begin, kept, sent - taken_in]

    return measure


def _observed(wire: str, server: str = "") -> tuple[Callable[[], None], Path]:
    """Instrument one function for *wire* at *server*; return it and the directory of journals."""
    import footfall
    from footfall import runtime

    url = f"http://{server}"
    destinations: dict[str, Callable[[], footfall.Destination]] = {
        "otlp": lambda: footfall.Otlp(url),
        "migas": lambda: footfall.Migas(url),
        "access": lambda: footfall.Access(url),
        "ramen": lambda: footfall.Ramen(url, system_serial=1),
        "tracker": lambda: footfall.Tracker(url, customer_id=1, job="bench", steps=["work"]),
    }

    def work() -> None:
        return None

    function = footfall.register("tiers", project=PROJECT)(work)
    footfall.instrument(PROJECT, version="1", send_to=[destinations[wire]()] if wire else [])
    footfall.track(PROJECT)  # a job for the wire that has jobs
    function()
    places = runtime.current().places
    assert places is not None
    return function, places.journal


def measured(directory: Path, uses: int, rounds: int) -> Iterator[Tier]:
    """Yield the tiers in the order in which a use passes them."""
    for name, environ in (("each use", _EACH_ONE), ("beyond the rate, only counted", _RECORDING)):
        with Worker("bench.tiers:record", directory / name, environ=environ, uses=uses) as worker:
            cpu, kept = _undisturbed([worker() for _ in range(rounds)])
        yield Tier(f"recording, {name}", cpu / uses / 1e9 * MILLION, kept / uses * MILLION)
    for wire, answer in ANSWERS.items():
        traffic, counted = Traffic(), list[list[float]]()
        with (
            serving(answer=answer, traffic=traffic) as server,
            Worker(
                "bench.tiers:deliver", directory / wire, environ=_EACH_ONE, wire=wire, server=server, uses=uses
            ) as worker,
        ):
            for _ in range(rounds):
                before = (traffic.received + traffic.sent, traffic.requests)
                costs = worker()
                counted.append([*costs, traffic.received + traffic.sent - before[0], traffic.requests - before[1]])
        taking_in, kept, sending, wired, requests = (value / uses for value in _undisturbed(counted))
        yield Tier(f"journal to outbox, {wire}", taking_in / 1e9 * MILLION, kept * MILLION)
        yield Tier(f"courier, {wire}", sending / 1e9 * MILLION, None, wired * MILLION, requests * MILLION)


def relayed(directory: Path, uses: int, rounds: int, otelcol: Path | None) -> Iterator[Tier]:
    """Yield what stands between: `footfall gateway` for two formats, and the Collectors of collector-config/."""
    for wire in ("migas", "otlp"):
        name = f"`footfall gateway`, OTLP in, {wire} out"
        place = directory / f"gateway-{wire}"
        yield from _relay(
            name, lambda at, server, wire=wire: relays.gateway(at, server, wire), place, uses, rounds, wire
        )
    if otelcol is None:
        print("(no Collector was named: its tiers are left out)", file=sys.stderr)
        return
    yield from _relay(
        "Collector, agent",
        lambda at, server: relays.agent(at, server, otelcol),
        directory / "agent",
        uses,
        rounds,
        "otlp",
    )
    yield from _relay(
        "Collector, entry; Collector, translator",
        lambda at, server: relays.entry(at, server, otelcol),
        directory / "entry",
        uses,
        rounds,
        "otlp",
    )


def _relay(name: str, start: Start, directory: Path, uses: int, rounds: int, wire: str) -> Iterator[Tier]:
    """Measure one relay: what it keeps while its server is down, then what passing on costs."""
    with relays.refusing() as dead, start(directory / "down", dead) as (port, _):
        empty = relays.kept(directory / "down")
        relays.feed(port, relays.batches(uses * BACKLOG), relays.TOKEN)
        time.sleep(relays.SETTLE_SECONDS)
        full = max(0, relays.kept(directory / "down") - empty) / (uses * BACKLOG)
    traffic = Traffic()
    with (
        serving(answer=ANSWERS[wire], traffic=traffic) as server,
        start(directory / "up", server) as (port, processes),
    ):
        costs = [relays.passed(port, processes, traffic, uses, each=wire != "otlp") for _ in range(rounds + 1)][
            1:
        ]  # the first one pays for what is loaded once
    *seconds, wired, requests = (value / uses * MILLION for value in _undisturbed(costs))
    names = name.split("; ")
    for number, (part, cpu) in enumerate(zip(names, seconds, strict=True)):
        last = number == len(names) - 1
        yield Tier(part, cpu, full * MILLION if last else None, wired if last else None, requests if last else None)


def main() -> int:
    """Measure and print; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m bench.tiers", description=__doc__.partition("\n")[0])
    parser.add_argument("--uses", type=int, default=4000, help="uses a round (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="rounds (default: %(default)s)")
    parser.add_argument("--otelcol", type=Path, metavar="PROGRAM", help="a Collector, to be measured as well")
    given = parser.parse_args()
    print("| per million uses | CPU s | MB kept | MB on the wire | requests |\n| --- | --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory(prefix="footfall-tiers-", ignore_cleanup_errors=True) as directory:
        place = Path(directory)
        for tier in chain(
            measured(place, given.uses, given.rounds), relayed(place, given.uses, given.rounds, given.otelcol)
        ):
            print(tier.row(), flush=True)
    print(f"\n{given.rounds} rounds of {given.uses} uses on CPython {platform.python_version()}, {platform.machine()}")
    return 0


def _undisturbed(rounds: list[list[float]]) -> list[float]:
    return [percentile(values, 10) for values in zip(*rounds, strict=True)]


def _megabytes(count: float | None) -> str:
    return "" if count is None else f"{count / 1e6:,.0f}"


def _size_of(directory: Path) -> int:
    return sum(path.stat().st_size for path in directory.iterdir())


if __name__ == "__main__":
    sys.exit(main())
