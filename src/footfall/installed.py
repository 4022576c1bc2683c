"""Instruments every project that is installed, and the one that ``FOOTFALL_CONFIG`` names.

For the doors by which a process comes to footfall without a line of code in the program: `opentelemetry-instrument`,
and the notebook extension.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from footfall import runtime
from footfall.errors import ConfigurationError, guard, trouble
from footfall.registry.model import Registry, merge


def instrument(providers: Mapping[str, Any]) -> None:
    """Instrument them in the runtime of this process. Nothing is raised: what is wrong with one is logged and counted.

    Args:
        providers: OpenTelemetry's ``tracer_provider`` and ``logger_provider``; None in them for the host's own.
    """
    from footfall.registry.entry_points import discover  # noqa: PLC0415
    from footfall.wire.load import NAMES  # noqa: PLC0415

    for registry in discover(wires=NAMES):
        for warning in registry.warnings:
            trouble.note("registry", "footfall: %s", warning)
        with guard("instrument"):
            _try(registry, providers)
    path = runtime.current().settings.config
    if not path:
        return
    from footfall.registry.yaml import load_config_file  # noqa: PLC0415

    try:
        registry = load_config_file(path, wires=NAMES)
    except (ConfigurationError, OSError) as error:
        trouble.note("instrument", "footfall: FOOTFALL_CONFIG is not used: %s", error)
        return
    _try(registry, providers)


def _try(registry: Registry, providers: Mapping[str, Any]) -> None:
    try:
        _add(registry, providers)
    except (ConfigurationError, OSError) as error:  # its job configurations: said to who configures, not to the user
        trouble.note("instrument", "footfall: %s is not observed: %s", registry.project, error)


def _add(registry: Registry, providers: Mapping[str, Any]) -> None:
    here = runtime.current()
    known = here.projects.get(registry.project)
    given = {name: provider for name, provider in providers.items() if provider is not None}
    if known is not None and not given and merge(known.registry, registry) == known.registry:
        return  # by another door already; once more would forget what the uses so far were counted against
    here.instrument(registry, **given)
