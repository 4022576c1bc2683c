"""How much of a job is done: which steps, and their points, shared with the fork children of the process.

One byte for each declared step in a page that a fork shares: no lock, no file, nothing to be sent from child to parent,
and a step that two workers report at the same moment is still one step.
"""

from __future__ import annotations

import mmap
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from footfall.jobs.model import JobConfig


class Points:
    """The points of one job.

    Args:
        config: Its steps; None where none are declared.

    Attributes:
        total: Points of all steps.
    """

    def __init__(self, config: JobConfig | None) -> None:
        steps = config.step_configurations if config is not None else ()
        self._points = tuple(step.points for step in steps)
        self._places = {step.tag: place for place, step in enumerate(steps)}
        self._seen: dict[str, object] = {}
        self._page = _shared(len(steps))
        self.total = sum(self._points)

    @property
    def done(self) -> int:
        """Points of the steps that are done, in whatever process."""
        return sum(points for place, points in enumerate(self._points) if self._page[place])

    def mark(self, tag: str) -> bool:
        """Take down that the step *tag* is done; return whether it was not yet."""
        mine = object()
        is_first = self._seen.setdefault(tag, mine) is mine  # one operation, whatever the number of threads
        place = self._places.get(tag)
        if place is None:
            return is_first
        is_first = is_first and not self._page[place]
        self._page[place] = 1
        return is_first

    def mark_all(self, tags: Iterable[str]) -> None:
        """Take down that all of *tags* are done."""
        for tag in tags:
            self.mark(tag)


def _shared(size: int) -> mmap.mmap | bytearray:
    """Return *size* bytes that fork children see, or, where there are none to be had, bytes of this process."""
    try:
        return mmap.mmap(-1, max(size, 1))
    except OSError:
        return bytearray(size)
