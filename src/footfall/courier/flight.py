"""A leased request on its way: sent apart from the reading of its answer, where the transport can do that.

What a quick server takes for an answer is mostly two processors waking each other up. A sender that puts the next
request on its way before it reads the last answer and books it hardly waits: with 300 us of work of our own for each
message, an exchange over loopback adds 30 us to 90 us to them in place of 130 us to 190 us (CPython 3.11, 2 cores).
"""

from __future__ import annotations

from collections import deque
from functools import partial
from typing import TYPE_CHECKING, NoReturn

from footfall.crash import crash_at
from footfall.errors import TransportError, guard
from footfall.wire.base import Action

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from typing_extensions import Self

    from footfall.courier.lane import Lane
    from footfall.courier.transport import BeginningTransport, Transport
    from footfall.outbox.rows import Leased, Settlement
    from footfall.wire.base import Response


class Hand:
    """What one sender has in hand.

    Attributes:
        flying: Requests that it took and whose end is not known, in the order in which they were taken.
        done: How others ended, not booked yet.
    """

    __slots__ = ("done", "flying")

    def __init__(self) -> None:
        self.flying: deque[Flight] = deque()
        self.done: list[Settlement] = []

    def has_room(self, most: int) -> bool:
        """Whether a sender that may have *most* in flight may take one more: not before one that was not begun."""
        return not self.flying or (len(self.flying) < most and self.flying[-1].has_begun)

    def may_gather(self, most: int) -> bool:
        """Whether the last that is done may wait for others to be booked with, *most* in all and in flight.

        Plain deliveries may; not those with a file, which is too much to be sent twice.
        """
        verdict = self.done[-1].verdict
        plain = self.done[-1].obeyed or (
            verdict.action is Action.DELIVERED and not verdict.rejected and not verdict.rule
        )
        small = self.done[-1].leased.request.attachment is None
        return bool(plain and small and len(self.done) + len(self.flying) < most)


class Flight:
    """One request of a lane between the moment in which it is taken and its end.

    As a context manager it is that end: what waits behind the request for its order key may go on afterwards.

    Args:
        leased: The request.
        lane: That it was taken from.
        now: The moment, on the monotonic clock.

    Attributes:
        leased: See there.
        began_at: When its exchange began.
        has_begun: Whether it was sent, and only its answer is to be read.
        unsent: How the request ends without being sent, or None.
    """

    __slots__ = ("_answer", "_lane", "began_at", "has_begun", "leased", "unsent")

    def __init__(self, leased: Leased, lane: Lane, now: float) -> None:
        self.leased = leased
        self.began_at = now
        self.has_begun = False
        self.unsent: Settlement | None = None
        self._lane = lane
        self._answer: Callable[[], Response] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exception: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._lane.landed(self.leased, well=kind is None)

    def begin(self, transport: BeginningTransport, timeout_seconds: float) -> None:
        """Send the request, if it can be sent apart; what goes wrong is for `end` to tell."""
        crash_at("before_send")
        answer: Callable[[], Response] | None = _fail
        with guard("transport"):
            try:
                answer = transport.begin(
                    self.leased.request,
                    base_url=self._lane.base_url,
                    headers=self._lane.headers,
                    timeout_seconds=timeout_seconds,
                )
                self.has_begun = answer is not None
            except TransportError as error:
                answer = partial(_fail, error)
        self._answer = answer

    def end(self, transport: Transport, timeout_seconds: float, now: float) -> Response | TransportError:
        """Return the answer, or why there is none; sends the request first where `begin` could not."""
        answer = self._answer
        if answer is None:
            crash_at("before_send")
            self.began_at = now
            answer = partial(
                transport.send,
                self.leased.request,
                base_url=self._lane.base_url,
                headers=self._lane.headers,
                timeout_seconds=timeout_seconds,
            )
        with guard("transport"):
            try:
                return answer()
            except TransportError as error:
                return error
        return _failed()


def _failed() -> TransportError:
    """Return what a transport that fails in its own way has done: it may have sent, like a cut connection."""
    return TransportError("the transport failed", in_doubt=True)


def _fail(error: TransportError | None = None) -> NoReturn:
    raise error or _failed()
