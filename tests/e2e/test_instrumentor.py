"""`FootfallInstrumentor` and the exporters as objects: called again, undone, with options nobody knows."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import footfall
from footfall import runtime
from footfall.distro import FootfallInstrumentor, FootfallSpanExporter
from footfall.distro_logs import FootfallLogExporter
from footfall.errors import trouble
from tests.e2e import lib

WORK, REST = {"registry": ["tests.e2e.lib:work"]}, {"registry": ["tests.e2e.lib:rest"]}


@pytest.fixture
def instrumentor() -> Any:
    """The one instance of the class, undone afterwards."""
    made = FootfallInstrumentor()
    yield made
    if made.is_instrumented_by_opentelemetry:
        made.uninstrument()


def wrapped() -> list[str]:
    return [name for name in ("work", "rest") if type(getattr(lib, name)).__name__ != "function"]


def test_providers_that_are_given_get_spans_and_events(instrumentor: FootfallInstrumentor) -> None:
    """As with OpenTelemetry's own instrumentors."""
    spans, logs = InMemorySpanExporter(), InMemoryLogRecordExporter()
    tracers, loggers = TracerProvider(shutdown_on_exit=False), LoggerProvider(shutdown_on_exit=False)
    tracers.add_span_processor(SimpleSpanProcessor(spans))
    loggers.add_log_record_processor(SimpleLogRecordProcessor(logs))
    instrumentor.instrument(
        project="demo/lib", registry=WORK, tracer_provider=tracers, logger_provider=loggers, skip_dep_check=True
    )
    lib.work()
    footfall.event("own", project="demo/lib")
    assert [span.name for span in spans.get_finished_spans()] == ["tests.e2e.lib:work"]
    assert [each.log_record.event_name for each in logs.get_finished_logs()] == ["own"]


def test_called_again_it_adds_and_uninstrument_undoes_all(instrumentor: FootfallInstrumentor) -> None:
    """Later options are not dropped, as the base class would; the loader's call without any adds nothing."""
    original = lib.work
    instrumentor.instrument(project="demo/lib", registry=WORK)
    assert wrapped() == ["work"]
    instrumentor.instrument(project="demo/other", registry=REST)
    instrumentor.instrument(skip_dep_check=True)
    assert wrapped() == ["work", "rest"]
    assert runtime.current().projects.keys() == {"demo/lib", "demo/other"}
    instrumentor.uninstrument()
    assert wrapped() == []
    assert lib.work is original
    instrumentor.instrument(project="demo/lib", registry=WORK)
    assert wrapped() == ["work"]


def test_unknown_and_wrong_options_are_reported_not_raised(instrumentor: FootfallInstrumentor) -> None:
    """What is known is used; a project that is wrong is none."""
    before = trouble.counts["instrument"]
    instrumentor.instrument(project="demo/lib", registry=WORK, colour="green")
    assert (wrapped(), trouble.counts["instrument"]) == (["work"], before + 1)
    instrumentor.instrument(project="no owner")
    assert trouble.counts["instrument"] == before + 2


def test_a_relative_registry_lies_beside_the_module_that_calls(
    instrumentor: FootfallInstrumentor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not beside ours, and not in the working directory."""
    (tmp_path / "usage.yaml").write_text("project: demo/lib\nregistry: {p: ['tests.e2e.lib:work']}\n")
    (tmp_path / "caller_of_footfall.py").write_text(
        "from footfall import FootfallInstrumentor\nFootfallInstrumentor().instrument(registry='usage.yaml')\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    __import__("caller_of_footfall")
    assert wrapped() == ["work"]


@pytest.mark.parametrize("exporter", [FootfallSpanExporter, FootfallLogExporter])
@pytest.mark.parametrize("options", [{}, {"project": "a/b"}, {"project": ["a/b"]}, {"project": 7}, {"colour": 1}])
def test_exporters_are_made_of_anything_and_do_nothing_yet(exporter: Any, options: dict[str, Any]) -> None:
    """One that raised would leave the host without any telemetry; what is unknown is reported."""
    before, threads = trouble.counts["exporter"], threading.active_count()
    made = exporter(**options)
    assert made.export([]).name == "SUCCESS"
    assert made.force_flush()
    made.shutdown()
    assert trouble.counts["exporter"] - before == ("colour" in options)
    assert threading.active_count() == threads
    assert runtime.current().places is None
