"""`JobConfig`, `StepConfig`, `JobConfigs`: what steps a job has, in the original's words.

Each holds one of `footfall.jobs`, is checked by the same rules as a file of them, cannot be changed, and is equal to
another that says the same. The original's are equal where the tag is, and have no hash (tracker.md D11).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, Generic, TypeAlias, TypeVar, cast

import msgspec

from footfall import jobs
from footfall.jobs import MetadataConfig
from footfall.jobs.reading import Reader
from footfall.registry.nodes import from_python

__all__ = ["JobConfig", "JobConfigs", "MetadataConfig", "StepConfig"]

Fields: TypeAlias = dict[str, Any]
M = TypeVar("M")

UNDECLARED: Final = "0.0.0+undeclared"
"""Stands for the version of a job that names none, until all of it is known."""


class Declared(Generic[M]):
    """A part of a declaration.

    Attributes:
        model: The same in `footfall.jobs`.
    """

    __slots__ = ("model",)

    model: M

    def dict(self) -> Fields:
        """Return it as a file has it, and as the server is told."""
        return cast("Fields", plain(self.model))

    def content(self) -> object:
        """Return what makes two of them equal: not where it was declared."""
        return self.model

    def __eq__(self, other: object) -> bool:
        return isinstance(other, type(self)) and self.content() == other.content()

    def __hash__(self) -> int:
        return hash((type(self), self.content()))

    def __repr__(self) -> str:
        return repr(self.model)

    def __setattr__(self, name: str, value: object) -> None:
        if hasattr(self, "model"):
            msg = f"{type(self).__name__} cannot be changed; make another one"
            raise AttributeError(msg)
        super().__setattr__(name, value)

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return of, (type(self), self.model)


D = TypeVar("D", bound="Declared[Any]")


def of(kind: type[D], model: object) -> D:
    """Return the *kind* of this module that holds *model*."""
    made = kind.__new__(kind)
    made.model = model
    return made


class StepConfig(Declared[jobs.StepConfig]):
    """A step of a job.

    Args:
        name: As it is shown.
        tag: By which the program names it; once in a job.
        points: Share of the work; a whole number, may be 0 or negative.
        metadata_configurations: Values that it reports: `MetadataConfig`, or mappings of ``name``, ``kind``, ``units``.
        **others: Dropped, as in files.

    Raises:
        RegistryError: Something is wrong; the message says what.
    """

    __slots__ = ()

    def __init__(
        self,
        name: str,
        tag: str,
        points: int,
        metadata_configurations: Iterable[MetadataConfig | Mapping[str, Any]] = (),
        **others: Any,
    ) -> None:
        del others
        given = {"name": name, "tag": tag, "points": points, "metadata_configurations": plain(metadata_configurations)}
        self.model = Reader("StepConfig").step(from_python(given, "StepConfig"))

    @property
    def name(self) -> str:
        """As it is shown."""
        return self.model.name

    @property
    def tag(self) -> str:
        """By which the program names it."""
        return self.model.tag

    @property
    def points(self) -> int:
        """Share of the work."""
        return self.model.points

    @property
    def metadata_configurations(self) -> tuple[MetadataConfig, ...]:
        """Values that it reports."""
        return self.model.metadata_configurations


class JobConfig(Declared[jobs.JobConfig]):
    """A job in one version.

    Args:
        name: As it is shown.
        tag: By which the program names it.
        step_configurations: Its steps in order, each tag once: `StepConfig`, or mappings of their arguments.
        version: PEP 440 or SemVer, kept as SemVer. Without it one is made of the content (`by_content`).
        **others: Dropped, as in files.

    Raises:
        RegistryError: Something is wrong; the message says what.
    """

    __slots__ = ()

    def __init__(
        self,
        name: str,
        tag: str,
        step_configurations: Iterable[StepConfig | Mapping[str, Any]],
        version: str = UNDECLARED,
        **others: Any,
    ) -> None:
        del others
        given = {"name": name, "tag": tag, "step_configurations": plain(step_configurations)}
        given["version"] = UNDECLARED if version == "" else version
        self.model = by_content(Reader("JobConfig").job(from_python(given, "JobConfig")))

    @property
    def name(self) -> str:
        """As it is shown."""
        return self.model.name

    @property
    def tag(self) -> str:
        """By which the program names it."""
        return self.model.tag

    @property
    def version(self) -> str:
        """SemVer. What one version says never changes."""
        return self.model.version

    @property
    def step_configurations(self) -> tuple[StepConfig, ...]:
        """The steps, in order."""
        return tuple(of(StepConfig, step) for step in self.model.step_configurations)


class JobConfigs(Declared[jobs.JobConfigs]):
    """The jobs of a file.

    Args:
        job_configs: Each tag once: `JobConfig`, or mappings of its arguments.
        **others: Dropped, as in files.

    Raises:
        DuplicateJobError: A tag is there twice.
        RegistryError: Something else is wrong; the message says what.
    """

    __slots__ = ()

    def __init__(self, job_configs: Iterable[JobConfig | Mapping[str, Any]], **others: Any) -> None:
        del others
        given = {"job_configs": plain(job_configs)}
        self.model = all_by_content(jobs.load_mapping(given, "JobConfigs", version=UNDECLARED))

    @property
    def job_configs(self) -> tuple[JobConfig, ...]:
        """The jobs, in order."""
        return tuple(of(JobConfig, job) for job in self.model.job_configs)

    def content(self) -> object:
        """Return the jobs."""
        return self.model.job_configs

    def dict(self) -> Fields:
        """Return it as a file has it."""
        return {"job_configs": [job.dict() for job in self.job_configs]}


def by_content(job: jobs.JobConfig) -> jobs.JobConfig:
    """Return *job* with a version: its own, or ``0.0.0+<digest>`` of what it says.

    The original's manual shows a job without version, which its code and its server refuse. What a version says never
    changes, and the server asks no more of it than that other content has another one.
    """
    if job.version != UNDECLARED:
        return job
    digest = hashlib.blake2b(msgspec.json.encode(job), digest_size=6).hexdigest()
    return msgspec.structs.replace(job, version=f"0.0.0+{digest}")


def all_by_content(found: jobs.JobConfigs) -> jobs.JobConfigs:
    """Return *found* with a version for each job."""
    return msgspec.structs.replace(found, job_configs=tuple(map(by_content, found.job_configs)))


def plain(declared: Any) -> Any:
    """Return *declared* as files have it: maps, lists and scalars; what is neither ours nor such stays as it is."""
    if isinstance(declared, Declared):
        return declared.dict()
    if isinstance(declared, msgspec.Struct):
        return msgspec.json.decode(msgspec.json.encode(declared))
    several: Any = declared
    if not isinstance(declared, (str, bytes, Mapping)) and isinstance(declared, Iterable):
        return [plain(each) for each in several]
    return several
