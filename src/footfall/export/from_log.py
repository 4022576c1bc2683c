"""A log record of scope ``footfall`` to `Usage`. Pure; the reverse of what the wire ``otlp`` makes of a usage.

Starts and counts have event names of ours, and their body says which use they are about; an event has its own name, and
its body is its message. A record without an event name, or whose name and kind do not fit, is not one of ours: logs of
applications reach exporters through the same pipeline (otel.md section 1, rule 4).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from footfall import attributes
from footfall.export.from_span import known_resource, outcome_said, parameters_said, with_prefix
from footfall.usage import Kind, Usage

if TYPE_CHECKING:
    from opentelemetry.sdk._logs import ReadableLogRecord

_KINDS: Final = {attributes.START_EVENT: Kind.START, attributes.COUNT_EVENT: Kind.COUNT}


def from_log(record: ReadableLogRecord) -> Usage | None:
    """Return the start, count or event that *record* tells of, or None where it is none of footfall's.

    Of its resource, only what our own attribute table names is taken, as `from_span` does. It names no parent.

    Args:
        record: As the SDK hands it to an exporter; before 1.39 that was a ``LogData``.
    """
    log: Any = record.log_record
    fields: Mapping[str, Any] = log.attributes or {}
    project, name = fields.get(attributes.PROJECT), log.event_name
    if not isinstance(project, str) or not isinstance(name, str) or not name:
        return None
    kind = _KINDS.get(name, Kind.EVENT)
    body = log.body if isinstance(log.body, str) else ""
    is_event = kind is Kind.EVENT
    time_ns = log.timestamp or log.observed_timestamp
    if fields.get(attributes.KIND) != kind.value or not time_ns or not (is_event or body):
        return None
    # On the record itself before 1.39.
    resource = known_resource(getattr(record, "resource", None) or log.resource)
    return Usage(
        project=project,
        project_version=str(resource.get(attributes.SERVICE_VERSION, "")),
        service=str(fields.get(attributes.SERVICE, "")),
        name=name if is_event else body,
        kind=kind,
        trace_id=f"{log.trace_id:032x}" if log.trace_id else "",
        span_id=f"{log.span_id:016x}" if log.span_id else "",
        time_ns=time_ns,
        outcome=outcome_said(fields),
        error_type=str(fields.get(attributes.ERROR_TYPE, "")),
        message=body if is_event else "",
        arguments=with_prefix(fields, attributes.ARGUMENT_PREFIX),
        parameters=parameters_said(fields),
        extra=with_prefix(fields, attributes.EXTRA_PREFIX),
        resource=resource,
        session_id=str(fields.get(attributes.SESSION_ID, "")),
        previous_session_id=str(fields.get(attributes.SESSION_PREVIOUS_ID, "")),
        installation_id=str(fields.get(attributes.APP_INSTALLATION_ID, "")),
        count=int(fields.get(attributes.COUNT, 1)),
    )
