"""`Usage`: one observed use, the one neutral record.

Makers: the journal reader, `export.from_span`, and later the gateway. Readers: the wires, and nobody else
(design.md section 4).
"""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeAlias

import msgspec

AttributeValue: TypeAlias = (
    "str | bool | int | float | Sequence[str] | Sequence[bool] | Sequence[int] | Sequence[float]"
)
"""What OpenTelemetry allows as an attribute value: a scalar, or a list of one kind of scalar."""

Attributes: TypeAlias = Mapping[str, Any]
"""Attribute names to `AttributeValue`; `Any` because a captured argument may be JSON of any shape."""


ADDRESSED: Final = ("access.", "insights.", "migas.", "otlp.", "ramen.", "tracker.")
"""How names of extra fields begin that are for one wire alone (`Usage.extra`)."""


ENDPOINT: Final = "access.endpoint"
"""Extra field, and no field of the record: the path of the service at the server, where that is not in its name."""


class Kind(str, enum.Enum):
    """What a record tells."""

    START = "start"
    """A run (or an entry that asked for it) began; its end has the same ids."""
    END = "end"
    """A use is over; the usual record."""
    EVENT = "event"
    """Something happened at one moment."""
    COUNT = "count"
    """Uses that were only counted (beyond the rate); `Usage.count` says how many."""


class Outcome(str, enum.Enum):
    """How a use ended."""

    OK = "ok"
    ERROR = "error"
    """An exception left the function, or the process ended with a non-zero status."""
    INTERRUPTED = "interrupted"
    """KeyboardInterrupt, or a debugger's quit."""
    KILLED = "killed"
    """The process died without a word; found by whoever adopted its journal."""


class Usage(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One observed use.

    Attributes:
        project: ``owner/name``.
        project_version: Of the observed project, or "".
        service: Registry group, such as ``intake_catalog``, or "".
        name: Low-cardinality registered name: ``module:qualname`` of a function, the project of a run, or an event's
            name.
        kind: What this record tells.
        trace_id: 32 lower-case hexadecimal digits, random.
        span_id: 16 lower-case hexadecimal digits, random. START and END of one use share it.
        parent_span_id: Of the enclosing span in the same trace, or "".
        time_ns: UTC nanoseconds: when the use began (START, END), or happened (EVENT, COUNT).
        duration_ns: Monotonic nanoseconds from begin to end; 0 unless END.
        outcome: How it ended; None unless END (or an EVENT that tells of an end).
        error_type: Class name of the exception, ``ProcessKilled``, or "".
        message: A short scrubbed text where the caller gave one, or "".
        arguments: What the entry's ``capture`` allowed, already scrubbed.
        parameters: Those of `arguments` that are not passed by their name alone, as a signature marks them: ``*names``
            and ``**query`` stand for several arguments, ``/key`` for one that is passed by position.
        extra: Further fields from the registry or the caller. A key ``<wire>.<field>`` is meant for that wire alone and
            replaces the field it would otherwise derive; None there means "leave it out", but for ``access``, whose
            fields may be null.
        drop: Fields that the registry takes out again.
        resource: Where it ran, under OpenTelemetry's names.
        session_id: UUID of the run of the process.
        previous_session_id: Of the process this one was forked from, or "".
        installation_id: The resettable random UUID of this installation, or "".
        count: Uses this record stands for: itself and those only counted since the one before.
        items: What a generator yielded, or -1.
    """

    project: str
    project_version: str = ""
    service: str = ""
    name: str
    kind: Kind
    trace_id: str
    span_id: str
    parent_span_id: str = ""
    time_ns: int
    duration_ns: int = 0
    outcome: Outcome | None = None
    error_type: str = ""
    message: str = ""
    arguments: Attributes = {}
    parameters: tuple[str, ...] = ()
    extra: Attributes = {}
    drop: tuple[str, ...] = ()
    resource: Attributes = {}
    session_id: str = ""
    previous_session_id: str = ""
    installation_id: str = ""
    count: int = 1
    items: int = -1

    @property
    def end_ns(self) -> int:
        """UTC nanoseconds at which the use was over."""
        return self.time_ns + self.duration_ns

    def extra_for(self, wire: str) -> dict[str, Any]:
        """Return the ``extra`` fields that *wire* may tell: its own, without their prefix, and those of all wires."""
        own = wire + "."
        return {
            key.removeprefix(own): value
            for key, value in self.extra.items()
            if key.startswith(own) or not key.startswith(ADDRESSED)
        }

    def of_wire(self, wire: str) -> dict[str, Any]:
        """Return the ``extra`` fields addressed to *wire*, without their prefix."""
        prefix = wire + "."
        return {key[len(prefix) :]: value for key, value in self.extra.items() if key.startswith(prefix)}
