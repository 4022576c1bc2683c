"""Every field that a request can tell of, and which wires tell it: found by asking the wires themselves. Pure.

A table kept by hand would be wrong one day. So each field is changed in an otherwise equal record, and a wire whose
request changes with it reads that field, be it only to learn whether it is there. This over-reports rather than not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from footfall import attributes as names
from footfall.attributes import TABLE, Row
from footfall.usage import Kind, Outcome, Usage

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from footfall.wire.base import Wire

ARGUMENTS: Final = names.ARGUMENT_PREFIX + "<name>"
EXTRA: Final = names.EXTRA_PREFIX + "<name>"

ROWS: Final = (
    Row("name", "stable", "use", "`module:qualname` of the function, the project of a run, or an event's name."),
    Row("time", "stable", "use", "When the use began, or the event happened."),
    Row("duration", "stable", "use", "How long the use took."),
    Row("trace id, span id", "stable", "use", "Random; the host's own where it traces."),
    Row("parent span id", "stable", "use", "Of the use around this one, or of the host's span."),
    Row("message", "stable", "use", "A short text that the program itself gave, scrubbed."),
    *TABLE,
    Row(ARGUMENTS, "footfall", "use", "An argument that the registry's `capture` allows."),
    Row(EXTRA, "footfall", "use", "A field of the registry's `extra`, or of an event; `<wire>.<field>` for one wire."),
)
"""What a record holds: OpenTelemetry's own parts of a span or log record, the attributes, and what projects add."""

_BASE: Final = Usage(
    project="owner/name",
    project_version="1.0",
    service="group",
    name="module:function",
    kind=Kind.END,
    trace_id="1" * 32,
    span_id="1" * 16,
    time_ns=10**18,
    duration_ns=10**9,
    outcome=Outcome.OK,
    arguments={"key": 1},
)
_UUIDS: Final = ("6a1b0f6e-6f0c-4ad3-9d55-0b8c6a1d2e01", "6a1b0f6e-6f0c-4ad3-9d55-0b8c6a1d2e02")

_CHANGES: Final[Mapping[str, tuple[dict[str, Any], ...]]] = {
    "name": ({"name": "module:other"},),
    "time": ({"time_ns": 2 * 10**18},),
    "duration": ({"duration_ns": 2 * 10**9},),
    "trace id, span id": ({"trace_id": "2" * 32}, {"span_id": "2" * 16}),
    "parent span id": ({"parent_span_id": "3" * 16},),
    "message": ({"message": "a text"}, {"message": "a text", "outcome": Outcome.ERROR}),
    names.SESSION_ID: tuple({"session_id": text} for text in _UUIDS),
    names.SESSION_PREVIOUS_ID: tuple({"previous_session_id": text} for text in _UUIDS),
    names.APP_INSTALLATION_ID: tuple({"installation_id": text} for text in _UUIDS),
    names.SERVICE_NAME: ({"project": "owner/other"},),
    names.SERVICE_NAMESPACE: ({"project": "other/name"},),
    names.SERVICE_VERSION: ({"project_version": "2.0"},),
    names.CODE_FUNCTION_NAME: ({"name": "module:other"},),
    names.ERROR_TYPE: tuple({"outcome": Outcome.ERROR, "error_type": text} for text in ("KeyError", "OSError")),
    names.PROJECT: ({"project": "other/other"},),
    names.SERVICE: ({"service": "a"},),
    names.KIND: ({"kind": Kind.START, "outcome": None, "duration_ns": 0},),
    names.OUTCOME: ({"outcome": Outcome.ERROR}, {"outcome": Outcome.KILLED}),
    names.COUNT: ({"count": 7},),
    names.ITEMS: ({"items": 7},),
    names.PARAMETERS: ({"parameters": ("/key",)},),
    names.LOG_RECORD_UID: ({"span_id": "2" * 16},),
    names.PARENT_SPAN_ID: ({"parent_span_id": "3" * 16},),
    names.MESSAGE: ({"message": "a text"},),
    names.JSON_VALUES: ({"arguments": {"key": {"a": 1}}},),
    names.DROP: ({"drop": ("key",)},),
    names.RECORDED: (),  # on spans of the host alone, which no wire sends
    ARGUMENTS: ({"arguments": {"parameter": 1}},),
    EXTRA: ({"extra": {"field": 1}},),
}
"""Each field as it may differ from `_BASE`. What is not here is an attribute of the resource."""

_VALUES: Final[Mapping[str, tuple[object, object]]] = {
    names.CONTAINER_ID: ("1" * 64, "2" * 64),
    names.CONTAINER_RUNTIME_NAME: ("docker", "apptainer"),
    names.OS_TYPE: ("linux", "windows"),
    names.PROCESS_INTERACTIVE: (True, False),
}


def readers(wires: Sequence[Wire]) -> dict[str, tuple[str, ...]]:
    """Return for each of `ROWS` the names of those *wires* whose requests depend on it, each once, in their order.

    What only the host's own resource is given (``host``) never is in a record, so none can read it.
    """
    return {row.key: tuple(dict.fromkeys(wire.name for wire in wires if _reads(wire, row))) for row in ROWS}


def _reads(wire: Wire, row: Row) -> bool:
    key = row.key
    if row.where == "host":
        return False
    values = _VALUES.get(key, ("1.1", "2.2"))
    changes = _CHANGES.get(key, tuple({"resource": {key: value}} for value in values))
    # A wire that tells only of uses which say so would seem to read nothing of any other.
    saying_so: Mapping[str, Any] = getattr(wire, "sample_extra", {})
    try:
        return _differ(wire, changes, {}) or (bool(saying_so) and _differ(wire, changes, saying_so))
    except Exception:  # noqa: BLE001  a wire of others that fails on it has at least looked at it
        return True


def _differ(wire: Wire, changes: Sequence[Mapping[str, Any]], extra: Mapping[str, Any]) -> bool:
    """Whether one of *changes* to a record with *extra* changes what the server gets to see."""
    base = msgspec.structs.replace(_BASE, extra=extra)
    told = _told(wire, base)
    for change in changes:
        fields = {**change, "extra": {**extra, **change.get("extra", {})}}
        if _told(wire, msgspec.structs.replace(base, **fields)) != told:
            return True
    return False


def _told(wire: Wire, usage: Usage) -> list[tuple[object, ...]]:
    """Return what the server gets to see, apart from the key, which is a digest of random ids."""
    requests = wire.translate([usage])
    return [(each.method, each.path, each.content_type, each.headers, each.body) for each in requests]
