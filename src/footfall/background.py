"""The background thread of a recording process: housekeeping of its journal, and delivery when nobody else delivers.

One daemon thread, started with the first record. It never holds what a caller needs. At exit it gets a budget that is
only spent while a destination answers: a dead or hanging server costs nothing (reliability.md P5).
"""

from __future__ import annotations

# Not used here, but by what delivery loads. It registers fork hooks when it is imported, which must not happen while a
# fork waits for `Background.loading`, nor between a fork of the host's and the first record.
import concurrent.futures.thread  # noqa: F401  # pyright: ignore[reportUnusedImport]
import os
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from footfall.consent.switches import refusal
from footfall.destination import is_address, is_loopback
from footfall.errors import OutboxBusyError, OutboxError, guard, trouble
from footfall.ledger import Ledger
from footfall.resource import ci, container
from footfall.status import last_status, read_status

if TYPE_CHECKING:
    from footfall.delivery import Delivery
    from footfall.places import Places
    from footfall.runtime import Runtime

SYNC_SECONDS: Final = 5.0
"""How much loss of power may take at the most (reliability.md section 2)."""

LOAD_WAIT_SECONDS: Final = 10.0
"""Longest wait of a fork for modules that the thread is loading, and for what it prints. Loading takes 0.3 to 1 s,
once, and some times as long on a busy machine. Not without an end: the thread may be waiting for a module that the
forking one is importing."""

TAKE_OVER_SECONDS: Final = 2.0
"""Pause between two tries to become the delivering process."""

EXIT_BUDGET_SECONDS: Final = 0.5
VANISHING_EXIT_BUDGET_SECONDS: Final = 5.0
"""Where the disk is gone after the process."""

FORK_EXIT_BUDGET_SECONDS: Final = 0.0
"""Nothing in a fork child waits at exit: what it accepted is in its journal (reliability.md section 3.5)."""

EXIT_TICK_SECONDS: Final = 0.005

GRACE_SECONDS: Final = 0.02
"""For exchanges under way at exit, also with a server that nobody knows yet: most answer within that, and what has no
answer is sent again by the next process (reliability.md P3; P5 allows 50 ms)."""

PROBE_SECONDS: Final = 0.25
"""Longest wait for a destination that no process has tried yet, at the exit of one whose disk will vanish."""


class Background:
    """Owns the thread and, while this process delivers, the `Delivery`.

    Attributes:
        loading: Held while our modules are imported late. A fork waits for it: a child made in the middle of an import
            inherits a module lock that nobody will ever release, and hangs at its next import of that module, be it in
            our code or in the host's (seen in 5 of 6 runs of 40 forks each; 0 of 12 with this lock).
        printing: Held while the thread writes to a stream of the host, for whose lock the same is true.
        may_load: False in a fork child that was made in the middle of either all the same: it records, prints nothing,
            and leaves delivery to others.
    """

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._thread: threading.Thread | None = None
        self._wake = threading.Event()
        self._stopping = False
        self._ends_with_process = False
        self._delivery: Delivery | None = None
        self._step = threading.Lock()
        self.loading = threading.RLock()
        self.printing = threading.RLock()
        self.may_load = True
        self._was_quiet = True
        self._starting = threading.Lock()
        self._idle = threading.Event()
        self._try_at = 0.0
        self._synced_at = 0.0
        self._inherited: list[Any] = []

    def start(self) -> None:
        """Start the thread where it does not run. Where no thread can be had, the next run delivers."""
        with self._starting:
            if self._thread is not None or self._stopping:
                return
            thread = threading.Thread(target=self._run, name="footfall", daemon=True)
            try:
                thread.start()
            except RuntimeError as error:  # out of threads, or the interpreter is going down
                trouble.hidden("start thread", error)
                return
            self._thread = thread

    def drain(self, places: Places, timeout_seconds: float) -> Ledger:
        """Deliver in the calling thread until nothing is pending, waiting for the outbox where another holds it.

        Where the outbox cannot be used, the books are the last that are known.
        """
        with self.loading:
            from footfall.delivery import ask_for_all, current_status  # noqa: PLC0415  a recording process need not load it

        deadline = time.monotonic() + timeout_seconds
        while True:
            status = None
            with guard("drain"):
                with self._step:
                    delivery = self._open(places)
                    if delivery is not None:
                        return delivery.drain(timeout_seconds=max(0.0, deadline - time.monotonic()))
                ask_for_all(places)
                status = current_status(places, self._runtime.settings)
            status = status or last_status(places)
            if not status.ledger.pending or time.monotonic() >= deadline:
                return status.ledger
            time.sleep(0.05)

    def finish(self, budget_seconds: float, *, join_seconds: float = 0.0) -> None:
        """Give delivery up to *budget_seconds*, as long as somebody answers; then let everything go.

        Args:
            budget_seconds: See `exit_budget_seconds`.
            join_seconds: Longest wait for the thread, which lets the outbox go where it is at work with it.
        """
        thread, self._thread = self._thread, None
        if thread is not None and thread.is_alive() and budget_seconds > 0 and self._worth_waiting():
            self._idle.clear()
            self._wake.set()
            deadline = time.monotonic() + budget_seconds
            while time.monotonic() < deadline and self._answering():
                # The thread does not wait for slow exchanges, which then go on behind its back.
                if self._idle.wait(EXIT_TICK_SECONDS) and not self._under_way():
                    break
                if self._idle.is_set():
                    time.sleep(EXIT_TICK_SECONDS)
        self._ends_with_process = not join_seconds and thread is not None and thread.is_alive()
        self._stopping = True
        self._wake.set()
        delivery = self._delivery
        grace_seconds = GRACE_SECONDS if budget_seconds > 0 else 0.0
        if delivery is not None:
            delivery.courier.stop(grace_seconds)
        if self._ends_with_process:
            return
        if self._step.acquire(timeout=grace_seconds):
            try:
                with guard("close"):
                    self._close()
            finally:
                self._step.release()
        if thread is not None and join_seconds > 0:
            thread.join(join_seconds)

    def before_fork(self) -> Callable[[], None]:
        """Wait, not for ever, until nothing is loaded or printed; return what lets that go on in the parent."""
        until = time.monotonic() + LOAD_WAIT_SECONDS
        held = [
            lock for lock in (self.loading, self.printing) if lock.acquire(timeout=max(until - time.monotonic(), 0.0))
        ]
        self._was_quiet = len(held) == 2

        def let_go() -> None:
            for lock in held:
                lock.release()

        return let_go

    def after_fork(self) -> None:
        """In a fork child: no thread, and the parent's outbox is not to be touched, not even by closing it."""
        if self._delivery is not None:
            self._inherited.append(self._delivery)
        self._delivery = None
        self._thread = None
        self._stopping = False
        self._wake = threading.Event()
        self._idle = threading.Event()
        self._step = threading.Lock()
        self._starting = threading.Lock()
        self.loading = threading.RLock()
        self.printing = threading.RLock()
        self.may_load = self.may_load and self._was_quiet

    # -- the thread -------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        runtime, pid = self._runtime, os.getpid()
        interval = runtime.settings.delivery_interval_seconds
        while pid == os.getpid():
            self._wake.wait(interval)
            if self._stopping:
                if self._ends_with_process:
                    self._hold()
                with self._step, guard("close"):
                    self._close()
                return
            leaving = self._wake.is_set()
            self._wake.clear()
            with guard("journal"):
                self._keep_journal()
            with guard("consent"):
                if runtime.obey():
                    self._leave_nothing()
                    return
            with guard("delivery"):
                self._deliver(leaving=leaving)
            if leaving:
                self._idle.set()

    def _hold(self) -> None:
        """Keep hold of the outbox until the process is gone, and the kernel lets it go.

        Closing it costs an exit 15 to 40 ms for SQLite's last checkpoint, and so does letting Python find it unused on
        its way out. What this thread refers to is never looked at by Python again.
        """
        held = self._delivery
        threading.Event().wait()
        del held

    def _keep_journal(self) -> None:
        runtime = self._runtime
        journal, now = runtime.journal, time.monotonic()
        journal.check()  # first: what is written to a file that somebody cut has no definitions before it
        runtime.claim_plain_runs()
        runtime.recorder.flush_counts()
        journal.retry_kept()
        runtime.disclosure.print_payloads()
        if journal.fd >= 0 and now - journal.opened_at > runtime.settings.journal_max_seconds:
            journal.rotate()
        if now - self._synced_at > SYNC_SECONDS:
            self._synced_at = now
            journal.sync()

    def _leave_nothing(self) -> None:
        """After the user's no: let go of the journal, and drop what waits to be sent where the no is on file."""
        runtime = self._runtime
        self._thread = None
        runtime.journal.close()
        with self._step:
            on_file = not refusal(runtime.environ)  # a no of the environment is this process's, and touches no file
            if runtime.places is not None and not self._stopping and on_file:
                delivery = self._open(runtime.places)  # where another process delivers, it does the same
                if delivery is not None:
                    with guard("forget"):
                        delivery.obey()
                        delivery.bring_in()
            self._close()

    def _deliver(self, *, leaving: bool) -> None:
        runtime = self._runtime
        places = runtime.places
        if places is None or not any(known.decision.sends for known in runtime.projects.values()):
            return
        with self._step:
            if self._stopping:
                return
            delivery = self._delivery
            if delivery is None and time.monotonic() >= self._try_at:
                self._try_at = time.monotonic() + TAKE_OVER_SECONDS
                delivery = self._open(places)
            if delivery is not None and not runtime.refusal():
                try:
                    while delivery.step(only_answering=leaving) and not self._stopping and not self._wake.is_set():
                        pass
                except OutboxError as error:
                    trouble.hidden("outbox", error)
                    self._delivery = None
                    delivery.close()

    def _open(self, places: Places) -> Delivery | None:
        if self._delivery is None:
            if not self.may_load:
                return None
            with self.loading:
                # Here and not at the top: HTTP, SQLite and the SDK's encoder load when something is delivered.
                from footfall.delivery import Delivery, preload  # noqa: PLC0415

                preload()
            try:
                self._delivery = Delivery(places, self._runtime.settings, loading=self.loading)
            except OutboxBusyError:
                return None
            except OutboxError as error:
                trouble.hidden("open outbox", error)
                return None
        return self._delivery

    def _close(self) -> None:
        """Let the outbox go, where this process has it; `_step` is held."""
        delivery, self._delivery = self._delivery, None
        if delivery is not None:
            delivery.close()

    # -- exit -------------------------------------------------------------------------------------------------------

    def exit_budget_seconds(self, *, is_fork_child: bool) -> float:
        """Return how long delivery may take at exit while somebody answers."""
        if is_fork_child:
            return FORK_EXIT_BUDGET_SECONDS
        set_by_user = self._runtime.settings.exit_budget_seconds
        if set_by_user is not None:
            return set_by_user
        return VANISHING_EXIT_BUDGET_SECONDS if self._disk_vanishes() else EXIT_BUDGET_SECONDS

    def _disk_vanishes(self) -> bool:
        """Whether this machine's disk is likely gone after the process: CI and containers (design.md section 4)."""
        environ = self._runtime.environ
        return bool(ci.detect(environ) or container.detect(Path("/"), environ))

    def _worth_waiting(self) -> bool:
        """Whether something may be sent and its destination is known to answer.

        A process too short to have tried goes by what the last one left in the status file; where nothing is known it
        leaves delivery to the next, unless there will be none because the disk vanishes.
        """
        runtime = self._runtime
        if runtime.places is None or not any(known.decision.sends for known in runtime.projects.values()):
            return False
        if self._delivery is not None:
            return self._delivery.courier.reachable()
        status = read_status(runtime.places)
        if status is not None and status.answering:
            return True
        return self._disk_vanishes() and any(
            accepts_connections(destination.endpoint, runtime.environ)
            for known in runtime.projects.values()
            for destination in known.state.send_to
        )

    def _under_way(self) -> bool:
        delivery = self._delivery
        return delivery is not None and delivery.courier.in_flight() > 0

    def _answering(self) -> bool:
        delivery = self._delivery
        return delivery is None or delivery.courier.reachable()


def accepts_connections(endpoint: str, environ: Mapping[str, str]) -> bool:
    """Whether somebody listens at *endpoint*; asked before a process on its way out loads an HTTP client for nothing.

    One connection of at most `PROBE_SECONDS`. Where only somebody else could tell, the answer is yes: behind a proxy,
    and for a name, whose resolution nothing bounds; then the background thread tries within the exit budget.
    """
    import socket  # noqa: PLC0415  only asked at exit, and where the disk vanishes

    parts = urlsplit(endpoint)
    # By the variables alone: `urllib.request`, which knows more, takes 50 ms to import.
    proxied = any(value and name.lower().endswith("_proxy") for name, value in environ.items())
    host = parts.hostname or ""
    if not is_loopback(host) and (proxied or not is_address(host)):
        return True
    port = parts.port or (443 if parts.scheme == "https" else 80)
    try:
        socket.create_connection((host, port), timeout=PROBE_SECONDS).close()
    except OSError:
        return False
    return True
