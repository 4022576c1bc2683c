"""Exporter ``footfall`` for ``OTEL_LOGS_EXPORTER`` and configuration files.

A module of its own, as `footfall.export.log_exporter` is, which says why.
"""

from __future__ import annotations

from collections.abc import Sequence

from footfall.distro import door
from footfall.export.log_exporter import UsageLogExporter


class FootfallLogExporter(UsageLogExporter):
    """Takes starts, counts and events of scope ``footfall`` that no wrapper has written down; never application logs.

    Args:
        project: ``owner/name``, or a list of them: only their records are taken. Default: all.
        **unknown: Reported, for this or a later version to understand.
    """

    def __init__(self, project: str | Sequence[str] | None = None, **unknown: object) -> None:
        super().__init__(door("logs", project, unknown))
