"""What `opentelemetry-instrument` loads: the instrumentor and the exporter, without a line of code in the application.

The auto loader calls ``FootfallInstrumentor().instrument()`` and stops at the first exception, so nothing here raises:
whatever is wrong with one project is logged and counted, and the others are instrumented (otel.md section 2).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

# Their module switches type checking off for itself, so the base class is untyped.
from opentelemetry.instrumentation.instrumentor import BaseInstrumentor  # type: ignore[attr-defined]

from footfall import api, runtime
from footfall.errors import ConfigurationError, FootfallError, guard, trouble
from footfall.export.exporter import UsageSpanExporter
from footfall.usage import Usage


class FootfallInstrumentor(BaseInstrumentor):  # type: ignore[misc]  # see the import
    """Instruments every installed project, the one that ``FOOTFALL_CONFIG`` names, and the one that is given.

    Options of `instrument`, besides OpenTelemetry's ``tracer_provider`` and ``logger_provider``: those of
    `footfall.instrument`. Unlike other instrumentors it may be called again: what is given later is merged.
    """

    _instance = None  # each class its own: a subclass would otherwise get the base's instance (otel.md section 2)

    def instrumentation_dependencies(self) -> Collection[str]:
        """Return nothing: what can be wrapped is decided for each target."""
        return []

    def instrument(self, **kwargs: Any) -> None:
        """Instrument; a second call is not dropped, as the base class would, but adds what it was given."""
        if self.is_instrumented_by_opentelemetry:
            with guard("instrument"):
                self._instrument(**kwargs)
            return
        super().instrument(**kwargs)

    def _instrument(self, **kwargs: Any) -> None:
        kwargs.pop("skip_dep_check", None)
        with guard("instrument"):
            if runtime.current().refusal():
                return
            providers = {name: kwargs.pop(name, None) for name in ("tracer_provider", "logger_provider")}
            if kwargs:
                _one("instrument()", **providers, **kwargs)
                return
            _discovered(providers)
            _configured(providers)

    def _uninstrument(self, **kwargs: Any) -> None:
        del kwargs
        with guard("uninstrument"):
            api.uninstrument()


class FootfallSpanExporter(UsageSpanExporter):
    """Exporter ``footfall`` for ``OTEL_TRACES_EXPORTER``: takes no arguments, does nothing until a span comes."""

    def __init__(self) -> None:
        super().__init__(_record, lambda: True)


def _one(what: str, **kwargs: Any) -> None:
    try:
        api.instrument(**kwargs)
    except (FootfallError, OSError) as error:
        trouble.note("instrument", "footfall: %s", error)
    except TypeError:
        trouble.note("instrument", "footfall: %s got an option it does not know: %s", what, ", ".join(sorted(kwargs)))


def _discovered(providers: dict[str, Any]) -> None:
    from footfall.registry.entry_points import discover  # noqa: PLC0415
    from footfall.wire.load import NAMES  # noqa: PLC0415

    here = runtime.current()
    for registry in discover(wires=NAMES):
        for warning in registry.warnings:
            trouble.note("registry", "footfall: %s", warning)
        with guard("instrument"):
            here.instrument(registry, **providers)


def _configured(providers: dict[str, Any]) -> None:
    here = runtime.current()
    path = here.settings.config
    if not path:
        return
    from footfall.registry.yaml import load_config_file  # noqa: PLC0415
    from footfall.wire.load import NAMES  # noqa: PLC0415

    try:
        registry = load_config_file(path, wires=NAMES)
    except (ConfigurationError, OSError) as error:
        trouble.note("instrument", "footfall: FOOTFALL_CONFIG is not used: %s", error)
        return
    here.instrument(registry, **providers)


def _record(usage: Usage) -> bool:
    return runtime.current().record(usage)


__all__: Sequence[str] = ["FootfallInstrumentor", "FootfallSpanExporter"]
