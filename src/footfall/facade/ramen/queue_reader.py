"""`QueueReader`: messages out of the queue, to the server, once."""

from __future__ import annotations

import os
import threading
import time
import uuid
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Final, cast

from footfall.errors import FootfallError, OutboxBusyError, OutboxError, TransportError, guard, trouble
from footfall.facade.ramen.blacklist import Blacklist, Rule
from footfall.facade.ramen.config import QueueReaderConfig
from footfall.facade.ramen.errors import AutheticationError
from footfall.facade.ramen.queue import TRIES, TRY_AGAIN_SECONDS, Queue
from footfall.facade.ramen.sending import Outcome, Sending
from footfall.outbox.rows import Leased
from footfall.wire import ramen_names as names
from footfall.wire.base import Action, Request
from footfall.wire.ramen import CONTENT_TYPE, HEADERS

if TYPE_CHECKING:
    from footfall.facade.ramen.engine import QueueDelivery

__all__ = ["AutheticationError", "Blacklist", "QueueReader"]

PATIENCE_SECONDS: Final = 10.0
"""Longest wait of `consume_one` for its turn."""

SECOND_TRY_SECONDS: Final = 0.5
"""A message that failed in `run(blocking=False)` is due again after so long: for the next call, not for this one."""

LONGEST_REFUSED_SECONDS: Final = 900.0
"""A thread whose token is refused asks again after ``retry_delay``, then twice that, and so on up to this."""

ROUND_SECONDS: Final = 2.0
"""After so long a round looks for what was pushed meanwhile, and lets other readers of the process have a turn."""

REST_SECONDS: Final = 2.5
"""Longest rest in one piece: then an outbox that nobody uses is let go."""


class QueueReader:
    """Sends the messages of a queue, oldest first in each category and data type, and removes what the server settled.

    Any number of readers may serve one queue, in threads and in processes: one sends, with several requests under way,
    and the others wait their turn. A message is removed by its own id once its own answer is there.

    Args:
        config: Which queue, which server; looked at again before each round.

    Raises:
        AssertionError: *config* is no `QueueReaderConfig`.
        DataError: *config* is not valid.
        OSError: The folder cannot be made, or is not ours alone.
    """

    EMPTY = 0
    ACCEPTED = 1
    DROPPED = 2
    RETRY = 3

    def __init__(self, config: QueueReaderConfig) -> None:
        if not isinstance(cast("object", config), QueueReaderConfig):
            msg = "QueueReaderConfig instance is required"
            raise AssertionError(msg)  # noqa: TRY004  the original's
        self._config = config
        self._queue = Queue(config)
        self._sending = Sending(config)
        self._lock = threading.Lock()
        self._pid = os.getpid()
        self._runs: set[threading.Event] = set()
        self._has_run = False
        self._stop_first = False
        self._handled = 0

    # -- the original's methods -----------------------------------------------------------------------------------

    def consume_one(self) -> int:
        """Handle one message; return EMPTY, ACCEPTED, DROPPED or RETRY.

        RETRY also says that every message waits: for its next try, because the server asked for a pause, or because
        another process is reading.

        Raises:
            AutheticationError: The server does not take the token; the message stays.
        """
        outcome, empty = Outcome(), False
        try:
            with self._queue.engine.turn(self._config, patience_seconds=PATIENCE_SECONDS) as delivery:
                if delivery is None:
                    return self.EMPTY
                delivery.take_in(most_chunks=1)
                empty = not delivery.outbox.pending()
                for _ in range(0 if empty else TRIES):
                    outcome = self._sending.round(delivery, retry_seconds=0.0, most=1)
                    if outcome.handled or outcome.failed or not outcome.is_due:
                        break
                    time.sleep(TRY_AGAIN_SECONDS)
        except OutboxBusyError:
            return self.RETRY if len(self._queue) else self.EMPTY
        except OutboxError as error:
            trouble.hidden("ramen queue", error)
            return self.RETRY
        if empty:
            return self.EMPTY
        if outcome.refusal is not None:
            raise AutheticationError(outcome.refusal)
        if outcome.dropped:
            return self.DROPPED
        return self.ACCEPTED if outcome.accepted else self.RETRY

    def run(self, blocking: bool = True) -> int:
        """Send what is in the queue; return how many messages were accepted or dropped.

        Args:
            blocking: Go on for ever, until `stop`: look again after ``polling_delay``, try again after ``retry_delay``.
                Else return when nothing is left that could be sent now.

        Raises:
            AutheticationError: The server does not take the token; messages stay.
        """
        stop = self._begin()
        if stop is None:
            return 0
        try:
            return self._serve(stop) if blocking else self._drain(stop)
        finally:
            self._end(stop)

    def stop(self) -> None:
        """End what runs, after the messages that are under way. Before the first run: that one does not begin."""
        with self._lock:
            for each in self._runs:
                each.set()
            if not self._runs and not self._has_run:
                self._stop_first = True

    def test_connection(self) -> bool:
        """Send an empty message of category ``metrics`` and type ``test``; return whether the server accepted it.

        Never raises. A drop rule in the answer holds for the queue.
        """
        config = self._config
        labels = {
            "category": "metrics",
            "system_serial": str(config.system_serial),
            "sender": config.sender,
            "data_type": "test",
            "data_version": "v1",
            "system_version": config.system_version,
        }
        path = names.path(labels, uuid.uuid4().hex)
        request = Request(path=path, body=b"{}", content_type=CONTENT_TYPE, headers=HEADERS, idempotency_key=path)
        if not self._queue.spool.sends():
            return False
        try:
            verdict, _ = self._sending.ask(request)
        except (TransportError, FootfallError) as error:
            trouble.hidden("ramen test_connection", error)
            return False
        if verdict.rule is not None:
            with guard("keep drop rule"), self._turn() as delivery:
                if delivery is not None:
                    nothing = Leased(
                        id=-1, destination=delivery.number, request=request, attempts=0, created_ns=0, lease=""
                    )
                    delivery.outbox.settle(nothing, verdict=verdict, now_ns=delivery.clock.now_ns())
        return verdict.action is Action.DELIVERED

    def get_blacklist(self) -> list[Rule]:
        """Return the drop rules that hold for this queue, whichever reader got them; a new list each time."""
        found: list[Rule] = []
        with guard("drop rules"), self._turn() as delivery:
            for known in delivery.outbox.rules(delivery.number) if delivery is not None else []:
                fields: dict[str, Any] = dict(known.labels)
                serial = fields.pop("system_serial", None)
                found.append(Rule(**fields, system_serial=None if serial is None else int(serial)))
        return found

    # -- for threads ----------------------------------------------------------------------------------------------

    def run_for_ever(self) -> None:
        """As ``run(blocking=True)``, but outlive a refused token and whatever else happens, until `stop`."""
        stop = self._begin()
        if stop is None:
            return
        refused = 0
        try:
            while not stop.is_set():
                before = self._handled
                try:
                    self._serve(stop)
                except AutheticationError as error:
                    trouble.note("ramen token", "footfall: %s; messages are kept", error)
                except Exception as error:  # noqa: BLE001  a thread that ends is found out when the disk is full
                    trouble.hidden("ramen reader", error)
                delay = float(self._config.effective("retry_delay"))
                refused = 0 if self._handled > before else min(refused + 1, 20)
                self._rest(stop, min(delay * 2.0 ** max(refused - 1, 0), max(LONGEST_REFUSED_SECONDS, delay)))
        finally:
            self._end(stop)

    # -- within ---------------------------------------------------------------------------------------------------

    def _begin(self) -> threading.Event | None:
        """Return the event that ends a run that begins now; None where `stop` was first."""
        if self._pid != os.getpid():  # a fork child: the parent's locks may have been held
            self._pid, self._lock, self._runs = os.getpid(), threading.Lock(), set()
        with self._lock:
            self._has_run = True
            if self._stop_first:
                self._stop_first = False
                return None
            stop = threading.Event()
            self._runs.add(stop)
            return stop

    def _end(self, stop: threading.Event) -> None:
        with self._lock:
            self._runs.discard(stop)

    def _turn(
        self, stop: threading.Event | None = None, patience_seconds: float = PATIENCE_SECONDS
    ) -> AbstractContextManager[QueueDelivery | None]:
        give_up = stop.is_set if stop is not None else lambda: False
        return self._queue.engine.turn(self._config, patience_seconds=patience_seconds, give_up=give_up)

    def _round(
        self, stop: threading.Event, retry_seconds: float, *, anew: bool, patience_seconds: float, at_once: bool = False
    ) -> Outcome | None:
        """Take a turn: take in what is new and send what is due; return what came of it, or None without a queue.

        Raises:
            OutboxError: The turn did not come (`OutboxBusyError`), or the outbox cannot be used.
        """
        with self._turn(stop, patience_seconds) as delivery:
            if delivery is None:
                return None
            delivery.take_in()
            if at_once:
                self._await_second_try(delivery, stop)
            until = time.monotonic() + ROUND_SECONDS
            outcome = self._sending.round(
                delivery,
                retry_seconds=retry_seconds,
                goes_on=lambda: not stop.is_set() and time.monotonic() < until,
                anew=anew,
            )
            if self._queue.unread(delivery):
                outcome.wake_seconds = 0.0
        self._handled += outcome.handled
        return outcome

    def _await_second_try(self, delivery: QueueDelivery, stop: threading.Event) -> None:
        """Wait the moment that is left where all messages failed in a call just before."""
        due_ns = delivery.outbox.next_due_ns()
        seconds = 0.0 if due_ns is None else (due_ns - delivery.clock.now_ns()) / 1e9
        if 0 < seconds <= SECOND_TRY_SECONDS:
            stop.wait(seconds)

    def _drain(self, stop: threading.Event) -> int:
        count, anew = 0, True
        while not stop.is_set():
            try:
                outcome = self._round(stop, SECOND_TRY_SECONDS, anew=anew, patience_seconds=1.0, at_once=anew)
            except OutboxBusyError:
                if not len(self._queue):
                    break  # somebody else did it all
                continue
            except OutboxError as error:
                trouble.hidden("ramen queue", error)
                break
            if outcome is None:
                break
            anew = False
            count += outcome.handled
            if outcome.refusal is not None:
                raise AutheticationError(outcome.refusal)
            if not outcome.is_due or outcome.only_failed:
                break
        return count

    def _serve(self, stop: threading.Event) -> int:
        count, anew = 0, True
        while not stop.is_set():
            retry_delay = float(self._config.effective("retry_delay"))
            rest = float(self._config.effective("polling_delay"))
            outcome: Outcome | None = None
            try:
                outcome = self._round(stop, retry_delay, anew=anew, patience_seconds=PATIENCE_SECONDS)
            except OutboxBusyError:
                pass
            except OutboxError as error:
                trouble.hidden("ramen queue", error)
                rest = retry_delay
            if outcome is not None:
                count += outcome.handled
                if outcome.refusal is not None:
                    raise AutheticationError(outcome.refusal)
                # All that was tried failed: as in the original, nothing more is sent before the delay is over.
                anew = outcome.only_failed
                if not anew and outcome.is_due:
                    continue
                if anew:
                    rest = retry_delay
                elif outcome.wake_seconds is not None:
                    rest = min(rest, outcome.wake_seconds)
            self._rest(stop, rest)
        return count

    def _rest(self, stop: threading.Event, seconds: float) -> None:
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0 and not stop.wait(min(left, REST_SECONDS)):
            self._queue.engine.rest()
