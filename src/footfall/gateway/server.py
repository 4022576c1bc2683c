"""The HTTP door: ``/v1/traces`` and ``/v1/logs``, and what operators look at. An ASGI application.

`ANSWERS` has them all. Nothing else, and never 500: senders of OTLP throw away what they get another answer for
(otel.md section 7).
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from footfall.errors import trouble
from footfall.gateway import body as bodies
from footfall.gateway import figures as metrics
from footfall.gateway.body import BodyError, GoneError, Room
from footfall.gateway.configuration import Limits
from footfall.gateway.keeper import Keeper, Kept
from footfall.gateway.reception import Received, Reception
from footfall.gateway.tokens import Tokens
from footfall.wire import otlp_messages as messages
from footfall.wire.otlp import LOGS_PATH, TRACES_PATH

ANSWERS: Final[Mapping[int, str]] = {
    200: "Kept and synced. A partial success says how many records were not taken, and why.",
    400: "No OTLP: another path or method, or a body that cannot be read.",
    401: "No bearer token, or none that is known.",
    413: "Too large, as it came or unpacked, or too many records; smaller batches are taken.",
    415: "Another content type than protobuf and JSON, or another encoding than gzip.",
    429: "Too many requests at work. The same again, after `Retry-After`.",
    503: "No room, too much waiting for a destination, a slow body, stopping, or trouble of ours. "
    "The same again, after `Retry-After`.",
}
"""Every answer, and what it means."""

WORKERS: Final = 2
"""Threads that unpack and translate. One at a time holds the interpreter; a second one goes on while it waits."""

INLINE_BYTES: Final = 16 * 1024
"""A body up to so much is worked on at once: handing it to a thread and back costs as much."""

AGAIN_SOON_SECONDS: Final = 1

_TYPES: Final = {messages.PROTOBUF, messages.JSON}
_TEXTS: Final = {
    Kept.FULL: "no room to keep this; send it again",
    Kept.BACKLOG: "a destination of this has too much waiting; send it again",
    Kept.FAILED: "this cannot be kept now; send it again",
    Kept.STOPPING: "the gateway stops; send it again",
}


class Door:
    """One of the two paths. An ASGI application of its own, so that Starlette reads no body.

    Args:
        gateway: What all paths share.
        signal: ``traces`` or ``logs``, for figures.
    """

    def __init__(self, gateway: Gateway, signal: str) -> None:
        self._gateway = gateway
        self._signal = signal

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer one request."""
        gateway, began = self._gateway, time.monotonic()
        request = _Asked(scope)
        try:
            answer = await self._answer(request, receive)
        except GoneError:
            return
        except BodyError as error:
            answer = _Answer(error.status, error.text, unread=True)
        except Exception as error:  # noqa: BLE001  a sender that gets a 500 throws the batch away
            trouble.hidden("answer", error)
            answer = _Answer(503, _TEXTS[Kept.FAILED])
        closing = answer.unread and (request.expects or not await bodies.drain(receive))
        # Counted before it is sent: whoever has the answer finds it in the figures.
        gateway.figures.requests.labels(self._signal, str(answer.status)).inc()
        gateway.figures.request_seconds.labels(self._signal).observe(time.monotonic() - began)
        await answer.send(send, request, self._signal, gateway.limits, closing=closing)

    async def _answer(self, request: _Asked, receive: Any) -> _Answer:
        gateway = self._gateway
        projects = gateway.tokens.projects(request.header(b"authorization"))
        if projects is None:
            raise BodyError(401, "a bearer token is asked for")
        if request.method != "POST":
            raise BodyError(400, "only POST is understood")
        if request.content_type not in _TYPES:
            raise BodyError(415, f"send {messages.PROTOBUF} or {messages.JSON}")
        encoding = request.header(b"content-encoding").lower() or "identity"
        if encoding not in {"identity", bodies.GZIP}:
            raise BodyError(415, "send the body as it is, or gzip")
        if gateway.keeper.is_full:
            raise BodyError(503, _TEXTS[Kept.FULL])
        body = await bodies.read(receive, declared=request.length, limits=gateway.limits, room=gateway.room)
        try:
            gateway.figures.received_bytes.inc(len(body))
            if gateway.at_work >= gateway.limits.requests:
                return _Answer(429, "too many requests at once; send it again")
            return await self._kept(body, request.content_type, encoding, projects)
        finally:
            gateway.room.give_back(len(body))

    async def _kept(self, body: bytes, content_type: str, encoding: str, projects: tuple[str, ...]) -> _Answer:
        gateway = self._gateway
        is_traces = self._signal == "traces"

        def work() -> Received:
            whole = bodies.unpacked(body, gateway.limits) if encoding == bodies.GZIP else body
            return gateway.reception.take(whole, content_type, is_traces=is_traces, projects=projects)

        with gateway.working():
            try:
                if len(body) <= INLINE_BYTES and encoding != bodies.GZIP:
                    received = work()
                else:
                    received = await asyncio.get_running_loop().run_in_executor(gateway.workers, work)
            except BodyError as error:
                return _Answer(error.status, error.text)
            except messages.TooManyError as error:
                return _Answer(413, str(error))
            except ValueError as error:
                return _Answer(400, str(error))
            kept = await asyncio.wrap_future(gateway.keeper.keep(received))
        if kept is not Kept.YES:
            return _Answer(503, _TEXTS[kept])
        gateway.figures.accepted.labels(self._signal).inc(received.records)
        for reason, count in received.rejected.items():
            gateway.figures.rejected.labels(self._signal, reason).inc(count)
        return _Answer(200, received.words(), rejected=received.lost)


class Gateway:
    """What the paths share, and the application around them.

    Args:
        keeper: Started and stopped by whoever made it.
        reception: For what comes in.
        tokens: Who may send.
        figures: Where it is counted.
        limits: How much is taken.
    """

    def __init__(
        self, keeper: Keeper, reception: Reception, tokens: Tokens, figures: metrics.Figures, limits: Limits
    ) -> None:
        self.keeper = keeper
        self.reception = reception
        self.tokens = tokens
        self.figures = figures
        self.limits = limits
        self.room = Room(limits.requests * limits.body_bytes)
        self.workers = ThreadPoolExecutor(WORKERS, thread_name_prefix="footfall-worker")
        self.at_work = 0

    @contextlib.contextmanager
    def working(self) -> Any:
        """Count a request as at work."""
        self.at_work += 1
        self.figures.at_work.set(self.at_work)
        try:
            yield
        finally:
            self.at_work -= 1
            self.figures.at_work.set(self.at_work)

    def application(self, stopped: Callable[[], None] = lambda: None) -> Starlette:
        """Return the ASGI application.

        Args:
            stopped: Called when the last request has its answer.
        """

        @contextlib.asynccontextmanager
        async def lifespan(_: Starlette) -> AsyncGenerator[None]:
            yield
            await asyncio.get_running_loop().run_in_executor(None, stopped)
            self.workers.shutdown(wait=False, cancel_futures=True)

        return Starlette(
            routes=[
                Route(TRACES_PATH, Door(self, "traces")),
                Route(LOGS_PATH, Door(self, "logs")),
                Route("/healthz", _healthy),
                Route("/readyz", self._ready),
                Route("/metrics", self._metrics),
                Route("/{path:path}", _Elsewhere()),
            ],
            lifespan=lifespan,
        )

    async def _ready(self, request: Request) -> Response:
        del request
        if self.keeper.is_ready:
            return PlainTextResponse("ready\n")
        return PlainTextResponse("not ready\n", 503, {"retry-after": str(self.limits.retry_after_seconds)})

    async def _metrics(self, request: Request) -> Response:
        del request
        text = await asyncio.get_running_loop().run_in_executor(self.workers, self.figures.text)
        return Response(text, media_type=metrics.CONTENT_TYPE)


async def _healthy(request: Request) -> Response:
    del request
    return PlainTextResponse("ok\n")


class _Elsewhere:
    """Any other path."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Say which paths there are."""
        closing = not await bodies.drain(receive)
        answer = _Answer(400, f"this receiver has {TRACES_PATH} and {LOGS_PATH}")
        await answer.send(send, _Asked(scope), "none", Limits(), closing=closing)


class _Asked:
    """The head of a request."""

    def __init__(self, scope: Any) -> None:
        self._headers: list[tuple[bytes, bytes]] = scope["headers"]
        self.method: str = scope["method"]
        self.content_type = self.header(b"content-type").partition(";")[0].strip().lower()
        self.expects = bool(self.header(b"expect"))

    def header(self, name: bytes) -> str:
        return next((value.decode("latin-1") for key, value in self._headers if key == name), "")

    @property
    def length(self) -> int | None:
        text = self.header(b"content-length")
        return int(text) if text.isascii() and text.isdigit() and len(text) < 20 else None


class _Answer:
    """A status, words, and for a 200 how many records were rejected.

    `unread`: the body may not have been read to its end.
    """

    def __init__(self, status: int, text: str, *, rejected: int = 0, unread: bool = False) -> None:
        self.status = status
        self.text = text
        self.rejected = rejected
        self.unread = unread

    async def send(self, send: Any, request: _Asked, signal: str, limits: Limits, *, closing: bool) -> None:
        """Send it in the encoding of *request*, as the specification demands."""
        content_type = messages.PROTOBUF if request.content_type == messages.PROTOBUF else messages.JSON
        if self.status == 200:
            body = messages.taken(signal == "traces", content_type, rejected=self.rejected, message=self.text)
        else:
            body = messages.refused(content_type, self.text)
        headers = [(b"content-type", content_type.encode()), (b"content-length", str(len(body)).encode())]
        if self.status == 401:
            headers.append((b"www-authenticate", b"Bearer"))
        if self.status in {429, 503}:
            seconds = AGAIN_SOON_SECONDS if self.status == 429 else limits.retry_after_seconds
            headers.append((b"retry-after", str(seconds).encode()))
        if closing:
            headers.append((b"connection", b"close"))
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        await send({"type": "http.response.body", "body": body})
