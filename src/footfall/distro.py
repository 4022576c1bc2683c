"""What `opentelemetry-instrument` loads: the instrumentor and the exporters, without a line of code in the application.

The auto loader calls ``FootfallInstrumentor().instrument(skip_dep_check=True)`` and stops at the first exception, so
nothing here raises: whatever is wrong with one project is logged and counted, and the others are instrumented
(otel.md section 2).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

# Their module switches type checking off for itself, so the base class is untyped.
from opentelemetry.instrumentation.instrumentor import BaseInstrumentor  # type: ignore[attr-defined]

from footfall import api, declarative, installed, runtime
from footfall.errors import FootfallError, guard, trouble
from footfall.export.exporter import Door, UsageSpanExporter
from footfall.export.records import as_record
from footfall.usage import Usage

NAME: Final = "footfall"
"""In every entry point group of OpenTelemetry."""

PROVIDERS: Final = ("tracer_provider", "logger_provider")
OPTIONS: Final = frozenset({"project", "version", "registry", "send_to", "extra", "consent", "ci", "user_name"})


class FootfallInstrumentor(BaseInstrumentor):  # type: ignore[misc]  # see the import
    """Instruments every installed project, the one that ``FOOTFALL_CONFIG`` names, or the one that is given.

    Options of `instrument`, besides OpenTelemetry's ``tracer_provider`` and ``logger_provider``: those of
    `footfall.instrument`. Unlike other instrumentors it may be called again: what is given later is merged. In a file
    that ``OTEL_CONFIG_FILE`` names, under ``instrumentation/development: python: footfall:``, they are what
    `footfall.declarative` says.

    There is no dataclass ``configuration`` on purpose: with one, an option that it does not know would fail the whole
    instrumentor, and the auto loader would then instrument it without any option at all.
    """

    _instance = None  # each class its own: a subclass would otherwise get the base's instance (otel.md section 2)

    def instrumentation_dependencies(self) -> Collection[str]:
        """Return nothing: what can be wrapped is decided for each target."""
        return []

    def instrument(self, **kwargs: Any) -> None:
        """Instrument; a second call is not dropped, as the base class would, but adds what it was given.

        The auto loader calls once more after a configuration file did. That call has nothing to add, and what the file
        asked for, be it that nothing works, stands.
        """
        if not self.is_instrumented_by_opentelemetry:
            super().instrument(**kwargs)
        elif kwargs.keys() != {"skip_dep_check"}:
            with guard("instrument"):
                self._instrument(**kwargs)

    def _instrument(self, **kwargs: Any) -> None:
        # The base class takes these out, but not from a second call.
        kwargs.pop("skip_dep_check", None)
        kwargs.pop("raise_exception_on_conflict", None)
        with guard("instrument"):
            here = runtime.current()
            if here.refusal() or declarative.is_disabled(NAME, here.environ):
                return
            providers = {name: kwargs.pop(name, None) for name in PROVIDERS}
            if api.calling_module().startswith(declarative.CALLER):
                declarative.instrument(kwargs, here, providers)
            elif kwargs:
                _given(kwargs, providers)
            else:
                installed.instrument(providers)

    def _uninstrument(self, **kwargs: Any) -> None:
        del kwargs
        with guard("uninstrument"):
            api.uninstrument()


class FootfallSpanExporter(UsageSpanExporter):
    """Exporter ``footfall`` for ``OTEL_TRACES_EXPORTER`` and configuration files.

    Does nothing until a span comes, and raises nothing: if it did, the host would be left without any telemetry.

    Args:
        project: ``owner/name``, or a list of them: only their uses are taken. Default: all.
        **unknown: Reported, for this or a later version to understand.
    """

    def __init__(self, project: str | Sequence[str] | None = None, **unknown: object) -> None:
        super().__init__(door("traces", project, unknown))


def door(signal: str, project: object, unknown: Mapping[str, object]) -> Door:
    """Return what an exporter of *signal* with these options does with what it is handed."""
    if unknown:
        names = ", ".join(sorted(unknown))
        trouble.note("exporter", "footfall: the %s exporter has no option %s; it has: project", signal, names)
    return Door(_record, [str(each) for each in declarative.as_list(project)])


def _given(options: dict[str, Any], providers: Mapping[str, Any]) -> None:
    unknown = options.keys() - OPTIONS
    if unknown:
        trouble.note("instrument", "footfall: instrument() has no option %s; left out", ", ".join(sorted(unknown)))
    try:
        api.instrument(**{name: options[name] for name in options.keys() & OPTIONS}, **providers)
    except (FootfallError, OSError) as error:
        trouble.note("instrument", "footfall: %s", error)


def _record(usage: Usage) -> bool:
    return runtime.current().record(usage, as_record)


__all__: Sequence[str] = ["FootfallInstrumentor", "FootfallSpanExporter"]
