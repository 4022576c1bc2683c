"""The exporter door for log records; see `footfall.export.exporter`.

A module of its own: importing the SDK's logs evaluates a default resource, detectors and threads included
(otel.md section 2), which somebody who only wants spans should not pay.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from footfall.errors import guard
from footfall.export.from_log import from_log

if TYPE_CHECKING:
    from opentelemetry.sdk._logs import ReadableLogRecord
    from opentelemetry.sdk._logs.export import LogRecordExporter, LogRecordExportResult

    from footfall.export.exporter import Door
else:
    try:
        from opentelemetry.sdk._logs.export import LogRecordExporter, LogRecordExportResult
    except ImportError:  # their names before 1.39
        from opentelemetry.sdk._logs.export import LogExporter as LogRecordExporter
        from opentelemetry.sdk._logs.export import LogExportResult as LogRecordExportResult


class UsageLogExporter(LogRecordExporter):
    """Hands each start, count and event that arrives as a log record to *door*."""

    def __init__(self, door: Door) -> None:
        self._door = door

    def export(self, batch: Sequence[ReadableLogRecord]) -> LogRecordExportResult:
        """Write our records down. SUCCESS means that they are on disk."""
        for record in batch:
            with guard("export log record"):
                if self._door.lets_in(record.instrumentation_scope, record.log_record.attributes):
                    self._door.take(from_log(record))
        return LogRecordExportResult.SUCCESS

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Return at once: what was exported is on disk."""
        del timeout_millis
        return True

    def shutdown(self) -> None:
        """Do nothing: the journal belongs to the process."""
