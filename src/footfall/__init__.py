"""Usage telemetry for Python packages and jobs, on OpenTelemetry.

These names are the public interface, with `footfall.testing`, `footfall.wire.base` and `footfall.facade`. Importing the
package loads none of them, starts nothing and reads nothing.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from footfall import jobs
    from footfall.api import drain, event, instrument, job, register, step, track, uninstrument
    from footfall.destination import Destination
    from footfall.distro import FootfallInstrumentor, FootfallSpanExporter
    from footfall.distro_logs import FootfallLogExporter
    from footfall.errors import FootfallError
    from footfall.gathering.functions import collector, gather
    from footfall.version import VERSION as __version__  # noqa: N811  the name that tools ask for
    from footfall.wire.destinations import Access, Insights, Migas, Otlp, Ramen, Tracker

__all__ = [
    "Access",
    "Destination",
    "FootfallError",
    "FootfallInstrumentor",
    "FootfallLogExporter",
    "FootfallSpanExporter",
    "Insights",
    "Migas",
    "Otlp",
    "Ramen",
    "Tracker",
    "__version__",
    "collector",
    "drain",
    "event",
    "gather",
    "instrument",
    "job",
    "jobs",
    "register",
    "step",
    "track",
    "uninstrument",
]

_HOMES = {
    "Access": "footfall.wire.destinations",
    "Destination": "footfall.destination",
    "FootfallError": "footfall.errors",
    "FootfallInstrumentor": "footfall.distro",
    "FootfallLogExporter": "footfall.distro_logs",
    "FootfallSpanExporter": "footfall.distro",
    "Insights": "footfall.wire.destinations",
    "Migas": "footfall.wire.destinations",
    "Otlp": "footfall.wire.destinations",
    "Ramen": "footfall.wire.destinations",
    "Tracker": "footfall.wire.destinations",
    "__version__": "footfall.version:VERSION",
    "collector": "footfall.gathering.functions",
    "gather": "footfall.gathering.functions",
    "jobs": "footfall.jobs:",
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        msg = f"module 'footfall' has no attribute {name!r}"
        raise AttributeError(msg)
    from importlib import import_module  # noqa: PLC0415  with the first name that is used

    module, colon, attribute = _HOMES.get(name, "footfall.api").partition(":")
    home = import_module(module)
    value = home if colon and not attribute else getattr(home, attribute or name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
