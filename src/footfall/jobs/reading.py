"""The grammar of files of job configurations: a tree of nodes in, `JobConfigs` out. Pure.

    {"job_configs": [{"tag", "name", "version", "step_configurations": [{"tag", "name", "points",
        "metadata_configurations": [{"name", "kind", "units"}]}]}]}

What trackerapi's own files hold is read as its loader reads it, ``$schema`` and other keys dropped (wire/tracker.md
section 3). What its server would answer 422 or 500 to is an error here, with file, line, wrong value and the nearest
right one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NoReturn, cast

from footfall.errors import DuplicateJobError, RegistryError
from footfall.jobs.model import (
    METADATA_KINDS,
    POINTS,
    JobConfig,
    JobConfigs,
    MetadataConfig,
    MetadataKind,
    Place,
    StepConfig,
)
from footfall.registry.model import quote
from footfall.registry.nearest import hint, nearest
from footfall.registry.nodes import Node
from footfall.semver import semver

LEAST: Final = "'job_configs: []'"
"""What an empty file lacks."""

FILE_KEYS: Final = frozenset({"job_configs"})
JOB_KEYS: Final = frozenset({"tag", "name", "version", "step_configurations"})
STEP_KEYS: Final = frozenset({"tag", "name", "points", "metadata_configurations"})
METADATA_KEYS: Final = frozenset({"name", "kind", "units"})

EXAMPLES: Final = {"version": "1.0.0", "points": "10"}

_SLIP_CUTOFF: Final = 0.7
"""A key this much like a required one that is missing was meant for it."""

_TYPO_CUTOFF: Final = 0.8
"""A dropped key this much like one that is read is reported."""


class Reader:
    """Reads one tree.

    Args:
        source: File, for messages.
        version: SemVer for jobs that name none; "" to refuse them.
    """

    def __init__(self, source: str, *, version: str = "") -> None:
        self._source = source
        self._version = version
        self.warnings: list[str] = []

    def file(self, root: Node) -> JobConfigs:
        """Return the jobs of a whole file.

        Raises:
            RegistryError: Something is wrong.
        """
        self._check_map(root, "the file", FILE_KEYS)
        jobs: list[JobConfig] = []
        places: dict[str, Place] = {}
        for node in self._list(self._required(root, "job_configs", "the file"), "job_configs"):
            job = self.job(node)
            if job.tag in places:
                msg = f"job {quote(job.tag)} was already given in line {places[job.tag].line}; give each its own tag"
                if not node.line:
                    msg = f"job {quote(job.tag)} is there twice; give each its own tag"
                raise DuplicateJobError(msg, source=self._source, line=node.line)
            places[job.tag] = Place(self._source, node.line)
            jobs.append(job)
        return JobConfigs(tuple(jobs), places, tuple(self.warnings))

    def job(self, node: Node) -> JobConfig:
        """Return one job.

        Raises:
            RegistryError: Something is wrong.
        """
        self._check_map(node, "a job", JOB_KEYS)
        tag = self._tag(node, "a job")
        whose = f"job {quote(tag)}"
        name = self._text(self._required(node, "name", whose), "name", whose)
        steps: dict[str, StepConfig] = {}
        lines: dict[str, int] = {}
        for child in self._list(self._required(node, "step_configurations", whose), "step_configurations"):
            step = self.step(child, whose)
            if step.tag in steps:
                before = f" in line {lines[step.tag]}" if child.line else ""
                self._fail(f"step {quote(step.tag)} of {whose} was already given{before}; tags must differ", child)
            steps[step.tag] = step
            lines[step.tag] = child.line
        return JobConfig(tag, name, tuple(steps.values()), self._semver(node, whose))

    def step(self, node: Node, job: str = "a job") -> StepConfig:
        """Return one step of *job*, which is named in messages.

        Raises:
            RegistryError: Something is wrong.
        """
        self._check_map(node, f"a step of {job}", STEP_KEYS)
        tag = self._tag(node, f"a step of {job}")
        whose = f"step {quote(tag)} of {job}"
        members = _members(node)
        metadata = members.get("metadata_configurations")
        return StepConfig(
            tag=tag,
            points=self._points(self._required(node, "points", whose), whose),
            name=self._text(self._required(node, "name", whose), "name", whose),
            metadata_configurations=()
            if metadata is None or metadata.is_nothing
            else tuple(self._metadata(child, whose) for child in self._list(metadata, "metadata_configurations")),
        )

    def _metadata(self, node: Node, step: str) -> MetadataConfig:
        whose = f"metadata of {step}"
        self._check_map(node, whose, METADATA_KEYS)
        members = _members(node)
        kind, units = members.get("kind"), members.get("units")
        if kind is not None and (type(kind.scalar) is not str or kind.scalar not in METADATA_KINDS):
            self._fail(f"kind of {whose} is {kind.shown()}{hint(kind.text, METADATA_KINDS)}", kind)
        return MetadataConfig(
            name=self._text(self._required(node, "name", whose), "name", whose),
            kind="text" if kind is None else cast("MetadataKind", kind.scalar),
            units=None if units is None or units.is_nothing else self._text(units, "units", whose),
        )

    def _semver(self, node: Node, whose: str) -> str:
        given = _members(node).get("version")
        if given is None and self._version:
            return self._version
        node = self._required(node, "version", whose)
        # A number is taken as it was written: in YAML, 1.10 needs no quotes.
        version = semver(node.text) if isinstance(node.scalar, (str, int, float)) else ""
        if not version:
            self._fail(f"version of {whose} is {node.shown()}; write it as in '1.4.0' or '1.4.0-rc1'", node)
        return version

    def _points(self, node: Node, whose: str) -> int:
        if type(node.scalar) is not int or node.scalar not in POINTS:
            self._fail(f"points of {whose} must be a whole number of at most 32 bits, not {node.shown()}", node)
        return node.scalar

    def _tag(self, node: Node, whose: str) -> str:
        given = self._required(node, "tag", whose)
        tag = self._text(given, "tag", whose)
        if not tag:
            self._fail(f"tag of {whose} is empty; give it a word by which the program names it", given)
        return tag

    def _text(self, node: Node, key: str, whose: str) -> str:
        if not isinstance(node.scalar, str):
            quotes = "; put it in quotes" if node.is_scalar and not node.is_nothing else ""
            self._fail(f"{key} of {whose} must be text, not {node.shown()}{quotes}", node)
        if "\0" in node.scalar:
            self._fail(f"{key} of {whose} holds a zero byte, which the server cannot store; remove it", node)
        return node.scalar

    def _list(self, node: Node, key: str) -> list[Node]:
        if node.elements is None:
            self._fail(f"{key!r} must be a list, not {node.shown()}", node)
        return node.elements

    def _required(self, node: Node, key: str, whose: str) -> Node:
        members = _members(node)
        if key not in members:
            unknown = members.keys() - FILE_KEYS - JOB_KEYS - STEP_KEYS - METADATA_KEYS
            slip = nearest(key, unknown, cutoff=_SLIP_CUTOFF)
            if slip:
                msg = f"{quote(slip)} is no key of {whose}; did you mean {key!r}?"
                raise RegistryError(msg, source=self._source, line=node.keys.get(slip, 0))
            example = f", as in '{key}: {EXAMPLES[key]}'" if key in EXAMPLES else ""
            self._fail(f"{whose} has no {key!r}; add it{example}", node)
        return members[key]

    def _check_map(self, node: Node, whose: str, known: frozenset[str]) -> None:
        if node.members is None:
            self._fail(f"{whose} must be a map of {', '.join(sorted(known))}, not {node.shown()}", node)
        for key in node.members:
            guess = "" if key in known else nearest(key, known - node.members.keys(), cutoff=_TYPO_CUTOFF)
            if guess:
                message = f"{quote(key)} is no key of {whose}; did you mean {guess!r}? (ignored)"
                self.warnings.append(str(RegistryError(message, source=self._source, line=node.keys.get(key, 0))))

    def _fail(self, message: str, node: Node) -> NoReturn:
        raise RegistryError(message, source=self._source, line=node.line)


def _members(node: Node) -> Mapping[str, Node]:
    return node.members or {}
