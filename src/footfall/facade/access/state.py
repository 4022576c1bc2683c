"""What a program has told the facade: server, endpoints, headers, fields. Nothing here sends, records or waits.

Changes are read at the time of each call, so what is added after a function was decorated counts for it too.
"""

from __future__ import annotations

from collections import UserDict
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, cast

from footfall.courier.credentials import Headers
from footfall.facade.access.defaults import ENDPOINTS

PRODUCTION_URL: Final = "https://reporting.access-nri-store.cloud.edu.au/api/"
STAGING_URL: Final = "https://reporting-dev.access-nri-store.cloud.edu.au/api/"


class Endpoints(UserDict[str, str]):
    """Service to endpoint, such as ``my_service`` to ``my/service``; programs add theirs.

    Args:
        changed: Called after each change.
    """

    def __init__(self, changed: Callable[[], None]) -> None:
        self._changed: Callable[[], None] = lambda: None
        super().__init__(ENDPOINTS)
        self._changed = changed

    def __setitem__(self, service: str, endpoint: str) -> None:
        super().__setitem__(service, endpoint)
        self._changed()

    def __delitem__(self, service: str) -> None:
        super().__delitem__(service)
        self._changed()


class State:
    """The configuration of this process.

    Attributes:
        server_url: Base of all endpoints. The original begins without ``/api/`` (access.md D1).
        insecure: Whether plain http to another machine is allowed.
        request_timeout_seconds: Kept and not used: no call waits for a server.
        is_production: Which of the two servers the toggle chose last.
        endpoints: Service to endpoint.
        extra_fields: Service to fields of each of its records.
        dropped: Service to fields that its records do not have.
        silent: Service and name of decorated functions that were deregistered.
        version: Of what destinations are made of.
        listeners: Called when a service may have got an endpoint, or another destination.
    """

    def __init__(self) -> None:
        self.listeners: list[Callable[[], None]] = []
        self.version = 0
        self.forget()

    def forget(self) -> None:
        """Be as at the start; for tests."""
        self.server_url = PRODUCTION_URL
        self.insecure = False
        self.request_timeout_seconds: float | None = None
        self.is_production = True
        self.endpoints = Endpoints(self.changed)
        self.extra_fields: dict[str, dict[str, Any]] = {}
        self.dropped: dict[str, tuple[str, ...]] = {}
        self.silent: set[tuple[str, str]] = set()
        self._headers: dict[str, Headers] = {}

    def changed(self) -> None:
        """Tell the listeners."""
        self.version += 1
        for listener in self.listeners:
            listener()

    def check(self, service: str) -> str:
        """Return *service* when it has an endpoint.

        Raises:
            KeyError: It has none.
        """
        if service not in self.endpoints:
            raise KeyError(missing(service))
        return service

    def chosen(self, services: str | Iterable[str] | None) -> list[str]:
        """Return *services* as a list: one name, several, or None for all.

        Raises:
            KeyError: One of them has no endpoint.
        """
        if services is None:
            return list(self.endpoints)
        return [self.check(service) for service in ([services] if isinstance(services, str) else services)]

    def headers(self, service: str) -> Mapping[str, str]:
        """Return the headers of *service*'s requests; a `repr` shows the names only."""
        return self._headers.get(service) or Headers({})

    def set_headers(self, services: str | Iterable[str] | None, headers: Mapping[str, str]) -> None:
        """Put *headers* in place of those that *services* had.

        Raises:
            KeyError: A service has no endpoint.
        """
        for service in self.chosen(services):
            self._headers[service] = Headers(headers)
        self.changed()

    def add_fields(self, service: str, fields: Mapping[str, Any] | Iterable[Mapping[str, Any]]) -> None:
        """Add *fields* to those of *service*; a later value of one field holds.

        Raises:
            KeyError: The service has no endpoint.
            TypeError: *fields* is neither a mapping nor several.
        """
        self.check(service)
        found: dict[str, Any] = {}
        several: Any = [fields] if isinstance(fields, Mapping) else fields
        for each in several:
            if not isinstance(each, Mapping):
                msg = (
                    f"fields of {service!r} must be a mapping, such as {{'version': '1.0'}}, not {type(each).__name__}"
                )
                raise TypeError(msg)
            found.update(cast("Mapping[str, Any]", each))
        # Replaced whole: another thread may be reading.
        self.extra_fields[service] = {**self.extra_fields.get(service, {}), **found}

    def drop_fields(self, service: str, fields: str | Iterable[str]) -> None:
        """Let *service*'s records go without *fields*, besides those left out already."""
        names = (fields,) if isinstance(fields, str) else tuple(fields)
        self.dropped[service] = tuple(dict.fromkeys((*self.dropped.get(service, ()), *names)))


def missing(service: str) -> str:
    """Return what is told about a service without endpoint."""
    return f"Endpoint {service!r} not found. Please add an endpoint for this service."


state: Final = State()
"""The one instance of this process."""
