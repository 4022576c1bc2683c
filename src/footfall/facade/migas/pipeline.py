"""The bridge from migas' calls to footfall: who may be told, the crumb as a use, the question as one exchange.

A crumb is an event of its project, and a run is a run of it, so every destination of the project hears of both, not
only the migas server. Nothing here raises, and only `ask` waits, at most ``MIGAS_TIMEOUT``.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from footfall import runtime
from footfall.destination import Destination
from footfall.errors import ConfigurationError, TransportError, guard
from footfall.facade import asking
from footfall.facade.migas.config import Config, logger, timeout_seconds
from footfall.facade.migas.fields import CONTEXT, PROCESS, extra_fields, left_out, outcome_of, text_of
from footfall.instrumentation.recorder import Use
from footfall.registry.model import Registry, check_project
from footfall.runtime import Instrumented
from footfall.wire import migas_queries as queries
from footfall.wire.base import Request
from footfall.wire.migas import MigasWire
from footfall.wire.text import as_text, cut

Answer = dict[str, Any]
"""What calls return, in the original's shapes."""

CRUMB: Final = "breadcrumb"
"""Name of the event that a crumb is."""

MAX_VERSION_CHARACTERS: Final = 128

# Words that callers of the original may compare with.
DISABLED: Final = "migas telemetry is disabled."
NOT_SET_UP: Final = "migas setup incomplete - did you call `migas.setup()`?"
UNREACHABLE: Final = "Could not connect to server."
TIMED_OUT: Final = "Connection to server timed out."
NOT_KEPT: Final = "The crumb could not be kept."


def instrumented(project: str) -> Instrumented | Answer:
    """Return *project* as footfall knows it, made known now where need be, and with the server as a destination.

    Asks for consent each time, as the original does: who opts out while the program runs is heard at once.

    Returns:
        The project; or what a call returns, because of an opt-out, a missing `setup`, or a project or an endpoint that
        cannot be used.
    """
    here = runtime.current()
    if here.refusal(as_text(project)):
        return _errors(DISABLED)
    if Config.endpoint is None:
        return _errors(NOT_SET_UP)
    destination = Config.destination()
    if isinstance(destination, str):
        return {"success": False, "message": destination}
    known = here.projects.get(project)
    if known is None or destination not in known.state.send_to:
        return _instrument(here, project, destination)
    return known


def add_crumb(project: str, version: str, given: Mapping[str, Any], *, wait: bool) -> Answer | None:
    """Write a crumb to the journal; return None, or what the call returns when it must not be written.

    What a caller says about the process stands alone: no status is derived where none is given.
    """
    known = instrumented(project)
    if isinstance(known, dict):
        return known
    fields = {**left_out(PROCESS), **_of_all(), **extra_fields(given, (*CONTEXT, *PROCESS))}
    if wait:
        fields["migas.wait"] = True
    here = runtime.current()
    subject = here.subject(known, CRUMB, start=False, version=_version(version))
    written = here.recorder.event(
        subject,
        fields,
        message=text_of(fields, "status_desc"),
        outcome=outcome_of(fields),
        error_type=text_of(fields, "error_type"),
    )
    return None if written else {"success": False, "message": NOT_KEPT}


def begin_run(project: str, version: str, given: Mapping[str, Any], *, tell_start: bool) -> Use | None:
    """Begin a run of *project* now; None where nothing may be said about it.

    The start is written in any case, so that a run whose process is killed can be told of.
    """
    begun: Use | None = None
    with guard("track"):
        known = instrumented(project)
        if not isinstance(known, dict):
            fields = {**_of_all(), **extra_fields(given, CONTEXT)}
            if not tell_start:
                fields["migas.start"] = False
            here = runtime.current()
            subject = here.subject(known, project, start=True, version=_version(version))
            begun = here.recorder.begin(subject, extra=fields)
    return begun


def ask(operation: queries.Operation, project: str, make: Callable[[], Request]) -> Answer:
    """Return the server's answer to the request that *make* returns, within ``MIGAS_TIMEOUT``; never raises.

    Returns:
        The answer as the original returns it; ``{"success": False, "message": ...}`` where there is none.
    """
    answer: Answer = {"success": False, "message": UNREACHABLE}
    with guard("ask migas"):
        known = instrumented(project)
        if isinstance(known, dict):
            answer = known
        else:
            answer = _exchange(operation, make()) if known.decision.sends else _errors(DISABLED)
    return answer


def _exchange(operation: queries.Operation, request: Request) -> Answer:
    here = runtime.current()
    seconds = timeout_seconds()
    destination = Config.destination()
    if not seconds or isinstance(destination, str):
        return {"success": False, "message": TIMED_OUT}
    ends_at = time.monotonic() + seconds
    try:
        base_url = MigasWire().base_url(destination.endpoint)
        response = asking.ask(here, request, base_url=base_url, timeout_seconds=seconds)
    except TransportError as error:
        logger.info("migas: %s", error)
        return {"success": False, "message": TIMED_OUT if time.monotonic() >= ends_at else UNREACHABLE}
    return queries.read_answer(operation, response)


def _instrument(here: runtime.Runtime, project: str, destination: Destination) -> Instrumented | Answer:
    """Make *project* known with *destination*; where it was known, its other destinations stay.

    But for a server that an earlier setup named, and for the same server under other options: it would count twice.
    """
    try:
        check_project(as_text(project))
    except ConfigurationError as error:
        return {"success": False, "message": str(error)}
    known = here.projects.get(project)
    others = known.state.send_to if known is not None else ()
    same = destination.wire, destination.endpoint
    kept = tuple(other for other in others if other.key not in _ours and (other.wire, other.endpoint) != same)
    _ours.add(destination.key)
    here.instrument(Registry(project=project, send_to=(*kept, destination)))
    return here.projects.get(project) or _errors(DISABLED)


_ours: Final[set[str]] = set()
"""Keys of the destinations that came from `setup`."""


def _of_all() -> dict[str, Any]:
    """Return the extra fields of every crumb.

    In order, since dashboards take the last crumb of a session for its status, and the original waits for each.
    """
    return {**Config.fields(), "migas.in_order": True}


def _version(version: object) -> str:
    return cut(as_text(version), MAX_VERSION_CHARACTERS)


def _errors(message: str) -> Answer:
    return {"success": False, "errors": [{"message": message}]}
