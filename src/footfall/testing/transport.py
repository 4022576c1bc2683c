"""`ScriptedTransport`: the network, as a list of what it answers."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from footfall.wire.base import Request, Response


@dataclass(frozen=True)
class Sent:
    """One request as the courier handed it to the transport; `headers` are those beyond the request's own."""

    request: Request
    base_url: str
    headers: Mapping[str, str]
    timeout_seconds: float

    @property
    def url(self) -> str:
        """Where it went."""
        return self.base_url + self.request.path


Step: TypeAlias = "Response | BaseException | Callable[[Sent], Response]"
"""What happens to one request: an answer, an exception to raise, or a function that returns or raises."""


class ScriptedTransport:
    """A transport that keeps every request and answers by script; safe to share between threads.

    Args:
        script: One step for each request, in order.
        then: The step for all requests after these; without it a further request is an `AssertionError`.

    Attributes:
        sent: All requests, in order, refused ones too.
    """

    def __init__(self, script: Iterable[Step] = (), *, then: Step | None = None) -> None:
        self._script = deque(script)
        self._then = then
        self._lock = threading.Lock()
        self.sent: list[Sent] = []

    def send(self, request: Request, *, base_url: str, headers: Mapping[str, str], timeout_seconds: float) -> Response:
        """Keep the request and take the next step.

        Raises:
            AssertionError: The script is over.
            BaseException: What the step says, usually a `footfall.errors.TransportError`.
        """
        sent = Sent(request, base_url, dict(headers), timeout_seconds)
        with self._lock:
            self.sent.append(sent)
            step = self._script.popleft() if self._script else self._then
        if step is None:
            msg = f"request {len(self.sent)}, {request.method} {sent.url}, came after the end of the script"
            raise AssertionError(msg)
        if isinstance(step, BaseException):
            raise step
        return step if isinstance(step, Response) else step(sent)

    def add(self, *steps: Step) -> None:
        """Append *steps* to the script."""
        with self._lock:
            self._script.extend(steps)

    @property
    def left(self) -> int:
        """Steps that nobody has asked for yet."""
        return len(self._script)

    @property
    def keys(self) -> list[str]:
        """Idempotency keys in the order of sending, one for each attempt."""
        return [each.request.idempotency_key for each in self.sent]
