"""What is wrong with the job configurations of a project: said here, for whoever runs the job hears nothing of it."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from footfall.cli.installed import reason
from footfall.errors import ChangedJobError, ConfigurationError
from footfall.registry.entry_points import version_of
from footfall.tracking import load, servers

if TYPE_CHECKING:
    from collections.abc import Iterator

    from footfall.places import Places
    from footfall.registry.model import Registry


def problems(registry: Registry, places: Places | None) -> Iterator[str]:
    """Yield a sentence for each: a file that cannot be used, a job that changed under a version that was registered."""
    from footfall.jobs import registered

    packages = {entry.module.partition(".")[0] for entry in registry.entries if entry.module}
    try:
        configs = load(registry, lambda: version_of(registry.project, packages))
    except (ConfigurationError, OSError) as error:
        yield f"{registry.project}: {reason(error)}"
        return
    if configs is None or places is None:
        return
    for server, job in itertools.product(servers(registry.send_to), configs.job_configs):
        try:
            registered.check(places.state, server, job, place=configs.places.get(job.tag))
        except ChangedJobError as error:  # noqa: PERF203  a few jobs
            yield f"{registry.project}: {error}"
