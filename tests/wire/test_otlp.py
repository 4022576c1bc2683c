"""Uses as OTLP, decoded again with OpenTelemetry's own messages."""

from __future__ import annotations

import gzip
import logging
import os
import subprocess
import sys
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
)
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from opentelemetry.proto.trace.v1.trace_pb2 import Status as SpanStatus

from footfall.attributes import SCHEMA_URL, TABLE
from footfall.errors import ConfigurationError
from footfall.usage import Kind, Outcome, Usage
from footfall.wire.base import Request
from footfall.wire.otlp import OtlpWire

TRACE, SPAN, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331", "00f067aa0ba902b7"
SESSION, BEFORE, INSTALLATION = "s" * 36, "p" * 36, "i" * 36
RESOURCE = {"os.type": "linux", "telemetry.distro.version": "0.1.0", "process.interactive": False}


def usage(**fields: Any) -> Usage:
    """A use of a registered function, with some fields otherwise."""
    known: dict[str, Any] = {
        "project": "intake/intake-esm",
        "project_version": "2024.2.6",
        "service": "intake_catalog",
        "name": "intake_esm.core:esm_datastore.search",
        "kind": Kind.END,
        "trace_id": TRACE,
        "span_id": SPAN,
        "parent_span_id": PARENT,
        "time_ns": 1_700_000_000_000_000_000,
        "duration_ns": 1_500,
        "outcome": Outcome.OK if fields.get("kind", Kind.END) is Kind.END else None,
        "session_id": SESSION,
        "previous_session_id": BEFORE,
        "installation_id": INSTALLATION,
        "resource": RESOURCE,
    }
    return Usage(**{**known, **fields})


def message_of(request: Request) -> Any:
    """The protobuf message in a request."""
    body = gzip.decompress(request.body) if ("content-encoding", "gzip") in request.headers else request.body
    message: Any = ExportTraceServiceRequest() if request.path == "/v1/traces" else ExportLogsServiceRequest()
    message.ParseFromString(body)
    return message


def value_of(value: Any) -> Any:
    """The Python value of a protobuf one."""
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [value_of(item) for item in value.array_value.values]
    return getattr(value, kind) if kind else None


def attributes_of(thing: Any) -> dict[str, Any]:
    """Attributes of a span, a record or a resource."""
    return {attribute.key: value_of(attribute.value) for attribute in thing.attributes}


def spans_in(request: Request) -> list[Any]:
    """All spans of a request, in order."""
    groups = message_of(request).resource_spans
    return [span for group in groups for scope in group.scope_spans for span in scope.spans]


def records_in(request: Request) -> list[Any]:
    """All log records of a request, in order."""
    groups = message_of(request).resource_logs
    return [record for group in groups for scope in group.scope_logs for record in scope.log_records]


def one_span(**fields: Any) -> Any:
    """The span for one use."""
    (request,) = OtlpWire().translate([usage(**fields)])
    (span,) = spans_in(request)
    return span


def one_record(**fields: Any) -> Any:
    """The log record for one use."""
    (request,) = OtlpWire().translate([usage(**fields)])
    (record,) = records_in(request)
    return record


COMMON = {
    "footfall.project": "intake/intake-esm",
    "footfall.service": "intake_catalog",
    "session.id": SESSION,
    "session.previous_id": BEFORE,
    "app.installation.id": INSTALLATION,
}


def test_an_end_is_a_span() -> None:
    """Names, ids, times and attributes as the conventions have them; a success leaves the status unset."""
    span = one_span()
    assert (span.name, span.kind) == ("intake_esm.core:esm_datastore.search", Span.SPAN_KIND_INTERNAL)
    assert (span.trace_id.hex(), span.span_id.hex(), span.parent_span_id.hex()) == (TRACE, SPAN, PARENT)
    assert (span.start_time_unix_nano, span.end_time_unix_nano) == (
        1_700_000_000_000_000_000,
        1_700_000_000_000_001_500,
    )
    assert span.status.code == SpanStatus.STATUS_CODE_UNSET
    assert attributes_of(span) == {
        **COMMON,
        "code.function.name": "intake_esm.core.esm_datastore.search",
        "footfall.outcome": "ok",
    }
    assert list(span.events) == []


@pytest.mark.parametrize(
    ("fields", "error_type"),
    [
        ({"outcome": Outcome.ERROR, "error_type": "ValueError"}, "ValueError"),
        ({"outcome": Outcome.ERROR}, "_OTHER"),
        ({"outcome": Outcome.INTERRUPTED, "error_type": "KeyboardInterrupt"}, "KeyboardInterrupt"),
        ({"outcome": Outcome.KILLED}, "ProcessKilled"),
    ],
)
def test_a_failure_has_status_and_type_and_no_exception_event(fields: dict[str, Any], error_type: str) -> None:
    """Everything but a success is an error with its type; texts and stack traces stay at home."""
    span = one_span(**fields, message="two words")
    assert (span.status.code, span.status.message) == (SpanStatus.STATUS_CODE_ERROR, "two words")
    assert attributes_of(span)["error.type"] == error_type
    assert attributes_of(span)["footfall.outcome"] == fields["outcome"].value
    assert list(span.events) == []


def test_a_run_is_no_function() -> None:
    """A run is named after its project and has no function; counts and items appear where they say something."""
    attributes = attributes_of(one_span(name="intake/intake-esm", count=7, items=0, service=""))
    assert attributes["footfall.count"] == 7
    assert attributes["footfall.items"] == 0
    assert not attributes.keys() & {"code.function.name", "footfall.service"}


def test_an_event_is_a_named_log_record() -> None:
    """An event keeps its own name, time and ids; its message is the body."""
    record = one_record(kind=Kind.EVENT, name="step", message="half way", extra={"points": 10})
    assert (record.event_name, record.body.string_value) == ("step", "half way")
    assert (record.trace_id.hex(), record.span_id.hex()) == (TRACE, SPAN)
    assert record.time_unix_nano == record.observed_time_unix_nano == 1_700_000_000_000_000_000
    assert attributes_of(record) == {
        **COMMON,
        "footfall.kind": "event",
        "footfall.extra.points": 10,
        "footfall.parent_span_id": PARENT,
        "log.record.uid": f"{TRACE}-{SPAN}",
    }


@pytest.mark.parametrize(("kind", "event_name"), [(Kind.START, "footfall.start"), (Kind.COUNT, "footfall.count")])
def test_starts_and_counts_are_events_of_ours(kind: Kind, event_name: str) -> None:
    """OTLP has a word for every kind: these have our event names, and say in the body what they are about."""
    record = one_record(kind=kind, count=12)
    assert (record.event_name, record.body.string_value) == (event_name, "intake_esm.core:esm_datastore.search")
    attributes = attributes_of(record)
    assert attributes["footfall.kind"] == kind.value
    assert attributes["footfall.count"] == 12
    assert attributes["code.function.name"] == "intake_esm.core.esm_datastore.search"


def test_resource_and_scope() -> None:
    """The resource is where it ran and which project; ids of session and installation are no part of it."""
    message = message_of(OtlpWire().translate([usage()])[0])
    (group,) = message.resource_spans
    (scope,) = group.scope_spans
    assert attributes_of(group.resource) == {
        **RESOURCE,
        "service.name": "intake-esm",
        "service.namespace": "intake",
        "service.version": "2024.2.6",
    }
    assert (scope.scope.name, scope.scope.version) == ("footfall", "0.1.0")
    assert {group.schema_url, scope.schema_url} == {SCHEMA_URL}


def test_uses_of_one_resource_are_grouped() -> None:
    """One group for each resource, found equal by content, and by project and version."""
    uses = [
        usage(span_id="1" * 16),
        usage(span_id="2" * 16, resource=dict(reversed(RESOURCE.items()))),
        usage(span_id="3" * 16, project_version="2"),
        usage(span_id="4" * 16),
    ]
    (request,) = OtlpWire().translate(uses)
    groups = message_of(request).resource_spans
    assert [[span.span_id.hex()[0] for span in group.scope_spans[0].spans] for group in groups] == [
        ["1", "2", "4"],
        ["3"],
    ]


def test_values_of_arguments_and_extra_fields() -> None:
    """Scalars and lists of one kind stay; the rest is JSON; None is dropped; fields for other wires stay out."""
    arguments = {
        "text": "a\udfff",
        "yes": True,
        "number": 3,
        "real": 0.5,
        "huge": 2**64,
        "words": ["a", "b"],
        "numbers": (1, 2),
        "mixed": [1, "a"],
        "nested": {"b": [1], "a": None},
        "nothing": None,
        "empty": [],
        "hugest": [2**70],
        "strange": object(),
    }
    extra = {
        "fs": "lustre",
        "migas.status": "R",
        "access.x": 1,
        "otlp.deployment.environment.name": "hpc",
        "otlp.footfall.service": None,
    }
    attributes = attributes_of(one_span(arguments=arguments, extra=extra, drop=("number", "session.previous_id")))
    assert {key: value for key, value in attributes.items() if key.startswith("footfall.args.")} == {
        "footfall.args.text": "a\N{REPLACEMENT CHARACTER}",
        "footfall.args.yes": True,
        "footfall.args.real": 0.5,
        "footfall.args.huge": str(2**64),
        "footfall.args.words": ["a", "b"],
        "footfall.args.numbers": [1, 2],
        "footfall.args.mixed": '[1,"a"]',
        "footfall.args.nested": '{"b":[1],"a":null}',
        "footfall.args.empty": [],
        "footfall.args.hugest": f"[{2**70}]",
        "footfall.args.strange": "object",
    }
    assert attributes["footfall.extra.fs"] == "lustre"
    assert attributes["deployment.environment.name"] == "hpc"
    assert not attributes.keys() & {"footfall.service", "session.previous_id", "footfall.extra.migas.status"}


def test_only_known_attributes_are_derived() -> None:
    """Every key that the wire makes by itself stands in the table of attributes."""
    known = {row.key for row in TABLE}
    for kind in Kind:
        one = usage(kind=kind, outcome=Outcome.ERROR, error_type="E", count=2, items=3)
        for request in OtlpWire().translate([one]):
            for thing in [*spans_in(request)] if request.path == "/v1/traces" else [*records_in(request)]:
                assert attributes_of(thing).keys() <= known


def test_what_otlp_cannot_hold_is_left_out() -> None:
    """A span needs ids and a time of 64 bits; an event can do without ids."""
    uses = [
        usage(trace_id="0" * 32),
        usage(span_id="XYZ"),
        usage(time_ns=-1),
        usage(time_ns=2**64),
        usage(kind=Kind.EVENT, trace_id="", span_id=""),
        usage(),
    ]
    requests = OtlpWire().translate(uses)
    assert [(request.path, request.records) for request in requests] == [("/v1/traces", 1), ("/v1/logs", 1)]
    (record,) = records_in(requests[1])
    assert (record.trace_id, record.span_id) == (b"", b"")


PROGRAM = """
import hashlib, sys, msgspec
from opentelemetry import trace
from footfall.usage import Usage
from footfall.wire.otlp import OtlpWire
uses = msgspec.json.decode(sys.stdin.buffer.read(), type=list[Usage])
context = trace.SpanContext(1, 2, False, trace.TraceFlags(1))
with trace.use_span(trace.NonRecordingSpan(context)):
    requests = OtlpWire().translate(uses)
print(hashlib.sha256(b"".join(request.body for request in requests)).hexdigest())
"""


def test_the_environment_changes_no_byte() -> None:
    """Neither the SDK's variables, nor its current span, nor the seed of hashes has a say; and nothing is printed."""
    uses = [usage(kind=kind, arguments={f"a{n}": "x" * 50 for n in range(200)}) for kind in Kind]
    given = msgspec.json.encode([*uses, usage(kind=Kind.EVENT, trace_id="")])
    plain = {key: value for key, value in os.environ.items() if not key.startswith("OTEL_")}
    bent = {
        **plain,
        "OTEL_RESOURCE_ATTRIBUTES": "team=blue,service.name=other",
        "OTEL_SERVICE_NAME": "other",
        "OTEL_ATTRIBUTE_COUNT_LIMIT": "3",
        "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT": "5",
        "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT": "3",
        "OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT": "5",
        "OTEL_LOGRECORD_ATTRIBUTE_COUNT_LIMIT": "3",
        "OTEL_TRACES_SAMPLER": "always_off",
        "OTEL_SDK_DISABLED": "true",
        "PYTHONHASHSEED": "7",
    }
    command = [sys.executable, "-W", "error", "-c", PROGRAM]
    results = [
        subprocess.run(command, input=given, env=environ, capture_output=True, check=True, timeout=120)
        for environ in (plain, bent)
    ]
    assert results[0].stdout == results[1].stdout
    assert [result.stderr for result in results] == [b"", b""]
    assert len(results[0].stdout.strip()) == 64


def batch(number: int, **fields: Any) -> list[Usage]:
    """That many uses with ids of their own."""
    return [usage(trace_id=f"{n:032x}", span_id=f"{n:016x}", **fields) for n in range(1, number + 1)]


def test_keys_come_from_ids_and_kinds() -> None:
    """Order, time and compression do not matter; a missing record does; spans and events differ."""
    uses = batch(5)
    (first,) = OtlpWire().translate(uses)
    (second,) = OtlpWire(compression="none").translate([msgspec.structs.replace(use, time_ns=5) for use in uses[::-1]])
    (third,) = OtlpWire().translate(uses[:4])
    (logs,) = OtlpWire().translate(batch(5, kind=Kind.EVENT))
    assert first.idempotency_key == second.idempotency_key
    assert len({first.idempotency_key, third.idempotency_key, logs.idempotency_key}) == 3
    assert first.body[4:8] == bytes(4)  # no time in the gzip header


@pytest.mark.parametrize("kind", [Kind.END, Kind.EVENT])
def test_a_large_batch_becomes_several_requests(kind: Kind) -> None:
    """No body is larger than the limit before compression, and every record is told once."""
    wire = OtlpWire(max_bytes=4096)
    requests = wire.translate(batch(50, kind=kind))
    assert len(requests) > 1
    assert all(message_of(request).ByteSize() <= 4096 for request in requests)
    assert sum(request.records for request in requests) == 50
    assert len({request.idempotency_key for request in requests}) == len(requests)


@pytest.mark.parametrize("compression", ["gzip", "none"])
@pytest.mark.parametrize("kind", [Kind.END, Kind.EVENT])
def test_splitting_halves(kind: Kind, compression: Any) -> None:
    """Both halves together are the whole, group by group, until single records cannot be split."""
    wire = OtlpWire(compression=compression)
    uses = [*batch(3, kind=kind), *batch(4, kind=kind, project="other/project")]
    (whole,) = wire.translate(uses)
    read = spans_in if kind is Kind.END else records_in
    halves = wire.split(whole)
    assert [half.records for half in halves] == [3, 4]
    assert [thing for half in halves for thing in read(half)] == read(whole)
    assert [half.headers for half in halves] == [whole.headers] * 2
    projects = [attributes_of(read(half)[0])["footfall.project"] for half in halves]
    assert projects == ["intake/intake-esm", "other/project"]
    for half in halves:
        groups = message_of(half).resource_spans if kind is Kind.END else message_of(half).resource_logs
        assert len(groups) == 1
    singles = [part for half in halves for quarter in wire.split(half) for part in wire.split(quarter) or [quarter]]
    assert all(wire.split(single) == [] for single in singles if single.records == 1)


@pytest.mark.parametrize("body", [b"", b"nonsense", b"\x1f\x8b", gzip.compress(b"nonsense", mtime=0)])
def test_foreign_bytes_cannot_be_split(body: bytes) -> None:
    """A body that is not ours, or was damaged, gives no parts."""
    for headers in ((), (("content-encoding", "gzip"),)):
        request = Request(path="/v1/logs", body=body, content_type="", headers=headers, idempotency_key="0")
        assert OtlpWire().split(request) == []


@pytest.mark.parametrize(
    ("endpoint", "base"),
    [
        ("http://localhost:4318", "http://localhost:4318"),
        ("http://localhost:4318/v1/traces", "http://localhost:4318"),
        ("https://x.org/otlp/v1/logs/", "https://x.org/otlp"),
        ("https://x.org/otlp//", "https://x.org/otlp"),
        ("https://x.org/v1/metrics", "https://x.org/v1/metrics"),
    ],
)
def test_base_url(endpoint: str, base: str) -> None:
    """The path of one signal and final slashes go."""
    assert OtlpWire().base_url(endpoint) == base


@pytest.mark.parametrize(
    "options",
    [{"compression": "zip"}, {"compression": None}, {"max_bytes": 0}, {"max_bytes": True}, {"max_bytes": "1"}],
)
def test_wrong_options_are_named(options: dict[str, Any]) -> None:
    """A value that is not offered is refused while configuring."""
    with pytest.raises(ConfigurationError, match="otlp: "):
        OtlpWire(**options)


ANY_TEXT = st.text(st.characters())
ANY_VALUE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | ANY_TEXT | st.binary() | st.builds(object),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(ANY_TEXT, children, max_size=3),
    max_leaves=6,
)
USAGES = st.builds(
    Usage,
    project=ANY_TEXT,
    project_version=ANY_TEXT,
    service=ANY_TEXT,
    name=ANY_TEXT,
    kind=st.sampled_from(Kind),
    outcome=st.sampled_from([None, *Outcome]),
    trace_id=st.just(TRACE) | ANY_TEXT,
    span_id=st.just(SPAN) | ANY_TEXT,
    parent_span_id=st.just(PARENT) | ANY_TEXT,
    time_ns=st.integers(0, 2**63) | st.integers(),
    duration_ns=st.integers(),
    message=ANY_TEXT,
    error_type=ANY_TEXT,
    session_id=ANY_TEXT,
    count=st.integers(),
    items=st.integers(),
    arguments=st.dictionaries(ANY_TEXT, ANY_VALUE, max_size=4),
    extra=st.dictionaries(ANY_TEXT | st.just("otlp.x"), ANY_VALUE, max_size=4),
    resource=st.dictionaries(ANY_TEXT, ANY_VALUE, max_size=4),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(USAGES, max_size=3))
def test_any_uses_give_readable_bytes(uses: list[Usage]) -> None:
    """Any values anywhere: bytes that decode to as many records as were told, the same each time, and no log line."""
    logged: list[logging.LogRecord] = []
    handler = logging.Handler()
    handler.emit = logged.append  # type: ignore[method-assign]  # the encoder logs what it cannot encode
    logging.getLogger("opentelemetry").addHandler(handler)
    try:
        requests = OtlpWire().translate(uses)
        assert OtlpWire().translate(uses) == requests
    finally:
        logging.getLogger("opentelemetry").removeHandler(handler)
    assert logged == []
    for request in requests:
        read = spans_in if request.path == "/v1/traces" else records_in
        assert len(read(request)) == request.records
