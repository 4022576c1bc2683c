"""The gateway as a program: put together, served, and stopped gracefully."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import uvicorn

from footfall.delivery import Delivery
from footfall.errors import ConfigurationError, FootfallError
from footfall.gateway.configuration import Configuration, state_directory
from footfall.gateway.connections import protocol
from footfall.gateway.figures import Figures
from footfall.gateway.keeper import Keeper
from footfall.gateway.reception import Reception
from footfall.gateway.server import Gateway
from footfall.gateway.tokens import Tokens
from footfall.places import Places, find
from footfall.settings import Settings

if TYPE_CHECKING:
    from types import FrameType

BACKLOG: Final = 1024
KEEP_ALIVE_SECONDS: Final = 75
"""Longer than senders keep idle connections, so that they close them: a request on a closing one may be lost."""


def serve(
    configuration: Configuration, *, environ: Mapping[str, str] = os.environ, ready: Callable[[str], None]
) -> None:
    """Serve until SIGTERM or SIGINT, then stop gracefully.

    Args:
        configuration: What to serve.
        environ: For tokens and the state directory.
        ready: Called with the base URL when requests are answered.

    Raises:
        ConfigurationError: A token, a certificate, an address or a wire cannot be used.
        OutboxBusyError: Another gateway has the state directory.
        FootfallError: The state directory cannot be used.
    """
    tokens = Tokens(configuration.tokens, environ)
    listener = _listen(configuration)
    limits = configuration.limits
    try:
        delivery = Delivery(_places(configuration, environ), _settings(configuration), refuses=True)
    except BaseException:
        listener.close()
        raise
    figures = Figures()
    try:
        keeper = Keeper(delivery, configuration, waited=figures.queue_seconds.observe)
    except BaseException:
        listener.close()
        delivery.close()
        raise
    figures.watch(delivery.outbox, max_bytes=limits.outbox_bytes, ready=lambda: keeper.is_ready)
    reception = Reception(configuration, keeper.number, delivery.wire)
    gateway = Gateway(keeper, reception, tokens, figures, limits)
    _allow_descriptors(limits.connections + 256)
    keeper.start()
    server = _Server(
        uvicorn.Config(
            gateway.application(stopped=lambda: keeper.stop(limits.stop_seconds / 2)),
            http=protocol(limits),
            ws="none",
            lifespan="on",
            log_config=None,
            access_log=False,
            server_header=False,
            date_header=False,
            proxy_headers=False,
            backlog=BACKLOG,
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=max(1, int(limits.stop_seconds / 2)),
            ssl_certfile=configuration.listen.certificate or None,
            ssl_keyfile=configuration.listen.key or None,
        ),
        started=lambda: ready(_url(configuration, listener)),
    )
    with _exporting(configuration, figures, environ), _signals_end_quietly():
        server.run(sockets=[listener])


class _Server(uvicorn.Server):
    """Says when it is there."""

    def __init__(self, config: uvicorn.Config, *, started: Callable[[], None]) -> None:
        super().__init__(config)
        self._tell = started

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, then tell."""
        await super().startup(sockets)
        if self.started:
            self._tell()


def _listen(configuration: Configuration) -> socket.socket:
    listen = configuration.listen
    for name in filter(None, (listen.certificate, listen.key)):
        if not Path(name).is_file():
            msg = f"listen: {name} is not there; give the PEM files of certificate and key"
            raise ConfigurationError(msg)
    try:
        family = socket.getaddrinfo(listen.host, listen.port, type=socket.SOCK_STREAM)[0][0]
        made = socket.create_server((listen.host, listen.port), family=family, backlog=BACKLOG)
    except OSError as error:
        msg = f"listen: {listen.host}:{listen.port} cannot be had: {error.strerror or error}"
        raise ConfigurationError(msg) from None
    made.setblocking(False)
    return made


def _url(configuration: Configuration, listener: socket.socket) -> str:
    scheme = "https" if configuration.listen.certificate else "http"
    host = configuration.listen.host
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{listener.getsockname()[1]}"


def _places(configuration: Configuration, environ: Mapping[str, str]) -> Places:
    """Return the places in the state directory, which must be usable: a gateway does not look for another one."""
    state = state_directory(configuration)
    found = find(str(state), {"HOME": environ.get("HOME", "")})
    if found is None or found.state != state:
        msg = f"state: {state} cannot be used; it must be a directory of this user, mode 0700, that can be written"
        raise FootfallError(msg)
    return Places(
        state=found.state,
        journal=found.journal,
        outbox=found.outbox,
        status=found.status,
        config=None,  # what the user of this account said about their own programs is not about those of others
        network=found.network,
        host=found.host,
    )


def _settings(configuration: Configuration) -> Settings:
    limits = configuration.limits
    return Settings(outbox_max_bytes=limits.outbox_bytes, outbox_max_age_seconds=limits.age_seconds)


def _exporting(
    configuration: Configuration, figures: Figures, environ: Mapping[str, str]
) -> contextlib.AbstractContextManager[Any]:
    asked = any(environ.get(f"OTEL_EXPORTER_OTLP_{part}ENDPOINT") for part in ("", "METRICS_"))
    if configuration.metrics == "none" or (configuration.metrics == "auto" and not asked):
        return contextlib.nullcontext()
    from footfall.gateway.telemetry import exporting  # noqa: PLC0415  loads the SDK's metrics

    return exporting(figures)


@contextlib.contextmanager
def _signals_end_quietly() -> Any:
    """Let the signals that uvicorn raises again after its graceful stop do nothing: the exit status is 0."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def nothing(number: int, frame: FrameType | None) -> None:
        del number, frame

    before = {number: signal.signal(number, nothing) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _allow_descriptors(number: int) -> None:
    """Raise the soft limit of open files to *number*, as far as the hard one allows."""
    try:
        import resource  # noqa: PLC0415  not on Windows
    except ImportError:
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = number if hard == resource.RLIM_INFINITY else min(number, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
