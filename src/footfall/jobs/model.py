"""A job, its steps and their metadata, as declared ahead: what the wire ``tracker`` registers. Pure.

Fields are named and ordered as the server wants them (wire/tracker.md section 3), so a `JobConfig` encodes as the body
of its registration.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Final, Literal, get_args

import msgspec
from msgspec import Meta

from footfall.errors import UnknownTagError
from footfall.registry.model import quote
from footfall.registry.nearest import nearest

MetadataKind = Literal["text", "number", "link"]
"""How a value is shown to the customer."""

METADATA_KINDS: Final[tuple[str, ...]] = get_args(MetadataKind)

NO_ZERO_PATTERN: Final = r"^[^\u0000]*$"
"""The server answers 500 to U+0000 (wire/tracker.md section 5)."""

POINTS: Final = range(-(2**31), 2**31)
"""What the server's column of points holds."""

_SHOWN: Final = 20
"""Known tags that a message lists before it only counts the rest."""

_Tag = Annotated[str, Meta(min_length=1, pattern=NO_ZERO_PATTERN, description="By which the program names it.")]
_Name = Annotated[str, Meta(pattern=NO_ZERO_PATTERN, description="As it is shown.")]
_Points = Annotated[
    int, Meta(ge=POINTS[0], le=POINTS[-1], description="Share of the work: progress is the sum of points done.")
]
_Units = Annotated[str, Meta(pattern=NO_ZERO_PATTERN, description="Such as s or MB.")]


class MetadataConfig(msgspec.Struct, frozen=True):
    """A value that a step reports.

    Attributes:
        name: As it is shown.
        kind: How it is shown.
        units: Shown behind it, or None.
    """

    name: _Name
    kind: Annotated[MetadataKind, Meta(description="How it is shown.")] = "text"
    units: _Units | None = None


class StepConfig(msgspec.Struct, frozen=True):
    """A step of a job.

    Attributes:
        tag: By which the program names it; once in a job.
        points: Share of the work; may be 0 or negative.
        name: As it is shown.
        metadata_configurations: Values that it reports. Declared only: no event is checked against them.
    """

    tag: _Tag
    points: _Points
    name: _Name
    metadata_configurations: tuple[MetadataConfig, ...] = ()


class JobConfig(msgspec.Struct, frozen=True):
    """A job in one version.

    Attributes:
        tag: By which the program names it.
        name: As it is shown.
        step_configurations: Steps, each tag once, in the order they are shown.
        version: SemVer. What one version says never changes: another list of steps is another version.
    """

    tag: _Tag
    name: _Name
    step_configurations: tuple[StepConfig, ...]
    version: str

    @property
    def points(self) -> int:
        """The sum over all steps."""
        return sum(step.points for step in self.step_configurations)

    def step(self, tag: str) -> StepConfig:
        """Return the step with *tag*.

        Raises:
            UnknownTagError: There is none; the message lists those there are.
        """
        for step in self.step_configurations:
            if step.tag == tag:
                return step
        known = [step.tag for step in self.step_configurations]
        msg = f"job {quote(self.tag)} has no step {quote(tag)}{_among(tag, known, 'steps')}"
        raise UnknownTagError(msg)


class Place(msgspec.Struct, frozen=True):
    """Where a job was declared: file (or "mapping"), and one-based line or 0."""

    source: str = ""
    line: int = 0

    def __str__(self) -> str:
        return f"{self.source}:{self.line}" if self.line else self.source


class JobConfigs(msgspec.Struct, frozen=True):
    """The jobs of a file, or of a directory of files: a read-only map from tag to `JobConfig`, in the order declared.

    Attributes:
        job_configs: Each tag once.
        places: By tag, where it was declared.
        warnings: Keys that look like slips and were dropped, each with file and line.
    """

    job_configs: tuple[JobConfig, ...] = ()
    places: Mapping[str, Place] = {}
    warnings: tuple[str, ...] = ()

    @property
    def tags(self) -> tuple[str, ...]:
        """The tags of all jobs."""
        return tuple(job.tag for job in self.job_configs)

    def __getitem__(self, tag: str) -> JobConfig:
        """Return the job with *tag*.

        Raises:
            UnknownTagError: There is none; the message lists those there are.
        """
        for job in self.job_configs:
            if job.tag == tag:
                return job
        msg = f"no job is called {quote(tag)}{_among(tag, self.tags, 'jobs')}"
        raise UnknownTagError(msg)

    def __contains__(self, tag: object) -> bool:
        return tag in self.tags

    def __iter__(self) -> Iterator[str]:
        return iter(self.tags)

    def __len__(self) -> int:
        return len(self.job_configs)


def _among(tag: str, known: tuple[str, ...] | list[str], what: str) -> str:
    """Return the end of a message: the nearest of the *known* tags, then all of them."""
    if not known:
        return f"; there are no {what}"
    guess = nearest(tag, known)
    listed = ", ".join(map(quote, known[:_SHOWN])) + (f" and {len(known) - _SHOWN} more" if len(known) > _SHOWN else "")
    return (f"; did you mean {quote(guess)}?" if guess else ";") + f" Known {what}: {listed}"
