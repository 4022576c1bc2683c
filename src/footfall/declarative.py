"""A declarative configuration file of OpenTelemetry's (``OTEL_CONFIG_FILE``), as far as it speaks of footfall.

    instrumentation/development:
      python:
        footfall:
          registry: [usage.yaml, intake_esm:footfall.yaml]   # or one; a path begins beside this file
          project: nipreps/fmriprep                          # these as in a footfall.yaml
          send_to: [{otlp: "https://collector.example.org"}]

Such a file decides where data go, so what holds for ``FOOTFALL_CONFIG`` holds for it and for the registries it names:
an absolute path, owned by the user or root, written by nobody else (reliability.md S2). Registries inside installed
packages are trusted as far as the code beside them is.

OpenTelemetry's loader instruments what a file disables, and what a variable disables that a file names; `is_disabled`
is asked for that reason (otel.md section 2, "Declarative configuration").
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, cast

from footfall import api
from footfall.errors import ConfigurationError, FootfallError, UnsafeFileError, guard, trouble
from footfall.registry.model import Registry, merge
from footfall.runtime import Runtime

VARIABLE: Final = "OTEL_CONFIG_FILE"
CALLER: Final = "opentelemetry.configuration"
"""Package that calls instrumentors with what a file says."""


def is_disabled(name: str, environ: Mapping[str, str]) -> bool:
    """Whether instrumentor *name* was told to do nothing, by ``OTEL_PYTHON_DISABLED_INSTRUMENTATIONS`` or a file."""
    disabled = {each.strip() for each in environ.get("OTEL_PYTHON_DISABLED_INSTRUMENTATIONS", "").split(",")}
    if disabled & {name, "*"}:
        return True
    path = environ.get(VARIABLE)
    if not path:
        return False
    with guard("read OTEL_CONFIG_FILE"):
        # Their own reader, for its ${VARIABLES}; it is loaded already, where a file was used.
        from opentelemetry.configuration.file import load_config_file  # noqa: PLC0415

        disabled |= _disabled_in(load_config_file(path))
    return name in disabled or "*" in disabled


def _disabled_in(configuration: Any) -> set[str]:
    """Return the instrumentors that a file switches off; "*" where it switches off everything."""
    listed = configuration.instrumentation_development
    options: dict[str, Any] = (listed.python or {}) if listed is not None else {}
    off = {name for name, said in options.items() if said and said.get("enabled", True) is False}
    return off | {"*"} if configuration.disabled else off


def as_list(value: object) -> list[Any]:
    """Return what a file says once or in a list, as a list; nothing for nothing."""
    if value is None:
        return []
    return list(cast("list[Any]", value)) if isinstance(value, (list, tuple)) else [value]


def instrument(options: Mapping[str, Any], here: Runtime, providers: Mapping[str, Any]) -> None:
    """Instrument what a file asks for. Each registry for itself: one that is wrong is reported, the others are used.

    Args:
        options: Below the instrumentor's name in the file.
        here: The process's runtime.
        providers: As `Runtime.instrument` takes them.
    """
    file = here.environ.get(VARIABLE, "")
    given = {key: value for key, value in options.items() if key != "registry" and value is not None}
    try:
        _check(file)
    except (FootfallError, OSError) as error:
        trouble.note("instrument", "footfall: %s is not used: %s", VARIABLE, error)
        return
    for number, place in enumerate(as_list(options.get("registry")) or [None], start=1):
        try:
            registry = _registry(place, given, file)
        except (FootfallError, OSError) as error:
            # A kind each: of one kind, only the first would be logged.
            trouble.note(f"instrument: registry {number} of {VARIABLE}", "footfall: %s", error)
            continue
        for warning in registry.warnings:
            trouble.note("registry", "footfall: %s", warning)
        with guard("instrument"):
            here.instrument(registry, **providers)


def _check(file: str) -> None:
    from footfall.registry.yaml import check_owner  # noqa: PLC0415  PyYAML is loaded where there is YAML

    if not Path(file).is_absolute():
        msg = (
            f"{file}: what names destinations must be an absolute path, else each working directory could bring its own"
        )
        raise UnsafeFileError(msg)
    check_owner(file)


def _registry(place: object, given: Mapping[str, Any], file: str) -> Registry:
    """Return the registry at *place* with what is *given* besides; without a place, what is given alone."""
    from footfall.registry.yaml import load_config_file, load_file, load_mapping  # noqa: PLC0415  as above
    from footfall.wire.load import NAMES  # noqa: PLC0415

    if place is None:
        return load_mapping(given, file, strict=False, wires=NAMES)
    if isinstance(place, Mapping):
        return load_mapping({**given, "registry": place}, file, strict=False, wires=NAMES)
    if not isinstance(place, str):
        msg = f"registry must be a path, package:file.yaml, or a list of them, not {type(place).__name__}"
        raise ConfigurationError(msg)
    inside = api.package_file(place)
    read = load_file(inside, wires=NAMES) if inside else load_config_file(Path(file).parent / place, wires=NAMES)
    return merge(read, load_mapping({"project": read.project, **given}, file, strict=False, wires=NAMES))
