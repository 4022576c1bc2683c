"""Configurations that this process has loaded or registered, by tag.

A job names its configuration by tag alone, and the original's manual by the name that is shown. What is known here
tells a job's steps, and is registered where the server does not know the tag.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, TypeVar

from footfall.jobs import JobConfig, StepConfig

J = TypeVar("J", JobConfig, StepConfig)


class Configurations:
    """By tag; a later one takes the place of an earlier one."""

    def __init__(self) -> None:
        self._by_tag: dict[str, JobConfig] = {}

    @property
    def tags(self) -> tuple[str, ...]:
        """All tags, in the order in which they were first seen."""
        return tuple(self._by_tag)

    def remember(self, job: JobConfig) -> None:
        """Know *job* from now on."""
        self._by_tag[job.tag] = job

    def find(self, tag: object) -> JobConfig | None:
        """Return the configuration with *tag*; or the only one that is shown as *tag*, where no tag is that."""
        if not isinstance(tag, str):
            return None
        return self._by_tag.get(tag) or only(tuple(self._by_tag.values()), tag)

    def forget(self) -> None:
        """Know nothing; for tests."""
        self._by_tag.clear()


def step_of(job: JobConfig, tag: str) -> StepConfig | None:
    """Return the step of *job* with *tag*; or the only one that is shown as *tag*, where no tag is that."""
    found = next((step for step in job.step_configurations if step.tag == tag), None)
    return found or only(job.step_configurations, tag)


def only(several: Sequence[J], name: str) -> J | None:
    """Return the one of *several* that is shown as *name*, or None for none or more than one."""
    found = [each for each in several if each.name == name]
    return found[0] if len(found) == 1 else None


configurations: Final = Configurations()
"""The one instance of this process."""
