"""What is known of the jobs that this process opened: which steps they have, and whether the server has them."""

from __future__ import annotations

import msgspec

from footfall.jobs import JobConfig

MAX_JOBS = 1024
"""A worker that opens jobs for ever remembers the latest so many; of others, steps go out as they are named."""


class Job(msgspec.Struct, frozen=True):
    """One job.

    Attributes:
        declared: Its configuration, where this process knows it.
        is_refused: Whether the server will never have it, so that its events would fail one by one.
    """

    declared: JobConfig | None = None
    is_refused: bool = False


UNKNOWN = Job()
"""A job that somebody else opened."""


class Jobs:
    """By ``provider_job_id``."""

    def __init__(self) -> None:
        self._by_id: dict[str, Job] = {}

    def get(self, job_id: str) -> Job:
        """Return what is known of the job *job_id*."""
        return self._by_id.get(job_id, UNKNOWN)

    def put(self, job_id: str, job: Job) -> None:
        """Know *job* as *job_id*, and forget the oldest beyond `MAX_JOBS`."""
        # Replaced whole: another thread may be reading, and a lock could be held during a fork.
        kept = list(self._by_id.items())[-(MAX_JOBS - 1) :]
        self._by_id = {**{known: each for known, each in kept if known != job_id}, job_id: job}
