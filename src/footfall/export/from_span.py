"""A finished span of scope ``footfall`` to `Usage`. Pure; the reverse of what the wire ``otlp`` makes of a usage.

So a use says the same whether it was told directly or came as a span (design.md section 4).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, cast

import msgspec

from footfall import attributes
from footfall.usage import Kind, Outcome, Usage

if TYPE_CHECKING:
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import ReadableSpan

_RESOURCE_KEYS: Final = frozenset(row.key for row in attributes.TABLE if row.where == "resource")
_OUTCOMES: Final = frozenset(outcome.value for outcome in Outcome)

INTERRUPTIONS: Final = frozenset({"KeyboardInterrupt", "BdbQuit", "CancelledError"})


def from_span(span: ReadableSpan) -> Usage | None:
    """Return the use that *span* tells of, or None for one without project or context.

    The span's resource is the host's; of it only what our own attribute table names is taken, so that nothing of the
    host's travels along (otel.md section 1, rule 4).
    """
    fields: Mapping[str, Any] = span.attributes or {}
    context = span.get_span_context()
    project = fields.get(attributes.PROJECT)
    if context is None or not isinstance(project, str) or span.start_time is None:
        return None
    resource = known_resource(span.resource)
    end_time = span.end_time or span.start_time
    return Usage(
        project=project,
        project_version=str(resource.get(attributes.SERVICE_VERSION, "")),
        service=str(fields.get(attributes.SERVICE, "")),
        name=span.name,
        kind=Kind.END,
        trace_id=f"{context.trace_id:032x}",
        span_id=f"{context.span_id:016x}",
        parent_span_id=f"{span.parent.span_id:016x}" if span.parent is not None else "",
        time_ns=span.start_time,
        duration_ns=max(0, end_time - span.start_time),
        outcome=_outcome(span, fields),
        error_type=str(fields.get(attributes.ERROR_TYPE, "")),
        arguments=with_prefix(fields, attributes.ARGUMENT_PREFIX),
        parameters=parameters_said(fields),
        extra=with_prefix(fields, attributes.EXTRA_PREFIX),
        resource=resource,
        session_id=str(fields.get(attributes.SESSION_ID, "")),
        previous_session_id=str(fields.get(attributes.SESSION_PREVIOUS_ID, "")),
        installation_id=str(fields.get(attributes.APP_INSTALLATION_ID, "")),
        count=int(fields.get(attributes.COUNT, 1)),
        items=int(fields.get(attributes.ITEMS, -1)),
    )


def known_resource(resource: Resource) -> dict[str, Any]:
    """Return what our own attribute table names of the host's *resource*."""
    return {key: msgspec.to_builtins(value) for key, value in resource.attributes.items() if key in _RESOURCE_KEYS}


def outcome_said(fields: Mapping[str, Any]) -> Outcome | None:
    """Return the outcome that attributes name, or None."""
    said = fields.get(attributes.OUTCOME)
    return Outcome(said) if said in _OUTCOMES else None


def parameters_said(fields: Mapping[str, Any]) -> tuple[str, ...]:
    """Return how arguments are passed, as attributes say it."""
    said = fields.get(attributes.PARAMETERS)
    if not isinstance(said, (list, tuple)):
        return ()
    return tuple(each for each in cast("Sequence[object]", said) if isinstance(each, str))


def with_prefix(fields: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    """Return the attributes whose name begins with *prefix*, without it."""
    return {key[len(prefix) :]: msgspec.to_builtins(value) for key, value in fields.items() if key.startswith(prefix)}


def _outcome(span: ReadableSpan, fields: Mapping[str, Any]) -> Outcome:
    said = outcome_said(fields)
    if said is not None:
        return said
    if span.status.is_ok or span.status.is_unset:
        return Outcome.OK
    interrupted = fields.get(attributes.ERROR_TYPE) in INTERRUPTIONS
    return Outcome.INTERRUPTED if interrupted else Outcome.ERROR
