"""How long a process lingers with 2 000 uses pending and a server that refuses, against one that has 2 000 spans.

Measured is the time from the last statement of the program to the end of its process, less a bare interpreter's. The
SDK's figure is made of timers (its exporter waits and tries again), so few rounds of it suffice, side by side.

``python -m bench.exiting PROGRAM HOST:PORT`` is the child; it prints the moment of its last statement.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from bench.measure import Figure, in_milliseconds, interleave, percentile
from bench.servers import refusing
from bench.worker import environment

PENDING = 2000
ROUNDS = 15
SDK_ROUNDS = 3


def bare(server: str) -> None:
    """Nothing pending."""


def recorded(server: str) -> None:
    """Uses in the journal, which nobody has taken in yet."""
    import footfall

    def work() -> None:
        return None

    function = footfall.register("exit", project="bench/exiting", rate=0)(work)
    footfall.instrument("bench/exiting", version="1", send_to=[footfall.Migas(f"http://{server}")])
    for _ in range(PENDING):
        function()


def tried(server: str) -> None:
    """Uses in the outbox, which the courier tried to deliver in vain."""
    import footfall

    recorded(server)
    books = footfall.drain(1.0)
    assert books.pending == PENDING, books


def spans(server: str) -> None:
    """The reference: ended spans in the SDK's batch processor, with the OTLP/HTTP exporter behind it."""
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=f"http://{server}/v1/traces")))
    tracer = provider.get_tracer("bench")
    for _ in range(PENDING):
        tracer.start_span("work").end()


PROGRAMS: Mapping[str, Callable[[str], None]] = {"bare": bare, "recorded": recorded, "tried": tried, "spans": spans}


def figures(directory: Path) -> Iterator[Figure]:
    """The worse of our two cases against the SDK's exit, and by itself."""
    with refusing() as server:
        children = [_begin("spans", server, directory / f"spans{number}") for number in range(SDK_ROUNDS)]
        reference = [_lingered(child) for child in children]
        numbers = iter(range(10_000))
        names = ("bare", "recorded", "tried")
        sides = [
            lambda name=name: _lingered(_begin(name, server, directory / f"{name}{next(numbers)}")) for name in names
        ]
        nothing, fresh, old = interleave(ROUNDS, *sides)
    base, sdk = percentile(nothing, 50), percentile(reference, 10)
    for name, found in (("in the journal", fresh), ("in the outbox", old)):
        ratios = [(value - base) / (sdk - base) for value in found]
        added = percentile(found, 10) - base
        spread = f"(1/{1 / percentile(ratios, 75):.0f}-1/{1 / percentile(ratios, 25):.0f})"
        detail = f"{in_milliseconds(added)} against {in_milliseconds(sdk - base)}"
        yield Figure(f"exit, {PENDING} {name} / SDK", added / (sdk - base), 1 / 500, spread=spread, detail=detail)
        late = percentile(found, 95) - base
        yield Figure(f"exit, {PENDING} {name}: added", late / 1e6, 100, unit=" ms", detail="95th percentile")


def _begin(program: str, server: str, directory: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "bench.exiting", program, server],
        env=environment(directory),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )


def _lingered(child: subprocess.Popen[bytes]) -> float:
    """Wait for *child*; return the nanoseconds from its last statement to its end. CLOCK_MONOTONIC is one for all."""
    assert child.stdout is not None
    with child.stdout as stdout:
        said = stdout.readline()
    status = child.wait()
    end = time.clock_gettime_ns(time.CLOCK_MONOTONIC)
    if status:
        msg = f"{child.args!r} ended with {status}"
        raise RuntimeError(msg)
    return end - int(said)


if __name__ == "__main__":
    PROGRAMS[sys.argv[1]](sys.argv[2])
    print(time.clock_gettime_ns(time.CLOCK_MONOTONIC), flush=True)
