"""`Destination`: where a project's uses go, without any secret.

Written into journals, so that whoever adopts one knows where its lines belong. Credentials are references
(``env:NAME``, ``file:/path``, ``memory:<digits>``) that the courier resolves at send time (reliability.md S3).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from ipaddress import ip_address
from typing import Literal, cast
from urllib.parse import urlsplit

import msgspec

from footfall.errors import ConfigurationError

_REFERENCE = re.compile(r"env:[A-Za-z_][A-Za-z0-9_]*|file:/.+|memory:[0-9a-f]{32}")

InDoubt = Literal["", "retry", "drop"]
"""What to do after a request that got no answer; "" leaves it to the wire."""


class Destination(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One server as one project uses it.

    Attributes:
        wire: Name in entry point group ``footfall.wires``.
        endpoint: Base URL, http or https, without user name, query or fragment.
        options: Of the wire: scalars, never secrets.
        credentials: ``env:NAME`` or ``file:/path``, or what `footfall.courier.credentials.hold` returned; the value is
            a header line such as ``Authorization: Bearer ...`` (several lines, several headers). "" sends none.
        insecure: Allow plain http to a host that is not loopback.
        in_doubt: Override of the wire's own choice.
        services: Only records of these services of the registry go there; empty: all records.
    """

    wire: str
    endpoint: str
    options: Mapping[str, str | int | float | bool] = {}
    credentials: str = ""
    insecure: bool = False
    in_doubt: InDoubt = ""
    services: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """Stable short name: the wire, the host, and eight digits of a digest over all fields."""
        host = urlsplit(self.endpoint).netloc
        digest = hashlib.sha256(msgspec.json.encode(self, order="deterministic")).hexdigest()[:8]
        return f"{self.wire}:{host}:{digest}"


def check(destination: Destination) -> Destination:
    """Return *destination* when it may be sent to.

    Raises:
        ConfigurationError: It is something else than a destination, the endpoint is no absolute http(s) URL, carries a
            user name, password or query, is plain http to another machine without ``insecure=True`` (reliability.md
            S12), the credentials are a value instead of a reference, or an option holds what looks like a secret (S3).
    """
    if not isinstance(cast("object", destination), Destination):
        msg = (
            f"{type(destination).__name__} is no destination; write footfall.Otlp('https://...') or another of its kind"
        )
        raise ConfigurationError(msg)
    endpoint, wire = destination.endpoint, destination.wire
    _refuse_secrets(destination)
    try:
        parts = urlsplit(endpoint)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        msg = f"{wire}: endpoint {endpoint!r} is not a URL ({error}); write it as https://host[:port][/path]"
        raise ConfigurationError(msg) from None
    if parts.scheme not in {"http", "https"} or not host:
        msg = f"{wire}: endpoint {endpoint!r} must begin with https:// or http:// and name a host"
        raise ConfigurationError(msg)
    if parts.username is not None or parts.password is not None:
        msg = f"{wire}: the endpoint at {host} holds a user name or password; use credentials='env:NAME' instead"
        raise ConfigurationError(msg)
    if parts.query or parts.fragment:
        msg = f"{wire}: endpoint at {host} has a query or fragment, which no server of this kind reads; remove it"
        raise ConfigurationError(msg)
    if re.search(r"[\x00-\x20\x7f]", endpoint):
        msg = f"{wire}: endpoint {endpoint!r} holds blanks or control characters"
        raise ConfigurationError(msg)
    if parts.scheme == "http" and not destination.insecure and not is_loopback(host):
        msg = f"{wire}: plain http to {host} would travel unprotected; use https, or say insecure=True"
        raise ConfigurationError(msg)
    if destination.credentials and not _REFERENCE.fullmatch(destination.credentials):
        msg = f"{wire}: credentials must be a reference, env:NAME or file:/path, never the secret itself"
        raise ConfigurationError(msg)
    if any("/" in service for service in destination.services):  # as endpoints are written; records have "_" there
        services = tuple(service.replace("/", "_") for service in destination.services)
        return msgspec.structs.replace(destination, services=services)
    return destination


def takers(send_to: tuple[Destination, ...], service: str) -> tuple[Destination, ...]:
    """Return those of *send_to* that a record of *service* goes to: the very tuple, where that is all of them."""
    taking = tuple(each for each in send_to if not each.services or service in each.services)
    return send_to if len(taking) == len(send_to) else taking


def _refuse_secrets(destination: Destination) -> None:
    # Words such as a dialect hold none, and loading the scrubber takes as long as the rest of a set-up.
    texts = {name: text for name, text in destination.options.items() if isinstance(text, str) and " " in text}
    if not texts:
        return
    from footfall.scrub import holds_secret  # noqa: PLC0415

    for name, text in texts.items():
        if holds_secret(text):
            msg = (
                f"{destination.wire}: option {name!r} holds what looks like a secret, and options are kept on disk;"
                " use credentials='env:NAME' or 'file:/path' instead"
            )
            raise ConfigurationError(msg)


def is_loopback(host: str) -> bool:
    """Whether *host* is this machine: ``localhost`` or a loopback address."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def is_address(host: str) -> bool:
    """Whether *host* is an IP address, so that reaching it asks no name server."""
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
