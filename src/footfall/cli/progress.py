"""Progress of long work, on a terminal only: a bar where rich is installed, else one line that is written over."""

from __future__ import annotations

import functools
import sys
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from footfall.errors import guard

if TYPE_CHECKING:
    from types import TracebackType

    from footfall.ledger import Ledger

INTERVAL_SECONDS: Final = 0.25


class Progress:
    """A context manager that shows how many records are delivered while its block runs.

    Args:
        ledger: Asked for the books now and then, from a thread of its own.
    """

    def __init__(self, ledger: Callable[[], Ledger]) -> None:
        self._ledger = ledger
        self._done = threading.Event()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> None:
        if sys.stderr.isatty():
            self._thread = threading.Thread(target=self._run, name="footfall-progress", daemon=True)
            self._thread.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._thread is not None:
            self._done.set()
            self._thread.join()

    def _run(self) -> None:
        with guard("progress"):
            display = _bar("delivering")
            before = _settled(self._ledger())
            while not self._done.wait(INTERVAL_SECONDS):
                ledger = self._ledger()
                display(_settled(ledger) - before, ledger.pending)
            display(-1, 0)


class Steps:
    """A context manager that shows how many of a known number of steps are done.

    Args:
        doing: A word for the display, such as "importing".
    """

    def __init__(self, doing: str) -> None:
        self._doing = doing
        self._display: Callable[[int, int], None] | None = None

    def __enter__(self) -> None:
        if sys.stderr.isatty():
            self._display = _bar(self._doing)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._display is not None:
            self._display(-1, 0)

    def at(self, done: int, total: int) -> None:
        """Show that *done* of *total* are done."""
        if self._display is not None:
            self._display(done, total - done)


def _settled(ledger: Ledger) -> int:
    return sum(account.delivered + account.lost for account in ledger.accounts)


def _bar(doing: str) -> Callable[[int, int], None]:
    """Return a function that shows how much is done and how much is left; -1 done ends the display."""
    try:
        from rich import progress
        from rich.console import Console
    except ImportError:
        return functools.partial(_plain, doing)
    bar = progress.Progress(
        progress.TextColumn(doing),
        progress.BarColumn(),
        progress.MofNCompleteColumn(),
        progress.TimeElapsedColumn(),
        console=Console(stderr=True),
        transient=True,
    )
    task: Any = bar.add_task(doing, total=None)
    bar.start()

    def show(done: int, left: int) -> None:
        if done < 0:
            bar.stop()
        else:
            bar.update(task, completed=done, total=done + left)

    return show


def _plain(doing: str, done: int, left: int) -> None:
    text = f"{doing}: {done} done, {left} left" if done >= 0 else ""
    sys.stderr.write(f"\r\x1b[K{text}")
    sys.stderr.flush()
