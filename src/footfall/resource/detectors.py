"""footfall's knowledge of the process for a host's own OpenTelemetry SDK.

``OTEL_EXPERIMENTAL_RESOURCE_DETECTORS=footfall`` finds `FootfallResourceDetector` through entry point group
``opentelemetry_resource_detector``; in a configuration file it is ``detectors: [{footfall: {ci: true}}]``.

This module imports nothing of the SDK but `opentelemetry.sdk.resources`: the SDK loads detectors while its logs package
is still being imported, and one that needs that package is skipped with an error (otel.md section 2).
"""

from __future__ import annotations

import functools

from opentelemetry.sdk.resources import Resource, ResourceDetector

from footfall.resource import ci as _ci
from footfall.resource import container as _container
from footfall.resource import host as _host
from footfall.resource import process as _process
from footfall.usage import AttributeValue


class FootfallResourceDetector(ResourceDetector):
    """Adds platform, interpreter, container and CI to the host's resource: no identifier, no name, no path.

    It describes the host's telemetry to the host, sends nothing, and therefore does not ask whether footfall is on.

    Args:
        ci: Look for continuous integration.
        container: Look for a container.
        process: Report interpreter, operating system and processor family.
    """

    def __init__(self, *, ci: bool = True, container: bool = True, process: bool = True) -> None:
        super().__init__()
        self._parts = (bool(process), bool(container), bool(ci))

    def detect(self) -> Resource:
        """Return what was found, without a schema URL: a different one would make the SDK drop a detector's result."""
        return Resource(dict(_found(*self._parts)))


@functools.lru_cache(maxsize=8)
def _found(process: bool, container: bool, ci: bool) -> tuple[tuple[str, AttributeValue], ...]:
    """Look once in a process: an SDK makes its detectors up to three times."""
    found: dict[str, AttributeValue] = {}
    if process:
        found |= _process.detect() | _host.detect()
    if container:
        found |= _container.detect()
    if ci:
        found |= _ci.detect()
    return tuple(found.items())
