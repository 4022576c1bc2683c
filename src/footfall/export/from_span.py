"""A finished span of scope ``footfall`` to `Usage`. Pure; the reverse of what the wire ``otlp`` makes of a usage.

So a use says the same whether it was told directly or came as a span (design.md section 4).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import msgspec

from footfall import attributes
from footfall.usage import Kind, Outcome, Usage

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan

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
    known = {row.key for row in attributes.TABLE if row.where == "resource"}
    resource = {key: value for key, value in span.resource.attributes.items() if key in known}
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
        arguments=_scrubbed(fields, attributes.ARGUMENT_PREFIX, by_name=False),
        extra=_scrubbed(fields, attributes.EXTRA_PREFIX, by_name=True),
        resource=resource,
        session_id=str(fields.get(attributes.SESSION_ID, "")),
        previous_session_id=str(fields.get(attributes.SESSION_PREVIOUS_ID, "")),
        installation_id=str(fields.get(attributes.APP_INSTALLATION_ID, "")),
        count=int(fields.get(attributes.COUNT, 1)),
        items=int(fields.get(attributes.ITEMS, -1)),
    )


def _outcome(span: ReadableSpan, fields: Mapping[str, Any]) -> Outcome:
    said = fields.get(attributes.OUTCOME)
    if said in {outcome.value for outcome in Outcome}:
        return Outcome(said)
    if span.status.is_ok or span.status.is_unset:
        return Outcome.OK
    interrupted = fields.get(attributes.ERROR_TYPE) in INTERRUPTIONS
    return Outcome.INTERRUPTED if interrupted else Outcome.ERROR


def _scrubbed(fields: Mapping[str, Any], prefix: str, *, by_name: bool) -> dict[str, Any]:
    """Return the fields under *prefix* as if they had been told directly: anybody may make a span of our scope.

    Args:
        fields: Of a span.
        prefix: Which of them; cut off.
        by_name: Whether names count as well. Those of arguments do not: a registry named them.
    """
    from footfall.scrub import scrub  # noqa: PLC0415  most processes export no span of ours, and its patterns cost 25 ms

    found = {key[len(prefix) :]: value for key, value in fields.items() if key.startswith(prefix)}
    scrubbed = scrub(found) if by_name else {name: scrub(value) for name, value in found.items()}
    return msgspec.convert(scrubbed, dict[str, Any]) if isinstance(scrubbed, dict) else {}
