"""What is told of the exception that ended a run.

By default its class name (reliability.md S5). A developer who wants more registers a handler for a class, which says
what text may leave; what it returns is scrubbed like every text.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable, Mapping
from types import TracebackType
from typing import Any, Final, TypeAlias, cast

from footfall.facade.migas.config import logger
from footfall.instrumentation.recorder import outcome_of
from footfall.usage import Outcome
from footfall.wire.migas_fields import DESCRIPTION_OF_RUN, STATUS_OF_OUTCOME

__all__ = ["inspect_error", "strip_filenames"]

Handler: TypeAlias = Callable[[type[BaseException], Any, "TracebackType | None"], Mapping[str, Any]]
"""Takes an exception's class, first argument and traceback; returns fields of the crumb."""

Handlers: TypeAlias = Mapping["str | type[BaseException]", Handler]
"""Handlers by class, or by the name of a class."""

REDACTED: Final = "<redacted>"

_PATH: Final = re.compile(r"(?<![\w<])(?:[A-Za-z]:|~\w*|\.{1,2})?[\\/][^\s\"'<>|*?:;,()\[\]{}]+")


def inspect_error(error_handlers: Any = None) -> dict[str, Any]:
    """Return the fields of a crumb that tells of the exception being handled now, or that ended the program.

    Args:
        error_handlers: As in `footfall.facade.migas.track`.

    Returns:
        ``status`` and ``status_desc``, for a failure also ``error_type``; a text of the exception only where a handler
        gives one.
    """
    last = getattr(sys, "last_exc", None) or getattr(sys, "last_value", None)
    error: BaseException | None = sys.exc_info()[1] or last
    outcome, name = outcome_of(error)
    told: dict[str, Any] = {"status": STATUS_OF_OUTCOME[outcome], "status_desc": DESCRIPTION_OF_RUN[outcome]}
    if outcome is Outcome.ERROR:
        told["error_type"] = name
    return told if error is None else {**told, **describe(error, resolve(error_handlers))}


def strip_filenames(text: str) -> str:
    """Return *text* with ``<redacted>`` for each path in it, of either kind of slash, absolute or begun with a dot."""
    return _PATH.sub(REDACTED, text)


def resolve(given: Any) -> Handlers:
    """Return the handlers that *given* means: a mapping, the name of a preset, or several of these; never raises."""
    if given is None:
        return {}
    if isinstance(given, Mapping):
        return {name: handler for name, handler in cast("Handlers", given).items() if callable(handler)}
    if isinstance(given, str):
        preset = _presets().get(given)
        if preset is None:
            logger.warning("migas: there are no error handlers called %r; there is 'nipype'", given)
        return preset or {}
    if isinstance(given, Iterable):
        several = cast("Iterable[Any]", given)  # type: ignore[redundant-cast]  # pyright knows less
        return {name: handler for one in several for name, handler in resolve(one).items()}
    logger.warning("migas: error handlers of type %s are not used", type(given).__name__)
    return {}


def describe(error: BaseException, handlers: Handlers) -> Mapping[str, Any]:
    """Return what the handler for *error* tells, the one for the nearest of its classes; {} where there is none."""
    for kind in type(error).__mro__:
        handler = handlers.get(kind) or handlers.get(kind.__name__)
        if handler is not None:
            # The first argument, as the original has it: for an OSError that is a number, so text where it is none.
            first = error.args[0] if error.args else None
            told = handler(type(error), first if isinstance(first, str) else str(error), error.__traceback__)
            return told if isinstance(told, Mapping) else {}  # pyright: ignore[reportUnnecessaryIsInstance]
    return {}


def _presets() -> Mapping[str, Handlers]:
    from footfall.facade.migas.error.nipype import node_execution_error  # noqa: PLC0415  it stands on this module

    return {"nipype": {"NodeExecutionError": node_execution_error}}
