"""The exporter doors: what reaches an SDK's pipeline under our scope becomes a record in the journal.

An exporter named in ``OTEL_TRACES_EXPORTER`` gets every span of the process, and one in ``OTEL_LOGS_EXPORTER`` every
line that the application logs. Kept is what has scope ``footfall`` and says what we say, and of that only what no
wrapper has recorded already: a use that arrives by both doors is one use (otel.md section 1, rule 4). Never the
network: the journal, as everywhere.

That of logs is in `footfall.export.log_exporter`: importing the SDK's logs costs a look for resources.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from footfall import attributes
from footfall.errors import guard
from footfall.export.from_span import from_span
from footfall.usage import Usage

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.sdk.util.instrumentation import InstrumentationScope


class Door:
    """What an exporter of either signal does with what it is handed.

    Args:
        record: Writes a usage to this process's journal; returns whether its project is known.
        projects: Whose uses are taken; empty for all.
    """

    def __init__(self, record: Callable[[Usage], bool], projects: Collection[str] = ()) -> None:
        self._record = record
        self._projects = frozenset(projects)

    def lets_in(self, scope: InstrumentationScope | None, fields: Mapping[str, Any] | None) -> bool:
        """Whether it is footfall's, of a project that is taken, and not written down yet."""
        if scope is None or scope.name != attributes.SCOPE_NAME:
            return False
        said = fields or {}
        return not said.get(attributes.RECORDED) and (
            not self._projects or said.get(attributes.PROJECT) in self._projects
        )

    def take(self, usage: Usage | None) -> None:
        """Write *usage* down, where there is one."""
        if usage is not None:
            self._record(usage)


class UsageSpanExporter(SpanExporter):
    """Hands each use that arrives as a span to *door*."""

    def __init__(self, door: Door) -> None:
        self._door = door

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Write our spans down. SUCCESS means that they are on disk."""
        for span in spans:
            with guard("export span"):
                if self._door.lets_in(span.instrumentation_scope, span.attributes):
                    self._door.take(from_span(span))
        return SpanExportResult.SUCCESS

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Return at once: what was exported is on disk."""
        del timeout_millis
        return True

    def shutdown(self) -> None:
        """Do nothing: the journal belongs to the process."""
