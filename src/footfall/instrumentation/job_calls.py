"""Registered functions that are a job, or a step of one: the registry alone makes a program tell its progress.

registry:
  - function: my_job:main
    job: my_job
  - function: my_job:say_hello
    step: say_hello
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from footfall.instrumentation.job import Job, current
from footfall.instrumentation.job_asked import Ask, Jobs
from footfall.instrumentation.job_step import Step
from footfall.instrumentation.recorder import Recorder, Subject


def beginner(*, job: str, step: str) -> Callable[..., Any] | None:
    """Return what begins the uses of a registered function that is a job, or a step of one; None for any other."""

    def begin_job(recorder: Recorder, subject: Subject, arguments: dict[str, Any], extra: Mapping[str, Any]) -> Any:
        find_jobs: Callable[[], Jobs] | None = subject.project.jobs
        if find_jobs is None:
            return recorder.begin(subject, arguments, extra)
        ask = Ask(tag=job, customer_id=subject.extra.get("tracker.customer_id"), metadata=extra)
        made = Job(ask, find_jobs, subject=subject, arguments=arguments)
        made.start()
        return made

    def begin_step(recorder: Recorder, subject: Subject, arguments: dict[str, Any], extra: Mapping[str, Any]) -> Any:
        whose = current(subject.project.project)
        if whose is None:
            return recorder.begin(subject, arguments, extra)
        made = Step(whose, step, extra, subject=subject, arguments=arguments)
        made.begin()
        return made

    return begin_job if job else begin_step if step else None
