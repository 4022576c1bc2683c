"""Where packages go, and with which proof: the bridge from `Package` to a destination."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from typing import Final
from urllib.parse import urlsplit

from footfall.courier.credentials import hold
from footfall.destination import Destination, check

WAIT_SECONDS: Final = 62.0
"""For each package of a run: the original waits 31 s for a connection and 31 s for each read."""

MOST_SECONDS: Final = 600.0
"""For all of a run's packages; what is not delivered then stays, and is delivered later."""

_LEFT_OUT: Final = frozenset({"content-type", "content-length", "host", "transfer-encoding", "connection"})
"""The tarball's own, or none of the caller's business."""


def ingress(
    url: str, headers: Iterable[tuple[str, str]], options: Mapping[str, str | int | float | bool], label: str
) -> Destination:
    """Return the server at *url*. The headers are held in this process, and never on disk.

    Args:
        url: That is posted to.
        headers: The caller's own and those that authenticate; those about the body are left out.
        options: Files for TLS.
        label: Whose headers they are.

    Raises:
        ConfigurationError: The URL cannot be posted to, or a header is none.
    """
    lines = [f"{name}: {value}" for name, value in headers if name.lower() not in _LEFT_OUT]
    credentials = hold("\n".join(lines), f"insights headers {url} {label}") if lines else ""
    return _checked(url, {key: value for key, value in options.items() if value}, credentials)


def bucket(url: str, region: str, name: str, keys: tuple[str, str], label: str) -> Destination:
    """Return the bucket *name*; its *keys*, access and secret, are held in this process.

    Args:
        url: Of a store that speaks S3; "" is Amazon's in *region*.
        region: Of the bucket.
        name: Of the bucket.
        keys: Access key and secret key.
        label: Whose they are.

    Raises:
        ConfigurationError: The URL cannot be sent to.
    """
    url = f"{(url or f'https://s3.{region}.amazonaws.com').rstrip('/')}/{name}"
    reference = hold(":".join(keys), f"insights s3 {url} {label}")
    return _checked(url, {"auth": "s3", "region": region}, reference)


def basic(user: str, password: str) -> str:
    """Return the value of ``Authorization`` that names user and password."""
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode("ascii")


def _checked(url: str, options: Mapping[str, str | int | float | bool], credentials: str) -> Destination:
    # Who writes http:// into a program of theirs means it, as with the original.
    insecure = urlsplit(url).scheme == "http"
    return check(
        Destination(wire="insights", endpoint=url, options=options, credentials=credentials, insecure=insecure)
    )
