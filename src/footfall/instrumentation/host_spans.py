"""The host's own OpenTelemetry: our uses appear there too, nested, where the host traces.

Rules of otel.md section 1: never set a provider, never take counts from the host's pipeline, never let an exception's
text or traces into a span. A private span is never made current; what we make current is a span of the *host's* tracer.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import msgspec

from footfall import attributes
from footfall.errors import guard
from footfall.usage import ADDRESSED

if TYPE_CHECKING:
    from opentelemetry._logs import LoggerProvider
    from opentelemetry.trace import Span, Tracer, TracerProvider

SpanToken: TypeAlias = Any
"""What OpenTelemetry's context gave for attaching a span: a `contextvars.Token`, unless a host brought its own."""

_SDK: Final = "opentelemetry.sdk.trace"
_LOGS_SDK: Final = "opentelemetry.sdk._logs"
_SCALARS: Final = frozenset({str, bool, int, float})


class Opened(msgspec.Struct, frozen=True):
    """A span that has begun.

    Attributes:
        span: The host's.
        ids: Trace id and span id in one number, or 0 where the span has none.
        parent: Span id of the one that was current, or "".
    """

    span: Any
    ids: int
    parent: str


class HostSpans:
    """Finds the host's tracer and logger once they are there.

    Args:
        version: Of footfall, for the instrumentation scope.
        tracer_provider: As OpenTelemetry's instrumentors take it; None for the global one.
        logger_provider: Likewise, for events.
    """

    def __init__(
        self,
        version: str,
        *,
        tracer_provider: TracerProvider | None = None,
        logger_provider: LoggerProvider | None = None,
    ) -> None:
        self._version = version
        self._tracer_provider = tracer_provider
        self._logger_provider = logger_provider
        self._tracer: Tracer | None = None
        self._logger: Any = None
        self.given = tracer_provider is not None

    def take_from(self, other: HostSpans) -> None:
        """Use the providers that *other* uses."""
        self._tracer_provider, self._logger_provider = other._tracer_provider, other._logger_provider
        self._tracer, self._logger, self.given = None, None, other.given

    def tracer(self) -> Tracer | None:
        """Return the tracer, or None while the host has no real provider. Costs two look-ups while there is none."""
        if self._tracer is None and (self.given or _SDK in sys.modules):
            self._find_tracer()
        return self._tracer

    def logger(self) -> Any:
        """Return the host's logger for events, or None while the host has no real provider."""
        if self._logger is None and (self._logger_provider is not None or _LOGS_SDK in sys.modules):
            provider = self._logger_provider or _set_once("opentelemetry._logs._internal", "_LOGGER_PROVIDER")
            if provider is not None:
                self._logger = provider.get_logger(
                    attributes.SCOPE_NAME, self._version, schema_url=attributes.SCHEMA_URL
                )
        return self._logger

    def begin_span(self, name: str, fields: Callable[[], dict[str, Any]]) -> Opened | None:
        """Begin a span on the host's tracer, current nowhere yet; None where the host does not trace.

        The parent is the span that is current: also a non-recording one has ids, and it decides on sampling.
        """
        tracer = self.tracer()
        if tracer is None:
            return None
        from opentelemetry.trace import get_current_span  # noqa: PLC0415  only where the host has it loaded

        outer = get_current_span().get_span_context()
        span = tracer.start_span(name, attributes=fields(), record_exception=False, set_status_on_exception=False)
        context = span.get_span_context()
        parent = f"{outer.span_id:016x}" if outer.is_valid else ""
        return Opened(span, context.trace_id << 64 | context.span_id if context.is_valid else 0, parent)

    def attach(self, span: Span) -> SpanToken:
        """Make *span* the current one; return what `detach` takes."""
        from opentelemetry import context, trace  # noqa: PLC0415  only where the host has it loaded

        return context.attach(trace.set_span_in_context(span))

    def detach(self, token: SpanToken) -> None:
        """Make current what was so before; say nothing where the block is left in another context than it was entered.

        OpenTelemetry's own `detach` logs an error there, which is the host's log (otel.md section 3, "Generators").
        """
        from opentelemetry import context  # noqa: PLC0415  only where the host has it loaded

        variable: Any = getattr(token, "var", None)
        if variable is None:
            context.detach(token)
        else:
            with suppress(ValueError):
                variable.reset(token)

    def describe(self, span: Span, extra: Mapping[str, Any]) -> None:
        """Put further fields on *span*, under the names and in the types that OpenTelemetry takes."""
        span.set_attributes(_extra(extra))

    def end_span(self, span: Span, error_type: str, items: int) -> None:
        """End *span*: with status ERROR and the class name of what was raised, whose text and traceback stay here."""
        if error_type:
            from opentelemetry.trace import StatusCode  # noqa: PLC0415  only where the host has it loaded

            span.set_status(StatusCode.ERROR)
            span.set_attribute(attributes.ERROR_TYPE, error_type)
        if items >= 0:
            span.set_attribute(attributes.ITEMS, items)
        span.end()

    def emit(self, name: str, fields: dict[str, Any], extra: Mapping[str, Any], *, time_ns: int) -> None:
        """Emit event *name* on the host's logger, where there is one. The current span is its context; no body.

        Args:
            name: Of the event.
            fields: Attributes.
            extra: Further fields, under the names and in the types that OpenTelemetry takes.
            time_ns: UTC.
        """
        logger = self.logger()
        if logger is None:
            return
        from opentelemetry._logs import SeverityNumber  # noqa: PLC0415  only where the host has it loaded

        values: dict[str, Any] = {
            "timestamp": time_ns,
            "severity_number": SeverityNumber.INFO,
            "event_name": name,
            "attributes": {**fields, **_extra(extra)},
        }
        if not hasattr(logger, "enabled"):  # earlier versions took a record of a class of the SDK
            sdk: Any = sys.modules[_LOGS_SDK]
            logger.emit(sdk.LogRecord(**values))
        elif logger.enabled(severity_number=SeverityNumber.INFO, event_name=name):
            logger.emit(**values)

    def _find_tracer(self) -> None:
        # The caller is on its way into the user's function: a provider that fails is as good as none.
        with guard("host tracer"):
            provider = self._tracer_provider or _set_once("opentelemetry.trace", "_TRACER_PROVIDER")
            if provider is not None:
                self._tracer = provider.get_tracer(
                    attributes.SCOPE_NAME, self._version, schema_url=attributes.SCHEMA_URL
                )


def _set_once(module: str, name: str) -> Any:
    """Return OpenTelemetry's global provider when the host has set one, else None.

    The public getter is not used on purpose: while nothing is set it reads the environment (1 us for each call) and,
    where ``OTEL_PYTHON_TRACER_PROVIDER`` is set, makes a provider of its own, which is the host's to decide.
    """
    return getattr(sys.modules.get(module), name, None)


def _extra(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {
        attributes.EXTRA_PREFIX + key: _value(value)
        for key, value in fields.items()
        if value is not None and not key.startswith(ADDRESSED)  # theirs alone, be it a login name
    }


def _value(value: Any) -> Any:
    kinds: set[type[Any]] = {type(each) for each in value} if type(value) in {list, tuple} else {type(value)}
    if len(kinds) <= 1 and kinds <= _SCALARS:
        return value
    return msgspec.json.encode(value).decode()  # dicts and mixed lists: 1.44 of the SDK drops them with a warning
