"""The moments of a process at which something must happen: its exit, and before and after each fork.

Hooks of a process cannot be taken back, so they are installed once and ask for whatever is current then.
"""

from __future__ import annotations

import atexit
import os
import sys
import threading
from collections.abc import Callable
from typing import Any, Protocol

from footfall.errors import guard


class Lively(Protocol):
    """What the hooks call."""

    def shutdown(self) -> None:
        """End in good order."""
        ...

    def before_fork(self) -> Callable[[], None] | None:
        """Get ready to be copied; return what lets go again in the parent."""
        ...

    def after_fork(self) -> None:
        """Begin anew in the child."""
        ...

    def flush_counts(self) -> int:
        """Write what was only counted."""
        ...


class _Hooks:
    """The hooks of this process and what they need between two of them."""

    def __init__(self) -> None:
        self.current: Callable[[], Lively | None] | None = None
        self._release: dict[int, Callable[[], None]] = {}  # by thread: only who took a lock can release it

    def find(self) -> Lively | None:
        return self.current() if self.current is not None else None

    def exit(self) -> None:
        here = self.find()
        if here is not None:
            with guard("exit"):
                here.shutdown()

    def before_fork(self) -> None:
        here = self.find()
        release = here.before_fork() if here is not None else None
        if release is not None:
            self._release[threading.get_ident()] = release

    def after_fork_in_parent(self) -> None:
        release = self._release.pop(threading.get_ident(), None)
        if release is not None:
            release()

    def after_fork_in_child(self) -> None:
        self._release.clear()
        here = self.find()
        if here is None:
            return
        with guard("fork"):
            here.after_fork()
        # multiprocessing children leave by os._exit: their finalizers are the last chance to write counts. They are
        # cleared at the begin of such a child, which then calls what was registered for "after fork".
        util: Any = sys.modules.get("multiprocessing.util")
        if util is not None:
            with guard("fork"):
                util.register_after_fork(here, _flush_counts_at_the_end)


_hooks = _Hooks()


def watch(current: Callable[[], Lively | None]) -> None:
    """Install the hooks, once; from then on they call what *current* returns at that time."""
    if _hooks.current is not None:
        return
    _hooks.current = current
    atexit.register(_hooks.exit)
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(
            before=_hooks.before_fork,
            after_in_parent=_hooks.after_fork_in_parent,
            after_in_child=_hooks.after_fork_in_child,
        )


def _flush_counts_at_the_end(here: Lively) -> None:
    sys.modules["multiprocessing.util"].Finalize(None, here.flush_counts, exitpriority=100)
