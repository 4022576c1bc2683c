"""S5: of an exception its class name is told, and nothing that it says."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

import footfall
from footfall.export import from_span
from footfall.instrumentation import host_spans, recorder
from footfall.wire.otlp import OtlpWire
from tests.security.rules import rule, without
from tests.security.whole import leaves

CANARY = "c4nary-e5"
REGISTRY = {"registry": {"calls": [f"{__name__}:fail"]}}


class TroubleError(Exception):
    """Says what must stay here in every way it can."""

    def __init__(self) -> None:
        super().__init__(f"message {CANARY}", {"key": CANARY})
        self.filename = f"/home/{CANARY}/x"

    def __str__(self) -> str:
        return f"text {CANARY}"

    __repr__ = __str__


def message() -> None:
    raise TroubleError


def path() -> None:
    Path("/nowhere", CANARY).read_text(encoding="utf-8")


def notes() -> None:
    error = ValueError("x")
    if sys.version_info >= (3, 11):
        error.add_note(CANARY)
    else:
        error.__notes__ = [CANARY]
    raise error


def cause() -> None:
    try:
        message()
    except TroubleError as error:
        raise LookupError(CANARY) from error


def context() -> None:
    try:
        message()
    except TroubleError:
        raise LookupError(CANARY)  # noqa: B904  the context is what is tested


def group() -> None:
    if sys.version_info >= (3, 11):
        raise ExceptionGroup(CANARY, [TroubleError(), ValueError(CANARY)])  # noqa: F821
    raise ValueError([TroubleError(), CANARY])


def leaving() -> None:
    raise SystemExit(f"good bye {CANARY}")


def syntax() -> None:
    compile(f"{CANARY} =", f"/home/{CANARY}/source.py", "exec")


WAYS: tuple[Callable[[], None], ...] = (message, path, notes, cause, context, group, leaving, syntax)


def fail(way: Callable[[], None]) -> None:
    local = CANARY
    way()
    del local


def by_text(exception: BaseException | None) -> Any:
    found, name = recorder_outcome(exception)
    return found, f"{name}: {exception}" if exception is not None else name


def as_the_sdk_does(self: Any, span: Any, error_type: str, items: int) -> None:
    error = sys.exc_info()[1]
    if error is not None:
        span.record_exception(error)
    host_end(self, span, error_type, items)


recorder_outcome, host_end = recorder.outcome_of, host_spans.HostSpans.end_span


@rule(
    without(recorder, "outcome_of", by_text),
    without(host_spans.HostSpans, "end_span", as_the_sdk_does),
)
def test_what_an_exception_says_stays_here(tmp_path: Path) -> None:
    """In its message, arguments, path, notes, cause, context and group: not in journal, requests or host spans."""

    def fill() -> None:
        for way in WAYS:
            with pytest.raises(BaseException):  # noqa: B017, PT011  each its own
                fail(way)
        with pytest.raises(TroubleError), footfall.track("owner/tool"):
            message()

    found = dict(leaves(tmp_path, fill, REGISTRY))
    assert any(b"TroubleError" in content for content in found.values()), "the class is told"
    for where, content in found.items():
        assert CANARY.encode() not in content, where
        assert b"Traceback" not in content, where
        assert b"source.py" not in content, where


def with_status(span: Any) -> Any:
    usage = span_usage(span)
    told = {"status": span.status.description or "", "event": str([dict(event.attributes) for event in span.events])}
    return type(usage)(**{**{name: getattr(usage, name) for name in usage.__struct_fields__}, "extra": told})


span_usage = from_span.from_span


@rule(without(from_span, "from_span", with_status))
def test_what_the_sdk_notes_of_an_exception_does_not_travel() -> None:
    """Spans that a host made with `record_exception`: message, stack trace and status description are left behind."""
    exporter, provider = InMemorySpanExporter(), TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    said = {"footfall.project": "owner/tool", "exception.message": CANARY}
    tracer = provider.get_tracer("footfall")
    with pytest.raises(TroubleError), tracer.start_as_current_span("x", attributes=said):
        message()
    (finished,) = exporter.get_finished_spans()
    provider.shutdown()
    assert finished.status.status_code is StatusCode.ERROR
    assert CANARY in finished.to_json(), "the SDK noted it"
    usage = from_span.from_span(finished)
    assert usage is not None
    for request in OtlpWire(compression="none").translate([usage]):
        assert CANARY.encode() not in request.body
