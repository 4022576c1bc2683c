"""Which projects `opentelemetry-instrument` would observe here: all installed ones, and that of FOOTFALL_CONFIG."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from footfall.errors import ConfigurationError, UnsafeFileError
from footfall.registry.model import Registry, merge, quote

if TYPE_CHECKING:
    from footfall.settings import Settings


class Installed(msgspec.Struct, frozen=True):
    """What was found.

    Attributes:
        registries: One for each project, in the order they would be instrumented.
        problems: A sentence for each entry point or file that cannot be used.
    """

    registries: tuple[Registry, ...] = ()
    problems: tuple[str, ...] = ()

    def of(self, project: str) -> Registry | None:
        """Return the registry of *project*, or None."""
        return next((each for each in self.registries if each.project.lower() == project.lower()), None)


def installed(settings: Settings) -> Installed:
    """Return what would be instrumented, by the very readers that instrumenting uses; imports none of the packages."""
    from footfall.registry.entry_points import GROUP, discover
    from footfall.registry.yaml import load_config_file
    from footfall.wire.load import NAMES

    found: dict[str, Registry] = {}
    problems: list[str] = []

    def add(registry: Registry) -> None:
        known = found.get(registry.project)
        found[registry.project] = registry if known is None else merge(known, registry)

    def failed(name: str, error: Exception) -> None:
        problems.append(f"entry point {quote(name)} of group {GROUP}: {reason(error)}")

    for registry in discover(wires=NAMES, failed=failed):
        add(registry)
    if settings.config:
        try:
            add(load_config_file(settings.config, wires=NAMES))
        except (ConfigurationError, OSError) as error:
            problems.append(f"FOOTFALL_CONFIG is not used: {reason(error)}")
    return Installed(tuple(found.values()), tuple(problems))


def reason(error: Exception) -> str:
    """Return *error* as a sentence: its file and what the system says of it, or its own words."""
    if isinstance(error, OSError) and not isinstance(error, UnsafeFileError):
        return f"{error.filename}: {error.strerror}"
    return str(error)
