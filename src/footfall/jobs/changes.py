"""What differs between two configurations of one job, in words. Pure.

The server refuses other content under a version that it has (wire/tracker.md section 3), be it a name, points, or
only the order of steps.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from footfall.jobs.model import JobConfig
from footfall.registry.model import quote


def changes(before: JobConfig, after: JobConfig) -> tuple[str, ...]:
    """Return a phrase for each difference but that of the version, such as ``step 'a': points were 1, are 2``."""
    return tuple(_of_job(before, after))


def _of_job(before: JobConfig, after: JobConfig) -> Iterator[str]:
    yield from _of_fields(before, after, ("tag", "name"))
    old = {step.tag: step for step in before.step_configurations}
    new = {step.tag: step for step in after.step_configurations}
    yield from _of_list("step", list(old), list(new))
    for tag in (tag for tag in new if tag in old and new[tag] != old[tag]):
        where = f"step {quote(tag)}: "
        for change in _of_fields(old[tag], new[tag], ("name", "points")):
            yield where + change
        was, now = old[tag].metadata_configurations, new[tag].metadata_configurations
        names = [each.name for each in was], [each.name for each in now]
        listed = list(_of_list("metadata", *names))
        yield from (where + change for change in listed)
        if listed:
            continue
        for one, other in zip(was, now, strict=True):
            for change in _of_fields(one, other, ("kind", "units")):
                yield f"{where}metadata {quote(one.name)}: {change}"


def _of_fields(before: msgspec.Struct, after: msgspec.Struct, names: Sequence[str]) -> Iterator[str]:
    for name in names:
        was, now = getattr(before, name), getattr(after, name)
        if was != now:
            verbs = ("were", "are") if name in {"points", "units"} else ("was", "is")
            yield f"{name} {verbs[0]} {_shown(was)}, {verbs[1]} {_shown(now)}"


def _of_list(what: str, before: list[str], after: list[str]) -> Iterator[str]:
    """Yield what came, what went, and whether the rest changed places; names of *metadata* may repeat."""
    for name in after:
        if name not in before:
            yield f"{what} {quote(name)} is new"
    for name in before:
        if name not in after:
            yield f"{what} {quote(name)} is gone"
    if before != after and [name for name in before if name in after] != [name for name in after if name in before]:
        yield f"the order of {what}{'s' if what == 'step' else ''} changed"


def _shown(value: str | int | None) -> str:
    return quote(value) if isinstance(value, str) else "none" if value is None else str(value)
