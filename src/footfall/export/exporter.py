"""The exporter door: spans that reach an SDK's pipeline under our scope become records in the journal.

An exporter named in ``OTEL_TRACES_EXPORTER`` gets every span of the process. Kept are spans of scope ``footfall`` only,
and of those only the ones that no wrapper has recorded already: a use that arrives by both doors is one use
(otel.md section 1, rule 4). Never the network: the journal, as everywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from footfall import attributes
from footfall.errors import guard
from footfall.export.from_span import from_span
from footfall.usage import Usage

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan


class UsageSpanExporter(SpanExporter):
    """Hands each use that arrives as a span to *record*.

    Args:
        record: Writes a usage to this process's journal; returns whether its project is known.
        flush: Makes what was written durable; returns whether it is.
    """

    def __init__(self, record: Callable[[Usage], bool], flush: Callable[[], bool]) -> None:
        self._record = record
        self._flush = flush

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Write our spans down. SUCCESS means they are on disk."""
        for span in spans:
            scope = span.instrumentation_scope
            if scope is None or scope.name != attributes.SCOPE_NAME:
                continue
            if (span.attributes or {}).get(attributes.RECORDED):
                continue
            with guard("export span"):
                usage = from_span(span)
                if usage is not None:
                    self._record(usage)
        return SpanExportResult.SUCCESS

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Return at once: what was exported is on disk."""
        del timeout_millis
        return self._flush()

    def shutdown(self) -> None:
        """Do nothing: the journal belongs to the process."""
