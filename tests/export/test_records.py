"""What comes through an exporter is in the journal as if a wrapper had written it."""

from __future__ import annotations

from typing import Any

import pytest
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import SimpleLogRecordProcessor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.trace import set_span_in_context

import footfall
from footfall import attributes, runtime
from footfall.distro import FootfallSpanExporter
from footfall.distro_logs import FootfallLogExporter
from footfall.errors import trouble
from footfall.journal.reader import JournalReader, Observed, journals
from footfall.usage import Kind

PROJECT = {attributes.PROJECT: "demo/lib"}


class Emitter:
    """A host with both exporters, and somebody who emits under our scope."""

    def __init__(self) -> None:
        self.tracers, self.loggers = TracerProvider(shutdown_on_exit=False), LoggerProvider(shutdown_on_exit=False)
        self.tracers.add_span_processor(SimpleSpanProcessor(FootfallSpanExporter()))
        self.loggers.add_log_record_processor(SimpleLogRecordProcessor(FootfallLogExporter()))
        self.tracer, self.logger = self.tracers.get_tracer("footfall"), self.loggers.get_logger("footfall")

    def log(self, name: str, kind: str, body: Any = None, **fields: Any) -> None:
        said = {**PROJECT, attributes.KIND: kind, **{key.replace("__", "."): value for key, value in fields.items()}}
        self.logger.emit(event_name=name, body=body, attributes=said)


@pytest.fixture
def emitter() -> Emitter:
    footfall.instrument("demo/lib", version="1", registry={"registry": []})
    return Emitter()


def observed() -> list[Observed]:
    here = runtime.current()
    here.journal.close()
    directory = here.journal.directory
    assert directory is not None
    return [each for path in journals(directory) for each in JournalReader(path).read(0).observed]


def test_start_count_event_and_end(emitter: Emitter) -> None:
    """Kinds, names, counts and fields; a start and its end share their ids, and the end is known to be of a start."""
    span = emitter.tracer.start_span("demo/lib", attributes=PROJECT)
    context = set_span_in_context(span)
    said = {**PROJECT, attributes.KIND: "start"}
    emitter.logger.emit(event_name=attributes.START_EVENT, body="demo/lib", attributes=said, context=context)
    emitter.log(attributes.COUNT_EVENT, "count", "lib:f", footfall__count=7)
    emitter.log("step", "event", "half way", footfall__extra__points=10)
    span.end()
    found = {each.usage.kind: each for each in observed()}
    assert {kind: each.usage.name for kind, each in found.items()} == {
        Kind.START: "demo/lib",
        Kind.COUNT: "lib:f",
        Kind.EVENT: "step",
        Kind.END: "demo/lib",
    }
    start, end, event = found[Kind.START].usage, found[Kind.END], found[Kind.EVENT].usage
    assert (start.trace_id, start.span_id) == (end.usage.trace_id, end.usage.span_id)
    assert end.starts
    assert found[Kind.COUNT].usage.count == 7
    assert (event.message, event.extra) == ("half way", {"points": 10})


def test_two_events_of_one_span_are_two(emitter: Emitter) -> None:
    """The ids of a log record are those of the span around it: it becomes the parent."""
    with emitter.tracer.start_as_current_span("run", attributes=PROJECT) as span:
        for _ in range(2):
            emitter.log("step", "event")
    events = [each.usage for each in observed() if each.usage.kind is Kind.EVENT]
    assert len({event.span_id for event in events}) == 2
    context = span.get_span_context()
    assert {(event.trace_id, event.parent_span_id) for event in events} == {
        (f"{context.trace_id:032x}", f"{context.span_id:016x}")
    }


def test_what_was_emitted_is_scrubbed_before_it_is_written(emitter: Emitter) -> None:
    """Nobody else did (reliability.md S4)."""
    canary = "ghp_0123456789abcdefghijklmnopqrstuvwxyz"
    emitter.log("step", "event", f"token {canary}", footfall__extra__password=canary, footfall__extra__note=canary)
    emitter.tracer.start_span("run", attributes={**PROJECT, "footfall.args.token": canary}).end()
    assert len(observed()) == 2
    directory = runtime.current().journal.directory
    assert directory is not None
    assert canary not in "".join(path.read_text() for path in journals(directory))


def test_a_project_that_is_not_instrumented_is_reported_once_and_not_when_off(
    emitter: Emitter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody knows where its records would go."""
    other = {attributes.PROJECT: "demo/other"}
    before = trouble.counts["export"]
    emitter.tracer.start_span("run", attributes=other).end()
    assert trouble.counts["export"] == before + 1
    monkeypatch.setenv("DO_NOT_TRACK", "1")
    emitter.tracer.start_span("run", attributes=other).end()
    assert trouble.counts["export"] == before + 1
