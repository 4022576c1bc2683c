"""`Usage` as OpenTelemetry spans and log records, and those as protobuf bytes (otel.md section 4).

No provider is involved: readable spans and records are filled in directly, with plain dicts as attributes, which the
SDK neither limits nor counts. The bytes come from OpenTelemetry's own encoder of spans. Events go through it as well
and become log records after it: the encoder of logs imports the SDK's logs, which at import time asks detectors in
threads (otel.md section 2), and that fails in a process on its way out, when there is the most to deliver.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import (
    INVALID_SPAN_CONTEXT,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
)

from footfall import attributes as names
from footfall.usage import ADDRESSED, Kind, Outcome, Usage
from footfall.wire.otlp_values import attribute_or_json, attribute_value
from footfall.wire.text import as_json, clean

_TRACE_ID: Final = re.compile(r"(?!0{32})[0-9a-f]{32}")
_SPAN_ID: Final = re.compile(r"(?!0{16})[0-9a-f]{16}")
_MAX_TIME_NS: Final = 2**64 - 1

EVENT_NAME: Final[Mapping[Kind, str]] = {Kind.START: names.START_EVENT, Kind.COUNT: names.COUNT_EVENT}
"""Event names of records that are no events; an event has its own."""


class _SharedResource(Resource):
    """A resource that is equal to itself only.

    The encoder asks each span for its resource's hash, and the SDK's own hash writes all attributes as JSON each time.
    """

    __hash__ = object.__hash__

    def __eq__(self, other: object) -> bool:
        return self is other


def is_told(usage: Usage) -> bool:
    """Whether OTLP can hold *usage*: its time fits, and a span's ids are ids."""
    if not 0 <= usage.time_ns <= _MAX_TIME_NS or usage.end_ns > _MAX_TIME_NS:
        return False
    return usage.kind is not Kind.END or _ids_of(usage) is not None


def encode_traces(batch: Sequence[Usage], *, addressed: bool = False) -> bytes:
    """Return an ExportTraceServiceRequest with a span for each of *batch*, which must be `is_told` ENDs.

    Args:
        batch: The uses.
        addressed: Whether what is meant for one server alone is carried along (`footfall.wire.otlp`).
    """
    resources = _Resources()
    spans = [_span(usage, *resources.of(usage), addressed=addressed) for usage in batch]
    return bytes(encode_spans(spans).SerializeToString())


def encode_events(batch: Sequence[Usage], *, addressed: bool = False) -> bytes:
    """Return an ExportLogsServiceRequest with a record for each of *batch*, which must be `is_told`.

    Args:
        batch: The starts, events and counts.
        addressed: As for `encode_traces`.
    """
    resources = _Resources()
    carried = encode_spans([_carrier(usage, *resources.of(usage), addressed=addressed) for usage in batch])
    request = ExportLogsServiceRequest()
    for resource_spans in carried.resource_spans:
        resource_logs = request.resource_logs.add(
            resource=resource_spans.resource, schema_url=resource_spans.schema_url
        )
        for scope_spans in resource_spans.scope_spans:
            scope_logs = resource_logs.scope_logs.add(scope=scope_spans.scope, schema_url=scope_spans.schema_url)
            scope_logs.log_records.extend(_log_record(carrier) for carrier in scope_spans.spans)
    return bytes(request.SerializeToString())


class _Resources:
    """Resource and scope of the uses of one batch, made once each."""

    def __init__(self) -> None:
        self._known: dict[tuple[int, str, str], tuple[_SharedResource, InstrumentationScope]] = {}
        self._equal: dict[str, tuple[_SharedResource, InstrumentationScope]] = {}

    def of(self, usage: Usage) -> tuple[Resource, InstrumentationScope]:
        # By identity first: the uses of one journal share one mapping, which the batch keeps alive.
        key = (id(usage.resource), usage.project, usage.project_version)
        if key not in self._known:
            content = _resource_attributes(usage)
            made = self._equal.get(repr(content))
            if made is None:
                # The version of the footfall that saw the use, which may be older than the one that sends it.
                version = content.get(names.TELEMETRY_DISTRO_VERSION)
                scope = InstrumentationScope(names.SCOPE_NAME, str(version or ""), names.SCHEMA_URL)
                made = self._equal[repr(content)] = (_SharedResource(content, names.SCHEMA_URL), scope)
            self._known[key] = made
        return self._known[key]


def _resource_attributes(usage: Usage) -> dict[str, Any]:
    owner, _, repository = usage.project.rpartition("/")
    project = {
        names.SERVICE_NAME: repository,
        names.SERVICE_NAMESPACE: owner or None,
        names.SERVICE_VERSION: usage.project_version or None,
    }
    return _accepted({**dict(sorted(usage.resource.items())), **project})


def _accepted(values: Mapping[str, Any]) -> dict[str, Any]:
    accepted = ((clean(key), attribute_value(value)) for key, value in values.items() if value is not None)
    return {key: value for key, value in accepted if key}


def _attributes(usage: Usage, *, addressed: bool) -> dict[str, Any]:
    """Return the attributes of the span or record for *usage*."""
    values: dict[str, Any] = {
        names.PROJECT: usage.project,
        names.SERVICE: usage.service or None,
        names.KIND: None if usage.kind is Kind.END else usage.kind.value,
        names.CODE_FUNCTION_NAME: _function_of(usage),
        names.OUTCOME: usage.outcome.value if usage.outcome else None,
        names.ERROR_TYPE: _error_type_of(usage),
        names.MESSAGE: None if not usage.message or _has_place(usage) else usage.message,
        names.COUNT: usage.count if usage.count != 1 else None,
        names.ITEMS: usage.items if usage.items >= 0 else None,
        names.SESSION_ID: usage.session_id or None,
        names.SESSION_PREVIOUS_ID: usage.previous_session_id or None,
        names.APP_INSTALLATION_ID: usage.installation_id or None,
    }
    if usage.kind is not Kind.END and _ids_of(usage) is not None:
        values[names.LOG_RECORD_UID] = names.record_uid(usage.trace_id, usage.span_id)
        values[names.PARENT_SPAN_ID] = usage.parent_span_id if _SPAN_ID.fullmatch(usage.parent_span_id) else None
    fields = {names.ARGUMENT_PREFIX + key: value for key, value in usage.arguments.items()}
    for key, value in usage.extra.items():
        if not key.startswith(ADDRESSED):
            fields[names.EXTRA_PREFIX + key] = value
        elif addressed:
            fields[names.ADDRESSED_PREFIX + key] = value
    values[names.PARAMETERS] = usage.parameters or None
    if addressed:
        values[names.DROP] = usage.drop or None
        return {**_accepted(values), **_fields(fields, nulls=True)}
    own = usage.of_wire("otlp")
    for name in own:
        values.pop(name, None)
        fields.pop(name, None)
    for name in usage.drop:
        for prefix in ("", names.ARGUMENT_PREFIX, names.EXTRA_PREFIX):
            for where in (values, fields, own):
                where.pop(prefix + name.removeprefix("otlp."), None)
    return {**_accepted(values), **_fields(fields), **_accepted(own)}


def _fields(fields: Mapping[str, Any], *, nulls: bool = False) -> dict[str, Any]:
    """Return arguments and extra fields as attributes, and which of them are JSON."""
    accepted: dict[str, Any] = {}
    in_json: list[str] = []
    for name, value in fields.items():
        key = clean(name)
        if value is None:
            if not nulls:
                continue
            accepted[key], is_json = as_json(None), True
        else:
            accepted[key], is_json = attribute_or_json(value)
        if is_json:
            in_json.append(key)
    if in_json:
        accepted[names.JSON_VALUES] = in_json
    return accepted


def _has_place(usage: Usage) -> bool:
    """Whether a status or a body of its own holds the message of *usage*."""
    return usage.kind is Kind.EVENT or (usage.kind is Kind.END and usage.outcome not in {None, Outcome.OK})


def _function_of(usage: Usage) -> str | None:
    """Return ``module.qualname`` where *usage* is of a registered function, ``module:qualname``; else None."""
    is_function = usage.kind is not Kind.EVENT and ":" in usage.name
    return usage.name.replace(":", ".", 1) if is_function else None


def _error_type_of(usage: Usage) -> str | None:
    if usage.outcome in {None, Outcome.OK}:
        return usage.error_type or None
    # `_OTHER` is the convention's word for a failure of unknown type.
    return usage.error_type or ("ProcessKilled" if usage.outcome is Outcome.KILLED else "_OTHER")


def _ids_of(usage: Usage) -> SpanContext | None:
    if not (_TRACE_ID.fullmatch(usage.trace_id) and _SPAN_ID.fullmatch(usage.span_id)):
        return None
    return SpanContext(
        trace_id=int(usage.trace_id, 16),
        span_id=int(usage.span_id, 16),
        is_remote=False,
        trace_flags=TraceFlags(TraceFlags.SAMPLED),
    )


def _span(usage: Usage, resource: Resource, scope: InstrumentationScope, *, addressed: bool) -> ReadableSpan:
    ids = _ids_of(usage) or INVALID_SPAN_CONTEXT
    failed = usage.outcome not in {None, Outcome.OK}
    parent = None
    if _SPAN_ID.fullmatch(usage.parent_span_id):
        parent = SpanContext(ids.trace_id, int(usage.parent_span_id, 16), is_remote=False, trace_flags=ids.trace_flags)
    return ReadableSpan(
        name=clean(usage.name),
        context=ids,
        parent=parent,
        resource=resource,
        attributes=_attributes(usage, addressed=addressed),
        kind=SpanKind.INTERNAL,
        # A success is left unset, as the specification asks of instrumentation. A description is for errors only.
        status=Status(StatusCode.ERROR, clean(usage.message) or None) if failed else Status(),
        start_time=usage.time_ns,
        end_time=max(usage.time_ns, usage.end_ns),
        instrumentation_scope=scope,
    )


def _carrier(usage: Usage, resource: Resource, scope: InstrumentationScope, *, addressed: bool) -> ReadableSpan:
    """Return a span that carries an event through the encoder: its name, its body as description, its attributes."""
    is_event = usage.kind not in EVENT_NAME
    return ReadableSpan(
        name=clean(EVENT_NAME.get(usage.kind, usage.name)),
        context=_ids_of(usage) or INVALID_SPAN_CONTEXT,
        resource=resource,
        attributes=_attributes(usage, addressed=addressed),
        # Where the event's name is ours, the body says which use it is about.
        status=Status(StatusCode.ERROR, clean(usage.message if is_event else usage.name) or None),
        start_time=usage.time_ns,
        end_time=usage.time_ns,
        instrumentation_scope=scope,
    )


def _log_record(carrier: Span) -> LogRecord:
    has_ids = any(carrier.trace_id)
    body = carrier.status.message
    return LogRecord(
        time_unix_nano=carrier.start_time_unix_nano,
        observed_time_unix_nano=carrier.start_time_unix_nano,
        trace_id=carrier.trace_id if has_ids else b"",
        span_id=carrier.span_id if has_ids else b"",
        flags=TraceFlags.SAMPLED if has_ids else TraceFlags.DEFAULT,
        body=AnyValue(string_value=body) if body else None,
        attributes=carrier.attributes,
        event_name=carrier.name,
    )
