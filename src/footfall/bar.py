"""The progress bar of a job, on a terminal, where rich is installed (extra ``cli``).

The one thing that footfall writes to a program's stderr outside of its own command line, and only because the program
called `footfall.job`; ``progress=False`` silences it. It stays a guest: it is drawn when a step begins or ends, and at
no other time, so it needs no thread; no stream is replaced and the cursor is not hidden, so nothing is left to be put
back when the program is killed.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress, TaskID

WIDTH: Final = 30
"""Columns of the bar itself."""

_CLEAR_LINE: Final = "\r\x1b[2K"


class Bar:
    """One line that is written over. Make it with `open_bar`.

    Args:
        console: rich's, on stderr.
        progress: rich's, never started: only asked how it would look.
        task: Of *progress*.
    """

    def __init__(self, console: Console, progress: Progress, task: TaskID) -> None:
        self._console = console
        self._progress = progress
        self._task = task
        self._pid = os.getpid()

    def show(self, done: int, doing: str) -> None:
        """Draw it anew, with *done* points and what is being done. In a fork child nothing happens."""
        self._draw(done, doing, "")

    def close(self, done: int, doing: str) -> None:
        """Draw it for the last time, and leave it standing."""
        self._draw(done, doing, "\n")

    def _draw(self, done: int, doing: str, end: str) -> None:
        if os.getpid() != self._pid:
            return
        self._progress.update(self._task, completed=done, doing=doing)
        with self._console.capture() as drawn:
            self._console.print(self._progress.get_renderable(), soft_wrap=False)
        # In one piece, so that two threads do not draw into each other.
        self._console.file.write(_CLEAR_LINE + drawn.get().partition("\n")[0] + end)
        self._console.file.flush()


def open_bar(title: str, total: int) -> Bar | None:
    """Return a bar, not drawn yet; None where stderr is no terminal that can show one, or rich is not installed.

    Args:
        title: In front of it.
        total: Points that are all of the work; above 0.
    """
    stream = sys.stderr
    if stream is None or not stream.isatty() or total <= 0:  # pyright: ignore[reportUnnecessaryComparison]  # pythonw
        return None
    try:
        from rich import progress  # noqa: PLC0415  an extra, and for those who look at a terminal only
        from rich.console import Console  # noqa: PLC0415
        from rich.markup import escape  # noqa: PLC0415
    except ImportError:
        return None
    console = Console(file=stream)
    if not console.is_terminal or console.is_dumb_terminal:
        return None
    bar = progress.Progress(
        progress.TextColumn(escape(title)),
        progress.BarColumn(WIDTH),
        progress.TaskProgressColumn(),
        progress.TextColumn("{task.fields[doing]}", markup=False),
        console=console,
        auto_refresh=False,
    )
    return Bar(console, bar, bar.add_task("", total=total, doing=""))
