"""What somebody wants of a job, and what its project has for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from footfall.instrumentation.recorder import Recorder, Subject
from footfall.instrumentation.run import Run
from footfall.jobs.model import JobConfig
from footfall.jobs.reported import Reported


class Ask(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody wants of a job.

    Attributes:
        tag: Of its configuration.
        customer_id: Whose it is; None leaves it to the destination.
        provider_job_id: Chosen by the program, which may come back to it; "" for a new one each time.
        metadata: Fields of its start and end, scrubbed.
        progress: Whether a terminal shows a bar.
        strict: Whether mistakes of whoever wrote the program raise.
    """

    tag: str
    customer_id: Any = None
    provider_job_id: str = ""
    metadata: Mapping[str, Any] = {}
    progress: bool = True
    strict: bool = False


class Jobs(msgspec.Struct, kw_only=True, eq=False):
    """What the jobs of one project share; `footfall.tracking` makes it.

    Attributes:
        project: ``owner/name``.
        recorder: Of the process; None while the project is off, or was not instrumented.
        find: Returns the configuration of a job, or None where none were given; raises `ConfigurationError`.
        approve: Raises `ConfigurationError` for a job that servers must not be told of.
        declares: Whether a server of the project reads configurations.
        subject: Returns what records of that name are about, and whether their start is told.
        reported: Returns what was reported of the job with that id; None where nothing can be kept.
        rest_of_process: Begins a run that ends with the process.
    """

    project: str
    recorder: Recorder | None
    find: Callable[[Ask], JobConfig | None]
    approve: Callable[[Ask, JobConfig | None], None]
    declares: Callable[[], bool]
    subject: Callable[[str, bool], Subject]
    reported: Callable[[str], Reported | None]
    rest_of_process: Callable[[Run], None]
