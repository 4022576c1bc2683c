"""Where the host traces, our uses appear there too, and nothing of the host's own changes (otel.md section 1)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from typing import Any

import opentelemetry._logs._internal as otel_logs
import pytest
from insthelp import Observation, read_usages
from opentelemetry import trace
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, ParentBased, Sampler
from opentelemetry.trace import SpanKind, StatusCode
from opentelemetry.util._once import Once

import footfall
from footfall import attributes, runtime
from footfall.distro import FootfallSpanExporter
from footfall.instrumentation.host_spans import HostSpans
from footfall.usage import Kind


class Host:
    """A host that traces into memory."""

    def __init__(self, sampler: Sampler = ALWAYS_ON) -> None:
        self.exporter = InMemorySpanExporter()
        self.provider = TracerProvider(sampler=sampler, shutdown_on_exit=False)
        self.provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.tracer = self.provider.get_tracer("host")

    def spans(self) -> list[Any]:
        """Return every span that was exported."""
        return list(self.exporter.get_finished_spans())

    def ours(self) -> list[Any]:
        """Return those of our scope."""
        return [span for span in self.spans() if span.instrumentation_scope.name == "footfall"]


@pytest.fixture
def host() -> Host:
    """A host that samples everything."""
    return Host()


@pytest.fixture
def global_providers() -> Iterator[None]:
    """Let a test set OpenTelemetry's global providers, which a process can do once."""
    before: Any = (trace._TRACER_PROVIDER, trace._TRACER_PROVIDER_SET_ONCE)
    logs_before: Any = (otel_logs._LOGGER_PROVIDER, otel_logs._LOGGER_PROVIDER_SET_ONCE)
    trace._TRACER_PROVIDER, trace._TRACER_PROVIDER_SET_ONCE = None, Once()
    otel_logs._LOGGER_PROVIDER, otel_logs._LOGGER_PROVIDER_SET_ONCE = None, Once()
    yield
    trace._TRACER_PROVIDER, trace._TRACER_PROVIDER_SET_ONCE = before
    otel_logs._LOGGER_PROVIDER, otel_logs._LOGGER_PROVIDER_SET_ONCE = logs_before


def given(observation: Observation, host: Host) -> None:
    """Hand the host's provider over, as ``instrument(tracer_provider=...)`` does."""
    observation.state.host.take_from(HostSpans("1", tracer_provider=host.provider))


def ids(span: Any) -> tuple[str, str, str]:
    """Return trace, span and parent id as the journal writes them."""
    parent = f"{span.parent.span_id:016x}" if span.parent else ""
    return f"{span.context.trace_id:032x}", f"{span.context.span_id:016x}", parent


def test_a_use_is_a_span_with_the_same_ids(observation: Observation, host: Host):
    """Below the host's current span, INTERNAL, with the function's name and our scope; no argument, no path."""
    module = observation.module("def f(secret): pass")
    given(observation, host)
    observation.wrapped(module, "f", service="intake")
    with host.tracer.start_as_current_span("request"):
        module.f("hunter2")
    (span,), (usage,) = host.ours(), observation.usages()
    (request,) = (each for each in host.spans() if each.name == "request")
    assert ids(span) == (usage.trace_id, usage.span_id, usage.parent_span_id)
    assert ids(span)[::2] == ids(request)[:2]
    name = f"{module.__name__}.f"
    assert (span.name, span.kind, span.status.status_code) == (
        f"{module.__name__}:f",
        SpanKind.INTERNAL,
        StatusCode.UNSET,
    )
    assert dict(span.attributes) == {
        attributes.PROJECT: "demo/lib",
        attributes.SERVICE: "intake",
        attributes.RECORDED: True,
        attributes.CODE_FUNCTION_NAME: name,
    }
    scope = span.instrumentation_scope
    assert (scope.name, scope.version, scope.schema_url) == ("footfall", "0", attributes.SCHEMA_URL)


def test_what_the_function_traces_is_below_the_use(observation: Observation, host: Host):
    """The use is the current span inside, and not after."""
    module = observation.module("def inner(): pass\ndef f(body):\n  body()\n  inner()")
    given(observation, host)
    observation.wrapped(module, "f", "inner")
    module.f(lambda: host.tracer.start_span("child").end())
    host.tracer.start_span("after").end()
    spans = {span.name.rpartition(":")[2]: ids(span) for span in host.spans()}
    assert spans["child"][2] == spans["inner"][2] == spans["f"][1]
    assert spans["after"][2] == spans["f"][2] == ""


def test_nothing_of_an_exception_but_its_class(observation: Observation, host: Host):
    """Status ERROR and ``error.type``; no event, no description, on any path."""
    module = observation.module(
        """
        def f(): raise ValueError("secret /home/alice")
        async def co(): raise ValueError("secret")
        def gen():
            yield 1
            raise ValueError("secret")
        """
    )
    given(observation, host)
    observation.wrapped(module, "f", "co", "gen")
    for call in (module.f, lambda: asyncio.run(module.co()), lambda: list(module.gen())):
        with pytest.raises(ValueError, match="secret"):
            call()
    assert len(host.ours()) == 3
    for span in host.ours():
        assert (span.status.status_code, span.status.description, span.events) == (StatusCode.ERROR, None, ())
        assert span.attributes["error.type"] == "ValueError"
        assert "secret" not in span.to_json()


def test_a_good_exit_is_no_error(observation: Observation, host: Host):
    """``sys.exit(0)`` inside a use leaves the span without status."""
    module = observation.module("import sys\ndef f(status): sys.exit(status)")
    given(observation, host)
    observation.wrapped(module, "f")
    for status in (0, 3):
        with pytest.raises(SystemExit):
            module.f(status)
    assert [span.status.status_code for span in host.ours()] == [StatusCode.UNSET, StatusCode.ERROR]


def test_a_generators_span_does_not_leak_to_its_consumer(
    observation: Observation, host: Host, caplog: pytest.LogCaptureFixture
):
    """Current while the body runs only; left early, in another task or thread, it ends without a word in any log."""
    module = observation.module(
        """
        def gen(trace): trace("body"); yield 1; trace("body"); yield 2
        async def agen(trace): trace("body"); yield 1; trace("body"); yield 2
        """
    )
    given(observation, host)
    observation.wrapped(module, "gen", "agen")

    def traced(name: str) -> None:
        host.tracer.start_span(name).end()

    for _ in module.gen(traced):
        traced("consumer")
    module.gen(traced).close()
    left = module.gen(traced)
    next(left)
    del left

    async def main() -> None:
        async for _ in module.agen(traced):
            traced("consumer")
        generator = module.agen(traced)
        await asyncio.create_task(generator.__anext__())
        await asyncio.create_task(generator.aclose())

    asyncio.run(main())
    spans = host.spans()
    uses = {ids(span)[1]: span for span in host.ours()}
    assert {ids(span)[2] in uses for span in spans if span.name == "body"} == {True}
    assert {ids(span)[2] for span in spans if span.name == "consumer"} == {""}
    assert [uses[each.span_id].attributes["footfall.items"] for each in observation.usages()] == [2, 1, 2, 1]
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


def test_coroutines_nest_in_their_own_task(observation: Observation, host: Host):
    """Concurrent tasks do not become each other's parents."""
    module = observation.module(
        """
        import asyncio
        async def outer(trace):
            await asyncio.sleep(0)
            trace()
            await asyncio.sleep(0)
        """
    )
    given(observation, host)
    observation.wrapped(module, "outer")

    async def main() -> None:
        await asyncio.gather(*(module.outer(lambda: host.tracer.start_span("child").end()) for _ in range(3)))

    asyncio.run(main())
    parents = sorted(ids(span)[2] for span in host.spans() if span.name == "child")
    assert parents == sorted(ids(span)[1] for span in host.ours())
    assert {ids(span)[2] for span in host.ours()} == {""}


@pytest.mark.parametrize("sampler", [ALWAYS_OFF, ParentBased(ALWAYS_OFF)])
def test_a_host_that_samples_nothing_changes_no_count(observation: Observation, sampler: Sampler):
    """Every use is in the journal, nothing is exported, and the host's own spans are sampled as before."""
    host = Host(sampler)
    module = observation.module("def inner(): pass\ndef f(body):\n  inner()\n  return body()")
    given(observation, host)
    observation.wrapped(module, "f", "inner")

    def child_is_sampled() -> bool:
        child = host.tracer.start_span("child")
        child.end()
        return bool(child.get_span_context().trace_flags.sampled)

    with host.tracer.start_as_current_span("request") as request:
        assert module.f(child_is_sampled) is False
        context = request.get_span_context()
    assert host.spans() == []
    inner, outer = observation.usages()
    assert {inner.trace_id, outer.trace_id} == {f"{context.trace_id:032x}"}
    assert (outer.parent_span_id, inner.parent_span_id) == (f"{context.span_id:016x}", outer.span_id)


def test_counted_uses_make_no_spans(observation: Observation, host: Host):
    """Beyond the rate there is one comparison, also where the host traces."""
    module = observation.module("def f(): pass")
    given(observation, host)
    observation.wrapped(module, "f", rate=3)
    for _ in range(20):
        module.f()
    observation.recorder.flush_counts()
    assert (len(host.ours()), observation.count("f")) == (3, 20)


def test_the_global_provider_counts_from_when_it_is_set(observation: Observation, host: Host, global_providers: None):
    """Set after instrumenting: uses before it are in the journal only; we never set one ourselves."""
    module = observation.module("def f(): pass")
    observation.wrapped(module, "f")
    module.f()
    assert trace._TRACER_PROVIDER is None
    trace.set_tracer_provider(host.provider)
    module.f()
    assert (len(host.ours()), observation.count("f")) == (1, 2)


def test_a_given_provider_wins_over_the_global_one(observation: Observation, host: Host, global_providers: None):
    """As in all of OpenTelemetry's instrumentors."""
    elsewhere = Host()
    trace.set_tracer_provider(elsewhere.provider)
    module = observation.module("def f(): pass")
    given(observation, host)
    observation.wrapped(module, "f")
    module.f()
    assert (len(host.ours()), len(elsewhere.spans())) == (1, 0)


def test_an_event_is_a_log_record_of_the_host(observation: Observation):
    """Event name, our scope, attributes from the table, no body; in the context of the use it happened in."""
    exporter = InMemoryLogRecordExporter()
    logs, host = LoggerProvider(shutdown_on_exit=False), Host()
    logs.add_log_record_processor(SimpleLogRecordProcessor(exporter))
    observation.state.host.take_from(HostSpans("1", tracer_provider=host.provider, logger_provider=logs))
    subject = observation.subject("step", is_function=False, extra={"site": "x"})
    module = observation.module("def f(body): body()")
    observation.wrapped(module, "f")
    fields = {"points": 10, "parts": ["a", "b"], "mixed": [1, "a"], "deep": {"a": None}, "nothing": None}
    module.f(lambda: observation.recorder.event(subject, fields))
    (emitted,) = exporter.get_finished_logs()
    record, (span,) = emitted.log_record, host.ours()
    assert (record.event_name, record.body, record.severity_number.name) == ("step", None, "INFO")
    assert (record.trace_id, record.span_id) == (span.context.trace_id, span.context.span_id)
    assert emitted.instrumentation_scope.name == "footfall"
    written = {key: list(value) if isinstance(value, tuple) else value for key, value in record.attributes.items()}
    # The ids of the event itself: those of the record are its span's, and two events of one span are two.
    (line,) = [usage for usage in observation.usages() if usage.kind is Kind.EVENT]
    assert written.pop("log.record.uid") == f"{line.trace_id}-{line.span_id}"
    assert (line.trace_id, line.parent_span_id) == (f"{record.trace_id:032x}", f"{record.span_id:016x}")
    assert written == {
        "footfall.project": "demo/lib",
        "footfall.kind": "event",
        "footfall.recorded": True,
        "footfall.extra.site": "x",
        "footfall.extra.points": 10,
        "footfall.extra.parts": ["a", "b"],
        "footfall.extra.mixed": '[1,"a"]',
        "footfall.extra.deep": '{"a":null}',
    }
    event = observation.usages()[0]
    assert (event.name, record.timestamp, event.extra["points"]) == ("step", event.time_ns, 10)
    assert event.parent_span_id == f"{span.context.span_id:016x}"


def test_the_global_logger_provider_is_used_once_it_is_set(observation: Observation, global_providers: None):
    """Before that, an event is in the journal only."""
    exporter = InMemoryLogRecordExporter()
    logs = LoggerProvider(shutdown_on_exit=False)
    logs.add_log_record_processor(SimpleLogRecordProcessor(exporter))
    subject = observation.subject("step", is_function=False)
    observation.recorder.event(subject, {})
    otel_logs.set_logger_provider(logs)
    observation.recorder.event(subject, {})
    assert (len(exporter.get_finished_logs()), len(observation.usages())) == (1, 2)


def test_wrapper_and_exporter_make_one_use(observation: Observation):
    """The span of a use that reaches our exporter is the use that is written already; others are not ours."""
    module = observation.module("def f(): pass")
    host = Host()
    host.provider.add_span_processor(SimpleSpanProcessor(FootfallSpanExporter()))
    footfall.instrument("demo/lib", registry={"registry": [f"{module.__name__}:f"]}, tracer_provider=host.provider)
    with host.tracer.start_as_current_span("request"):
        module.f()
    by_hand = {attributes.PROJECT: "demo/lib", "footfall.extra.a": 1}
    host.provider.get_tracer("footfall").start_span("by hand", attributes=by_hand).end()
    here = runtime.current()
    here.journal.close()
    directory = here.journal.directory
    assert directory is not None
    assert [(each.name, dict(each.extra)) for each in read_usages(directory)] == [
        (f"{module.__name__}:f", {}),
        ("by hand", {"a": 1}),
    ]
    assert len(host.ours()) == 2
