"""`ApiHandler`, `ProductionToggle`, `SessionID`: what a program says, to whom, and as which session."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final, cast

from footfall import runtime
from footfall.facade.access import pipeline
from footfall.facade.access.state import PRODUCTION_URL, STAGING_URL, Endpoints, state

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["TOGGLE", "ApiHandler", "ProductionToggle", "SessionID"]


class PopFields(dict[str, list[str]]):
    """What `ApiHandler.pop_fields` is: fields by service, and by call, as the original's README has it, a setter."""

    def __call__(self, service: str, fields: str | Iterable[str]) -> None:
        """Leave *fields* out of *service*'s records."""
        state.drop_fields(service, fields)


class ApiHandler:
    """The one handler of this process, wherever it is made.

    Args:
        server_url: Taken and not used, as in the original: set the attribute.
    """

    _instance: ApiHandler | None = None

    def __new__(cls, server_url: str = PRODUCTION_URL) -> Self:
        """Return the one instance."""
        del server_url
        if cls._instance is None:
            cls._instance = super().__new__(cls)
        return cls._instance  # type: ignore[return-value]  # of this class

    # -- where to ---------------------------------------------------------------------------------------------------

    @property
    def server_url(self) -> str:
        """Base URL of all endpoints; one that cannot be used is said in the log, and nothing is sent then."""
        return state.server_url

    @server_url.setter
    def server_url(self, url: str) -> None:
        if not isinstance(cast("object", url), str):
            msg = f"server_url must be a text such as {PRODUCTION_URL!r}, not {type(url).__name__}"
            raise TypeError(msg)
        state.server_url = url
        state.changed()

    @property
    def insecure(self) -> bool:
        """Whether plain http to another machine is allowed; not in the original, which allows it always."""
        return state.insecure

    @insecure.setter
    def insecure(self, allowed: bool) -> None:
        state.insecure = bool(allowed)
        state.changed()

    @property
    def request_timeout(self) -> float | None:
        """Kept for the program, and not used: no call waits for a server."""
        return state.request_timeout_seconds

    @request_timeout.setter
    def request_timeout(self, seconds: float | None) -> None:
        if seconds is not None:
            if not isinstance(cast("object", seconds), (int, float)):
                msg = f"request_timeout must be seconds or None, not {type(seconds).__name__}"
                raise TypeError(msg)
            if not seconds > 0:
                msg = f"request_timeout must be more than 0 seconds, not {seconds}"
                raise ValueError(msg)
        state.request_timeout_seconds = seconds

    @property
    def endpoints(self) -> Endpoints:
        """Service to endpoint; assign to it to add a service: ``endpoints["my_service"] = "my/service"``."""
        return state.endpoints

    @property
    def headers(self) -> dict[str, dict[str, str]]:
        """Service to its headers, a copy: `set_headers` changes them."""
        return {service: dict(state.headers(service)) for service in state.endpoints}

    def set_headers(self, service_names: str | Iterable[str] | None, headers: Mapping[str, str]) -> None:
        """Send *headers* with each record, in place of those set before.

        Secrets, such as ``Authorization``, are kept in memory only: a record that this process does not deliver waits
        for one that has set the same.

        Args:
            service_names: One service, several, or None for all.
            headers: Names and values.

        Raises:
            KeyError: A service has no endpoint.
        """
        state.set_headers(service_names, headers)

    def clear_headers(self, service_names: str | Iterable[str] | None = None) -> None:
        """Send no headers any more for one service, several, or all.

        Raises:
            KeyError: A service has no endpoint.
        """
        state.set_headers(service_names, {})

    # -- what is said -----------------------------------------------------------------------------------------------

    @property
    def extra_fields(self) -> dict[str, dict[str, Any]]:
        """Service to further fields of its records, a copy: `add_extra_fields` changes them."""
        return {service: dict(state.extra_fields.get(service, {})) for service in state.endpoints}

    def add_extra_fields(self, service_name: str, fields: Mapping[str, Any] | Iterable[Mapping[str, Any]]) -> None:
        """Add *fields* to each record of a service from now on, besides those added before.

        Args:
            service_name: The service.
            fields: A mapping, or several. One called like a standard field replaces it.

        Raises:
            KeyError: The service has no endpoint.
            TypeError: *fields* is something else.
        """
        state.add_fields(service_name, fields)

    def add_extra_field(self, service_name: str, field: Mapping[str, Any]) -> None:
        """As `add_extra_fields`: the name that the original's README has, and its code has not.

        Raises:
            KeyError: The service has no endpoint.
            TypeError: *field* is no mapping.
        """
        state.add_fields(service_name, field)

    @property
    def pop_fields(self) -> PopFields:
        """Service to fields left out of its records, a copy; called, it leaves out more: see `remove_fields`."""
        return PopFields({service: list(names) for service, names in state.dropped.items()})

    def remove_fields(self, service: str, fields: str | Iterable[str]) -> None:
        """Leave *fields* out of the service's records from now on, besides those left out already.

        Args:
            service: The service.
            fields: A name, or several. One that a record does not have is no trouble.
        """
        state.drop_fields(service, fields)

    # -- saying it --------------------------------------------------------------------------------------------------

    def send_api_request(
        self,
        service_name: str,
        function_name: str,
        args: list[Any] | tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> None:
        """Record one call; it is delivered later. Never raises and never waits, in a running event loop or outside.

        Args:
            service_name: One that has an endpoint; another one is said in the log.
            function_name: Such as ``esm_datastore.search``.
            args: Positional arguments; scrubbed before anything is written, as are the keyword arguments.
            kwargs: Keyword arguments.
        """
        pipeline.send(service_name, function_name, args, kwargs)

    def send_failure_api_request(self, service_name: str, code: str, endpoint: str) -> None:
        """Do nothing: the source text of a cell is never sent (access.md D6)."""
        del service_name, code, endpoint


class ProductionToggle:
    """Which server the handler talks to; the one toggle of this process, wherever it is made."""

    PRODUCTION_URL: Final = PRODUCTION_URL
    STAGING_URL: Final = STAGING_URL

    _instance: ProductionToggle | None = None

    def __new__(cls) -> Self:
        """Return the one instance."""
        if cls._instance is None:
            cls._instance = super().__new__(cls)
        return cls._instance  # type: ignore[return-value]  # of this class

    def __repr__(self) -> str:
        return f"ProductionToggle(production={self.production})"

    @property
    def production(self) -> bool:
        """Whether records go to the production server. Set it, and `ApiHandler.server_url` follows."""
        return state.is_production

    @production.setter
    def production(self, on: bool) -> None:
        if not isinstance(cast("object", on), bool):
            msg = f"production must be True or False, not {type(on).__name__}"
            raise TypeError(msg)
        state.is_production = on
        ApiHandler().server_url = PRODUCTION_URL if on else STAGING_URL


TOGGLE: Final = ProductionToggle()
"""The one toggle."""


class SessionID:
    """``SessionID()`` is the text that this process's records have as session: a UUID, a new one in a fork child."""

    def __new__(cls) -> str:  # type: ignore[misc]  # as in the original: a text, not an instance
        """Return the session id of this process."""
        return runtime.current().session.id

    @staticmethod
    def create_session_id() -> str:
        """Return a new random id, which is no session's."""
        return str(uuid.uuid4())
