"""Runs: `track` tells of a start, an end, and how it ended; `track_exit` of the end only.

On `footfall.track`, so the final status is right where the original's is not (defect D8), and no signal handler, no
excepthook and no file of the host's is touched (D9). A process that is killed says nothing; whoever delivers next finds
its start without an end, and tells.
"""

from __future__ import annotations

import contextlib
import contextvars
import functools
import os
import threading
import weakref
from collections.abc import Callable, Iterable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final

from footfall import runtime
from footfall.errors import guard
from footfall.facade.migas import pipeline
from footfall.facade.migas.error import Handlers, describe, resolve
from footfall.facade.migas.fields import CONTEXT, PROCESS, extra_fields
from footfall.instrumentation.run import Begin, Run
from footfall.runtime import Instrumented

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["Tracker", "track", "track_exit"]

_Key = tuple[int, str, str]
"""Process, project and version: one of a kind is tracked at a time."""


class Tracker(Run):
    """What `track` returns: a block, a decorator, or the rest of the process; or `stop` it by hand.

    A block inside another one of the same project and version is part of it, and so is one in a process that is tracked
    as a whole: nothing is told of it, and it does not end the outer one.

    Attributes:
        project: ``owner/name``.
        version: Of the project.
        error_handlers: By class or class name, see `track`.
        is_shared: Whether `track` returned it a second time, so that a block of it may be somebody else's.

    Args:
        begin: As `Run`.
        rest_of_process: As `Run`.
        project: Whose run it is.
        version: Of the project.
        error_handlers: By class or class name.
        is_call: Whether it is the run of one call of a decorated function.
    """

    def __init__(
        self,
        begin: Begin,
        rest_of_process: Callable[[Run], None],
        *,
        project: str,
        version: str,
        error_handlers: Handlers,
        is_call: bool = False,
    ) -> None:
        super().__init__(begin, rest_of_process)
        self.project = project
        self.version = version
        self.error_handlers = error_handlers
        self.is_shared = False
        self._is_call = is_call
        self._entered: list[contextvars.Token[tuple[_Key, ...]] | None] = []

    def __enter__(self) -> Self:
        key = self._key()
        is_own = _whole.get(key) is self and not self.is_shared
        if key in _inside.get() or (_is_rest_of_process(key) and not is_own):
            self._claimed = True
            self._entered.append(None)
            return self
        self._entered.append(_inside.set((*_inside.get(), key)))
        return super().__enter__()

    def __exit__(
        self, kind: type[BaseException] | None, exception: BaseException | None, traceback: TracebackType | None
    ) -> None:
        token = self._entered.pop() if self._entered else None
        if token is None:
            return
        with contextlib.suppress(ValueError):  # left in another context: a closed coroutine
            _inside.reset(token)
        super().__exit__(kind, exception, traceback)

    def start(self) -> None:
        """Begin now, where it has not begun; it ends with `stop`, else with the process."""
        if self._claimed:
            return
        super().start()
        if not self._entered and not self._is_call:
            _whole[self._key()] = self
            self._rest_of_process(self)  # also where somebody started it by hand and forgets it

    def stop(self, exc: BaseException | None = None) -> None:
        """End now, with *exc* or well. A second call says nothing more."""
        self.start()
        self.end(exc)

    def end(self, exception: BaseException | None = None) -> None:
        """End with *exception* or well; its handler, where there is one, says what is told of it."""
        key = self._key()
        if _whole.get(key) is self:
            del _whole[key]
        use = self._use
        if use is not None and exception is not None:
            with guard("error handler"):
                told = describe(exception, self.error_handlers)
                use.extra = {**use.extra, **extra_fields(told, (*CONTEXT, *PROCESS))}
        super().end(exception)

    def _another(self) -> Tracker:
        return Tracker(
            self._begin,
            self._rest_of_process,
            project=self.project,
            version=self.version,
            error_handlers=self.error_handlers,
            is_call=True,
        )

    def _key(self) -> _Key:
        return os.getpid(), self.project, self.version


_inside: Final = contextvars.ContextVar[tuple[_Key, ...]]("footfall.migas.inside", default=())
_whole: Final[dict[_Key, Tracker]] = {}
_waiting: Final[weakref.WeakValueDictionary[tuple[_Key, int], Tracker]] = weakref.WeakValueDictionary()


def track(
    project: str,
    version: str,
    error_handlers: str | Mapping[Any, Any] | Iterable[Any] | None = None,
    signals: Iterable[int] = (),
    init_ping: bool = True,
    **fields: Any,
) -> Tracker:
    """Track a run of *project*: a block, a decorator (each call is a run), or a plain call for the rest of the process.

    Where *project* is tracked as a whole already, the tracker that does so is returned.

    Args:
        project: ``owner/name``.
        version: Of the project.
        error_handlers: ``{class or its name: function}``, where the function takes type, value and traceback, and
            returns fields of the last crumb, such as ``status_desc`` and ``error_desc``; the nearest base class counts.
            Or ``"nipype"``, or several of these. Without one, the class name of an exception is told and its text is
            not (reliability.md S5). Texts are scrubbed.
        signals: Accepted and not used: no handler is ever installed.
        init_ping: Tell of the start too.
        **fields: Fields of all crumbs of the run, as in `add_breadcrumb`.
    """
    del signals
    key = os.getpid(), project, version
    known = _whole.get(key) if _is_rest_of_process(key) else _waiting.get((key, threading.get_ident()))
    if known is not None and (not known.claimed or known is _whole.get(key)):
        known.is_shared = True
        return known
    here = runtime.current()
    tracker = Tracker(
        functools.partial(pipeline.begin_run, project, version, fields, tell_start=init_ping),
        here.rest_of_process,
        project=project,
        version=version,
        error_handlers=resolve(error_handlers),
    )
    known_project: Instrumented | pipeline.Answer = {}
    with guard("track"):
        known_project = pipeline.instrumented(project)
    if isinstance(known_project, dict):
        Run.start(tracker)  # claims it: nothing begins, unless as a decorator, each of whose calls asks anew
    else:
        _waiting[key, threading.get_ident()] = tracker
        here.watch_run(tracker)
    return tracker


def track_exit(
    project: str,
    version: str,
    error_funcs: str | Mapping[Any, Any] | Iterable[Any] | None = None,
    error_handlers: str | Mapping[Any, Any] | Iterable[Any] | None = None,
    **fields: Any,
) -> None:
    """Tell how this process ends, when it does.

    A second call for the same project and version adds nothing: one run, one end.

    Args:
        project: ``owner/name``.
        version: Of the project.
        error_funcs: As `track` has it under its later name.
        error_handlers: The later name.
        **fields: As in `track`.
    """
    handlers = error_funcs if error_handlers is None else error_handlers
    fields.setdefault("init_ping", False)
    track(project, version, handlers, **fields).keep()


def _is_rest_of_process(key: _Key) -> bool:
    """Whether the process is tracked as a whole under *key*, by footfall as it is now."""
    tracker = _whole.get(key)
    return tracker is not None and tracker.is_under_way(runtime.current().recorder)
