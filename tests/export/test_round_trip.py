"""A use says the same whether it was told directly or came as a span or a log record (design.md section 4)."""

from __future__ import annotations

import gzip
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk._logs import ReadableLogRecord
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, Status, StatusCode

from footfall import attributes
from footfall.export.exporter import Door
from footfall.export.from_log import from_log
from footfall.export.from_span import from_span
from footfall.export.log_exporter import UsageLogExporter
from footfall.usage import Kind, Outcome, Usage
from footfall.wire.otlp import OtlpWire

COMMON: dict[str, Any] = {
    "project": "demo/lib",
    "project_version": "1.2",
    "trace_id": "0af7651916cd43dd8448eb211c80319c",
    "span_id": "b7ad6b7169203331",
    "time_ns": 1_700_000_000_000_000_000,
    "resource": {"os.type": "linux", "process.interactive": False, "service.name": "lib", "service.version": "1.2"},
    "session_id": "7f9c2ba4-e88f-4ab8-9a3b-0f0f0f0f0f0f",
    "installation_id": "0d5a0b9e-0000-4000-8000-000000000000",
}
SCOPE = InstrumentationScope(attributes.SCOPE_NAME, "1")


def value_of(value: Any) -> Any:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [value_of(each) for each in value.array_value.values]
    return getattr(value, kind)


def plain(pairs: Any) -> dict[str, Any]:
    return {pair.key: value_of(pair.value) for pair in pairs}


def resource_of(group: Any) -> Resource:
    return Resource(
        {key: value for key, value in plain(group.resource.attributes).items() if key != "service.namespace"}
    )


def told(usage: Usage) -> ReadableLogRecord:
    """Return the log record that a receiver of the wire's request has."""
    (request,) = OtlpWire().translate([usage])
    message = ExportLogsServiceRequest.FromString(gzip.decompress(request.body))
    (group,) = message.resource_logs
    (scope,) = group.scope_logs
    (log,) = scope.log_records
    record = LogRecord(
        timestamp=log.time_unix_nano,
        observed_timestamp=log.observed_time_unix_nano,
        severity_number=SeverityNumber.UNSPECIFIED,
        body=value_of(log.body) if log.HasField("body") else None,
        attributes=plain(log.attributes),
        event_name=log.event_name,
    )
    record.trace_id, record.span_id = int.from_bytes(log.trace_id, "big"), int.from_bytes(log.span_id, "big")
    return ReadableLogRecord(record, resource_of(group), InstrumentationScope(scope.scope.name))


def told_as_span(usage: Usage) -> ReadableSpan:
    """Return the span that a receiver of the wire's request has."""
    (request,) = OtlpWire().translate([usage])
    message = ExportTraceServiceRequest.FromString(gzip.decompress(request.body))
    (group,) = message.resource_spans
    (scope,) = group.scope_spans
    (span,) = scope.spans
    trace_id = int.from_bytes(span.trace_id, "big")
    parent = int.from_bytes(span.parent_span_id, "big")
    return ReadableSpan(
        name=span.name,
        context=SpanContext(trace_id, int.from_bytes(span.span_id, "big"), is_remote=True),
        parent=SpanContext(trace_id, parent, is_remote=True) if parent else None,
        resource=resource_of(group),
        attributes=plain(span.attributes),
        status=Status(StatusCode.ERROR) if span.status.code == 2 else Status(),
        start_time=span.start_time_unix_nano,
        end_time=span.end_time_unix_nano,
        instrumentation_scope=InstrumentationScope(scope.scope.name),
    )


words = st.text(st.characters(codec="ascii", exclude_characters="\x00"), min_size=1, max_size=12)
values = st.one_of(words, st.booleans(), st.integers(-(2**63), 2**63 - 1), st.lists(words, min_size=1, max_size=3))
fields = st.dictionaries(words.filter(lambda key: "." not in key), values, max_size=4)


@given(kind=st.sampled_from([Kind.START, Kind.COUNT, Kind.EVENT]), extra=fields, arguments=fields, data=st.data())
def test_starts_counts_and_events_come_back_equal(
    kind: Kind, extra: dict[str, Any], arguments: dict[str, Any], data: st.DataObject
) -> None:
    """`from_log` is the reverse of what the wire makes of a usage."""
    usage = Usage(
        **COMMON,
        kind=kind,
        name=data.draw(words) if kind is Kind.EVENT else "lib.core:search",
        service=data.draw(st.sampled_from(["", "lib_catalog"])),
        message=data.draw(st.sampled_from(["", "done"])) if kind is Kind.EVENT else "",
        outcome=data.draw(st.sampled_from([None, Outcome.OK])) if kind is Kind.EVENT else None,
        count=data.draw(st.integers(1, 1000)) if kind is not Kind.START else 1,
        extra=extra,
        arguments=arguments if kind is Kind.START else {},
    )
    assert from_log(told(usage)) == usage


@pytest.mark.parametrize("kind", [Kind.START, Kind.END])
def test_how_arguments_are_passed_comes_back(kind: Kind) -> None:
    """Positional and keyword arguments are told apart on both ways; without captured ones nothing is said."""
    usage = Usage(
        **COMMON,
        kind=kind,
        name="lib.core:Catalog.__getitem__",
        outcome=Outcome.OK if kind is Kind.END else None,
        arguments={"key": "tas", "names": ["a", "b"], "query": "{}"},
        parameters=("/key", "*names", "**query"),
    )
    back = from_span(told_as_span(usage)) if kind is Kind.END else from_log(told(usage))
    assert back == usage


@pytest.mark.parametrize(("said", "found"), [(None, ()), (7, ()), ("/key", ()), (["/key", 7], ("/key",))])
def test_what_others_say_of_arguments_is_taken_as_far_as_it_is_names(said: Any, found: tuple[str, ...]) -> None:
    """Spans of our scope may come from other languages' footfalls, or from anybody."""
    record = told(EVENT)
    record.log_record.attributes = {**dict(record.log_record.attributes or {}), attributes.PARAMETERS: said}
    usage = from_log(record)
    assert usage is not None
    assert usage.parameters == found


@given(outcome=st.sampled_from(Outcome), extra=fields, arguments=fields, count=st.integers(1, 99), data=st.data())
def test_ends_come_back_equal(
    outcome: Outcome, extra: dict[str, Any], arguments: dict[str, Any], count: int, data: st.DataObject
) -> None:
    """`from_span` is the reverse, too."""
    usage = Usage(
        **COMMON,
        kind=Kind.END,
        name="lib.core:search",
        parent_span_id=data.draw(st.sampled_from(["", "00f067aa0ba902b7"])),
        duration_ns=data.draw(st.integers(0, 10**15)),
        outcome=outcome,
        error_type="" if outcome is Outcome.OK else "KeyError",
        extra=extra,
        arguments=arguments,
        count=count,
        items=data.draw(st.integers(-1, 5)),
    )
    assert from_span(told_as_span(usage)) == usage


EVENT = Usage(**COMMON, kind=Kind.EVENT, name="step", message="done")


@pytest.mark.parametrize(
    "change",
    [
        {"event_name": None},  # a line that the application logged
        {"event_name": ""},
        {"event_name": attributes.START_EVENT},  # whose kind says event
        {"attributes": {}},
        {"attributes": {attributes.PROJECT: "demo/lib"}},
        {"attributes": {attributes.PROJECT: 7, attributes.KIND: "event"}},
        {"attributes": {attributes.PROJECT: "demo/lib", attributes.KIND: "end"}},
        {"timestamp": None, "observed_timestamp": None},
    ],
)
def test_what_does_not_say_what_we_say_is_not_ours(change: dict[str, Any]) -> None:
    """Name, kind, project and time: one missing, and nothing is made of it."""
    record = told(EVENT)
    for name, value in change.items():
        setattr(record.log_record, name, value)
    assert from_log(record) is None


def test_the_exporter_takes_our_scope_and_chosen_projects_only_and_nothing_twice() -> None:
    """Four records: of another scope, written down already, of another project, and one to take."""
    taken: list[Usage] = []
    exporter = UsageLogExporter(Door(lambda usage: taken.append(usage) is None, ["demo/lib"]))
    foreign, recorded, other, ours = (told(EVENT) for _ in range(4))
    foreign = ReadableLogRecord(foreign.log_record, foreign.resource, InstrumentationScope("app"))
    recorded.log_record.attributes = {**dict(recorded.log_record.attributes or {}), attributes.RECORDED: True}
    other.log_record.attributes = {**dict(other.log_record.attributes or {}), attributes.PROJECT: "demo/other"}
    assert exporter.export([foreign, recorded, other, ours]).name == "SUCCESS"
    assert taken == [EVENT]
    assert exporter.force_flush()
    exporter.shutdown()
