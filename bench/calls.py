"""What one call costs: reported, only counted, opted out. Each `Worker` setup here returns nanoseconds a call."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from bench.measure import Figure, compare, cost, in_microseconds, interleave, nanoseconds_per_call
from bench.worker import Worker

PROJECT = "bench/calls"
JOURNAL_ONLY = {"FOOTFALL": "local", "FOOTFALL_JOURNALS_MAX_BYTES": str(2**30)}
"""No delivery beside the call, as the reference delivers nowhere: its exporter does nothing."""

CALLS = 1000
ROUNDS = 60


def _work() -> None:
    return None


def reported() -> Callable[[], float]:
    """A wrapped plain function whose every use is a line in the journal."""
    import footfall

    function = footfall.register("calls", project=PROJECT, rate=0)(_work)
    footfall.instrument(PROJECT, version="1")
    return lambda: nanoseconds_per_call(function, CALLS)


def counted() -> Callable[[], float]:
    """The same, beyond its rate of one use in a hundred seconds."""
    import footfall

    function = footfall.register("calls", project=PROJECT, rate=0.01)(_work)
    footfall.instrument(PROJECT, version="1")
    return lambda: nanoseconds_per_call(function, 10 * CALLS)


def traced() -> Callable[[], float]:
    """The reference: a wrapt wrapper that makes a current span, and a batch processor whose exporter does nothing.

    The span says as little as a span of a function can under the semantic conventions: the function's name.
    """
    import wrapt
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

    class Nowhere(SpanExporter):
        def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
            return SpanExportResult.SUCCESS

    provider = TracerProvider(resource=Resource.create({"service.name": "bench"}))
    provider.add_span_processor(BatchSpanProcessor(Nowhere()))
    tracer = provider.get_tracer("bench")
    said = {"code.function.name": "bench.calls._work"}

    @wrapt.decorator
    def wrapper(wrapped: Any, instance: Any, args: Any, kwargs: Any) -> Any:
        with tracer.start_as_current_span("_work", attributes=said):
            return wrapped(*args, **kwargs)

    function = wrapper(_work)
    return lambda: nanoseconds_per_call(function, CALLS)


def opted_out() -> Callable[[], list[float]]:
    """One function three ways in turn: bare, registered after an opt-out, and wrapped but taken out again."""
    os.environ["DO_NOT_TRACK"] = "1"
    import footfall

    def bare() -> None:
        return None

    @footfall.register("calls", project=PROJECT)
    def refused() -> None:
        return None

    del os.environ["DO_NOT_TRACK"]
    held = footfall.register("calls", project=PROJECT)(_work)
    footfall.instrument(PROJECT, version="1")
    held()
    footfall.uninstrument()
    return lambda: [nanoseconds_per_call(function, 20 * CALLS) for function in (bare, refused, held)]


def costs(directory: Path) -> Iterator[Figure]:
    """A reported use and a counted one against a current span of the SDK with a batch processor."""
    with (
        Worker("bench.calls:reported", directory / "reported", environ=JOURNAL_ONLY) as ours,
        Worker("bench.calls:counted", directory / "counted", environ=JOURNAL_ONLY) as few,
        Worker("bench.calls:traced", directory / "traced") as reference,
    ):
        subject, only_counted, span = interleave(ROUNDS, ours, few, reference, warm_up=2)
    _all_written(ours.directory, (ROUNDS + 2) * CALLS * 6 // 5, lines=(ROUNDS + 2) * CALLS * 6 // 5)
    _all_written(few.directory, (ROUNDS + 2) * CALLS * 12, lines=1000)
    yield cost("reported use / SDK span", compare(subject, span), 1 / 8, show=in_microseconds)
    yield cost("counted use / SDK span", compare(only_counted, span), 1 / 20, show=in_microseconds)


def off(directory: Path) -> Iterator[Figure]:
    """An opted-out function against the bare one; opted out before it was decorated, and while it ran."""
    with Worker("bench.calls:opted_out", directory / "off") as worker:
        rounds: list[list[float]] = [worker() for _ in range(ROUNDS + 2)][2:]
    bare, refused, held = zip(*rounds, strict=True)
    yield cost("opted out before decoration / bare call", compare(refused, bare), 1.05, show=in_microseconds)
    yield cost("opted out at run time / bare call", compare(held, bare), 3.5, show=in_microseconds)


def _all_written(directory: Path, uses: int, *, lines: int) -> None:
    """Make sure that what was measured was also done: *uses* in the journals, in at most *lines* lines."""
    from footfall.journal.reader import JournalReader, journals

    found = written = 0
    for path in journals(directory / "state" / "journal"):
        reader, offset, at_end = JournalReader(path), 0, False
        while not at_end:
            chunk = reader.read(offset)
            offset, at_end = chunk.offset, chunk.at_end
            found += sum(record.usage.count for record in chunk.observed)
            written += len(chunk.observed)
    if found != uses or written > lines:
        msg = f"{directory.name}: {found} uses in {written} lines were found; {uses} were made"
        raise AssertionError(msg)
