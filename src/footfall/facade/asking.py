"""One question to a server, answered now: for the calls of the originals whose answer the caller waits for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from footfall.version import VERSION

if TYPE_CHECKING:
    from footfall.runtime import Runtime
    from footfall.wire.base import Request, Response


def ask(
    here: Runtime, request: Request, *, base_url: str, timeout_seconds: float, headers: Mapping[str, str] | None = None
) -> Response:
    """Return the answer to *request*, over a connection of its own; nothing of it stays open.

    Args:
        here: This process's runtime.
        request: What is asked.
        base_url: Of the server, without a final slash.
        timeout_seconds: For the whole exchange.
        headers: Credentials.

    Raises:
        TransportError: No usable answer within that time.
    """
    with here.background.loading:
        from footfall.courier.transport import HttpTransport, preload  # noqa: PLC0415  only questions need it

        preload()
    transport = HttpTransport(timeout_seconds, version=VERSION, environ=here.environ)
    try:
        return transport.send(request, base_url=base_url, headers=headers or {}, timeout_seconds=timeout_seconds)
    finally:
        transport.close()
