"""footfall's knowledge of the process for a host's own OpenTelemetry SDK.

``OTEL_EXPERIMENTAL_RESOURCE_DETECTORS=footfall`` finds `FootfallResourceDetector` through entry point group
``opentelemetry_resource_detector``; in a configuration file it is ``detectors: [{footfall: {ci: true}}]``.

This module imports nothing of the SDK but `opentelemetry.sdk.resources`: the SDK loads detectors while its logs package
is still being imported, and one that needs that package is skipped with an error (otel.md section 2).
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Mapping
from typing import Final

from opentelemetry.sdk import resources
from opentelemetry.sdk.resources import Resource, ResourceDetector

from footfall.attributes import (
    HOST_ARCH,
    OS_TYPE,
    OS_VERSION,
    PROCESS_RUNTIME_NAME,
    PROCESS_RUNTIME_VERSION,
)
from footfall.errors import guard, trouble
from footfall.resource import batch as _batch
from footfall.resource import ci as _ci
from footfall.resource import ci_details as _ci_details
from footfall.resource import container as _container
from footfall.resource import host as _host
from footfall.resource import notebook as _notebook
from footfall.resource import process as _process
from footfall.usage import AttributeValue

SDK_DETECTORS: Final = (
    "ProcessResourceDetector",
    "OsResourceDetector",
    # Elsewhere it starts a program to learn the machine's id, which is dropped here.
    *(("_HostResourceDetector",) if sys.platform in {"linux", "win32"} else ()),
)
"""OpenTelemetry's own. The last is private, so none is taken for granted."""

KEPT: Final[Mapping[str, Callable[[str], str]]] = {
    PROCESS_RUNTIME_NAME: str,
    PROCESS_RUNTIME_VERSION: lambda _: _process.python_version(),  # theirs writes 3.14.0.candidate.1
    OS_TYPE: _host.os_type,
    OS_VERSION: _host.os_version,
    HOST_ARCH: _host.architecture,  # theirs says x86_64 where the conventions say amd64
}
"""What is kept of theirs, and how it is corrected. All else names a machine, a person or a path: ``host.name``,
``host.id``, ``process.owner``, ``process.executable.path``, ``process.command`` and whatever comes next. Process ids
go too: a resource outlives a fork."""


class FootfallResourceDetector(ResourceDetector):
    """Adds to the host's resource where it runs; never a host name, a login name or a folder of this machine.

    It describes the host's telemetry to the host, sends nothing, and therefore does not ask whether footfall is on. For
    the same reason it also tells what usage servers never learn: repository, branch, pipeline and batch job.

    Args:
        batch: Look for a batch system, and the job's number.
        ci: Look for continuous integration, and the names of pipeline and job and the address of the run.
        container: Look for a container.
        notebook: Look for a notebook or IPython.
        process: Report interpreter, operating system and processor family, as OpenTelemetry's detectors have them, and
            WSL.
        vcs: Report repository, branch and commit of a CI run.
        unknown: Anything else that a configuration file says: reported, never raised, because the SDK would then drop
            what the known options find.
    """

    def __init__(
        self,
        *,
        batch: bool = True,
        ci: bool = True,
        container: bool = True,
        notebook: bool = True,
        process: bool = True,
        vcs: bool = True,
        **unknown: object,
    ) -> None:
        super().__init__()
        for option in unknown:
            trouble.note(
                "resource detector option",
                "footfall: the resource detector has no option %r; it has %s",
                option,
                ", ".join(sorted(PARTS)),
            )
        wanted = {
            "batch": batch,
            "ci": ci,
            "container": container,
            "notebook": notebook,
            "process": process,
            "vcs": vcs,
        }
        self._parts = tuple(name for name in PARTS if wanted[name])

    def detect(self) -> Resource:
        """Return what was found, without a schema URL: a different one would make the SDK drop a detector's result."""
        return Resource(dict(_found(self._parts)))


def of_sdk() -> dict[str, AttributeValue]:
    """Return what OpenTelemetry's detectors say of process, system and host, as far as `KEPT` lets it pass."""
    found: dict[str, AttributeValue] = {}
    for name in SDK_DETECTORS:
        kind = getattr(resources, name, None)
        if kind is None:
            continue
        with guard(f"OpenTelemetry's {name}"):
            said = kind().detect().attributes
            corrected = {key: correct(str(said[key])) for key, correct in KEPT.items() if key in said}
            found |= {key: value for key, value in corrected.items() if value}
    return found


def _platform() -> dict[str, AttributeValue]:
    return _process.detect() | _host.detect() | of_sdk()


PARTS: Final[Mapping[str, tuple[Callable[[], Mapping[str, AttributeValue]], ...]]] = {
    "process": (_platform,),
    "container": (_container.detect,),
    "batch": (_batch.detect, _batch.job),
    "notebook": (_notebook.detect,),
    "ci": (_ci.detect, _ci_details.pipeline),
    "vcs": (_ci_details.repository,),
}
"""What each option looks at, in the order in which later answers count."""


@functools.lru_cache(maxsize=8)
def _found(parts: tuple[str, ...]) -> tuple[tuple[str, AttributeValue], ...]:
    """Look once in a process: an SDK makes its detectors up to three times."""
    found: dict[str, AttributeValue] = {}
    for name in parts:
        for look in PARTS[name]:
            found |= look()
    return tuple(found.items())
