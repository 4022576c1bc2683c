"""The bridge from the facade's calls to footfall: a project for each service, a destination, and an event a call.

The project comes from the endpoint, ``intake/catalog`` being owner and name already, so that all a client's users can
be switched off, shown and counted by it. Nothing here raises but for a service without endpoint, and nothing waits.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

import msgspec

from footfall import runtime
from footfall.courier import credentials
from footfall.destination import Destination, check
from footfall.errors import ConfigurationError, guard, trouble
from footfall.facade.access.fields import fields_of, function_name
from footfall.facade.access.state import missing, state
from footfall.instrumentation.recorder import Subject
from footfall.registry.model import Entry, Registry, check_project
from footfall.runtime import Instrumented
from footfall.wire import access_headers

OWNER: Final = "access"
"""Of the project of an endpoint that has one part only."""


def project_of(endpoint: str) -> str:
    """Return the project that stands for *endpoint*: its first part, a slash, the others joined by dots.

    Raises:
        RegistryError: A part holds characters that no project has.
    """
    owner, _, name = endpoint.strip("/").partition("/")
    return check_project(f"{owner}/{name.replace('/', '.')}" if name else f"{OWNER}/{owner}")


def destination_of(service: str) -> Destination | None:
    """Return the server for *service*, with its headers; None, said in the log, where the server cannot be used."""
    version, found = _destinations.get(service, (-1, None))
    if version != state.version:
        version, found = state.version, None
        try:
            found = _destination(service)
        except ValueError as error:
            trouble.note("access server", "footfall: nothing is sent: %s", error)
        _destinations[service] = version, found
    return found


def _destination(service: str) -> Destination:
    # A query would end up in the middle of the path (access.md D11).
    endpoint = urlunsplit(urlsplit(state.server_url)._replace(query="", fragment=""))
    plain, secret = _headers(service)
    return check(
        Destination(
            wire="access",
            endpoint=endpoint,
            options={"headers": access_headers.as_text(plain)} if plain else {},
            credentials=credentials.hold(secret, f"access {endpoint} {service}") if secret else "",
            insecure=state.insecure,
            services=(service,),
        )
    )


def instrumented(service: str, entries: tuple[Entry, ...] = ()) -> Instrumented | None:
    """Return the project of *service*, made known now where need be; None where nothing may be said or done.

    Asks for consent each time: who opts out while the program runs is heard at once.

    Args:
        service: One that has an endpoint.
        entries: Functions to observe besides those of the project that are observed already.

    Raises:
        KeyError: It has none.
        RegistryError: Its endpoint cannot be that of a project.
    """
    here = runtime.current()
    project = project_of(state.endpoints[state.check(service)])
    if here.refusal(project):
        return None
    with here.lock:
        known = here.projects.get(project)
        destination = destination_of(service)
        if known is None or entries or _stale(service, known, destination):
            others = known.state.send_to if known is not None else ()
            kept = tuple(other for other in others if not _is_same(service, other, destination))
            _ours[service] = destination.key if destination is not None else ""
            send_to = kept if destination is None else (*kept, destination)
            if known is not None and not send_to:
                again(known, send_to=())  # merging would leave the earlier ones
            here.instrument(Registry(project=project, send_to=send_to, entries=entries))
            known = here.projects.get(project)
            if known is not None:
                known.names_user = True  # so that the notice says so
    return known


def again(known: Instrumented, **fields: Any) -> None:
    """Instrument a project anew with *fields* of its registry replaced; what decorators wrapped is bound again."""
    here = runtime.current()
    here.uninstrument(known.registry.project)
    here.instrument(msgspec.structs.replace(known.registry, **fields), packages=known.packages)


def send(service: str, function: object, args: object, kwargs: object) -> None:
    """Record a call that a program tells of by itself. Never raises; a service without endpoint is said in the log."""
    with guard("send_api_request"):
        name = function_name(service)
        if name not in state.endpoints:
            trouble.note("access service", "footfall: %s", missing(name))
            return
        known = instrumented(name)
        if known is None:
            return
        here = runtime.current()
        subject = here.subject(known, function_name(function), start=False, service=name)
        here.recorder.event(subject, tell(subject, "", args, kwargs))


def tell(subject: Subject, function: str, args: object, kwargs: object) -> dict[str, Any]:
    """Return the extra fields of a call of *subject*, whose definition says which fields are left out."""
    drop = tuple(f"access.{name}" for name in state.dropped.get(subject.service, ()))
    if subject.drop != drop:
        subject.drop = drop
        subject.meter.prefix = None  # it is defined anew in the journal, for the records from here on
    return fields_of(subject.service, function, args, kwargs)


class Observed(msgspec.Struct, frozen=True):
    """Tells of calls of an observed function, with their arguments; `Entry.per_call`.

    Attributes:
        function: As the record names it.
        listed: As the register names it, where it is a decorator's.
    """

    function: str
    listed: str = ""

    def __call__(self, subject: Subject, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return the extra fields of one call; None where the decorated function was deregistered."""
        if self.listed and (subject.service, self.listed) in state.silent:
            return None
        return tell(subject, self.function, args, kwargs)


def refresh() -> None:
    """Let the services that are known already go to where they go now."""
    with guard("access configuration"):
        for service in tuple(_ours):
            if service in state.endpoints:
                instrumented(service)


state.listeners.append(refresh)

_destinations: Final[dict[str, tuple[int, Destination | None]]] = {}
"""Service to version of the state, and what was made of it: a call should not parse headers."""

_ours: Final[dict[str, str]] = {}
"""Services that are known to footfall, and the keys of the destinations that came from here."""


def _stale(service: str, known: Instrumented, destination: Destination | None) -> bool:
    if destination is None:
        return bool(_ours.get(service))
    return destination not in known.state.send_to


def _is_same(service: str, other: Destination, destination: Destination | None) -> bool:
    """Whether records of *service* would count twice at *other*: an earlier one of ours, or the same server again."""
    if other.key == _ours.get(service):
        return True
    takes = not other.services or service in other.services
    return (
        destination is not None
        and takes
        and (other.wire, other.endpoint)
        == (
            destination.wire,
            destination.endpoint,
        )
    )


def _headers(service: str) -> tuple[dict[str, str], str]:
    """Return the headers of *service* that may be kept on disk, and the lines of the others, which never are."""
    plain: dict[str, str] = {}
    secret: list[str] = []
    for name, value in state.headers(service).items():
        line = f"{name}: {value}"
        if _takes(access_headers.as_text, {name: value}):
            plain[name] = value
        elif "\n" not in line and _takes(credentials.headers, credentials.Secret(line)):
            secret.append(line)  # or no secret, but nothing that may stand in the clear
        else:
            trouble.note("access header", "footfall: header %.80r of %s cannot be sent", name, service)
    return plain, "\n".join(secret)


def _takes(check_header: Callable[[Any], object], header: object) -> bool:
    try:
        check_header(header)
    except ConfigurationError:
        return False
    return True
