"""A `Usage` that came through an SDK's pipeline as the line that this process's journal keeps of it.

Whoever emitted it may have scrubbed nothing, so that is done here: what is not on disk cannot leak (reliability.md S4).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from footfall import scrub
from footfall.journal import lines
from footfall.usage import Kind, Outcome, Usage


def as_record(usage: Usage, *, function: int, bits: Callable[[int], int]) -> lines.AnyRecord:
    """Return the line that says what *usage* says.

    Args:
        usage: From a span or a log record.
        function: Number of what it is about, in the journal.
        bits: Random bits for ids. The ids of a log record are those of the span it was emitted in, and two events of
            one span are two: each gets a span id of its own, and has that span as its parent.
    """
    ids, parent = usage.trace_id + usage.span_id, usage.parent_span_id
    if usage.kind in {Kind.EVENT, Kind.COUNT}:
        ids, parent = f"{usage.trace_id or f'{bits(128):032x}'}{bits(64):016x}", usage.span_id
    extra = scrub.scrub(dict(usage.extra))
    common: dict[str, Any] = {
        "function": function,
        "time_ns": usage.time_ns,
        "ids": ids,
        "parent": parent,
        # Names of arguments do not count: a registry named them.
        "arguments": {name: scrub.scrub(value) for name, value in usage.arguments.items()},
        "extra": extra if isinstance(extra, dict) else {},  # what could not be scrubbed is dropped
    }
    match usage.kind:
        case Kind.START:
            return lines.Start(**common)
        case Kind.COUNT:
            return lines.Count(count=usage.count, **common)
        case Kind.EVENT:
            return lines.Event(
                outcome=usage.outcome,
                error_type=usage.error_type,
                message=scrub.scrub_text(usage.message),
                count=usage.count,
                **common,
            )
        case Kind.END:
            return lines.End(
                duration_ns=usage.duration_ns,
                outcome=usage.outcome or Outcome.OK,
                error_type=usage.error_type,
                count=usage.count,
                items=usage.items,
                **common,
            )
