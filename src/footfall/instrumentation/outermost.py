"""What the user called counts, not what the library calls inside: entries that say ``outermost: true``.

While a use of such an entry runs, those of other such entries of its project are not reported and not counted; they are
called straight through. A library whose public functions call each other so tells the same as a client that looks at
the text of a notebook's cell (wire/access.md section 2.1).

Another thread or process has a beginning of its own: there nothing is inside of what another one does. A function that
is registered for two services is one call, and both are told.
"""

from __future__ import annotations

import contextlib
import contextvars
from collections.abc import Generator
from typing import Any, Final

from footfall.instrumentation.recorder import Recorder, Subject, Use

_Call = tuple[str, str, str]
"""Project, name and service."""

_NOTHING: Final[tuple[object, tuple[_Call, ...]]] = (None, ())

# With the recorder's page, which a fork child does not share: a worker that is made inside a use must not be silent for
# good. A variable of its own, so that only entries with the option pay for it.
_inside: Final[contextvars.ContextVar[tuple[object, tuple[_Call, ...]]]] = contextvars.ContextVar(
    "footfall.outermost", default=_NOTHING
)

_is_aside: Final[contextvars.ContextVar[bool]] = contextvars.ContextVar("footfall.aside", default=False)


@contextlib.contextmanager
def aside() -> Generator[None]:
    """Cover uses of all projects for a while: what a program does on its own account, such as showing an object."""
    token = _is_aside.set(True)
    try:
        yield
    finally:
        _is_aside.reset(token)


def is_covered(recorder: Recorder, subject: Subject) -> bool:
    """Whether a use of *subject* that begins now is inside one that was told already, or nobody's."""
    if _is_aside.get():
        return True
    page, calls = _inside.get()
    if page is not recorder.page:
        return False
    project, name, service = _call(subject)
    return any(each[0] == project and (each[1] != name or each[2] == service) for each in calls)


class Outermost:
    """A use with the option under way, or only its mark: uses beyond the rate are counted, and cover others as well.

    It is driven like `footfall.instrumentation.recorder.Use`.

    Args:
        recorder: Of the process.
        subject: What is used.
        use: None where it is only counted.
    """

    __slots__ = ("_recorder", "_subject", "_use")

    def __init__(self, recorder: Recorder, subject: Subject, use: Use | None) -> None:
        self._recorder = recorder
        self._subject = subject
        self._use = use

    def attach(self) -> Any:
        """Cover what begins from here on; return what `detach` takes."""
        page, calls = _inside.get()
        known = calls if page is self._recorder.page else ()
        token = _inside.set((self._recorder.page, (*known, _call(self._subject))))
        return token, self._use.attach() if self._use is not None else None

    def detach(self, tokens: Any) -> None:
        """Undo `attach`; a block left in another context (a closed coroutine) has nothing to undo."""
        token, inner = tokens
        if self._use is not None:
            self._use.detach(inner)
        try:
            _inside.reset(token)
        except ValueError:
            return

    def finish(self, exception: BaseException | None = None, *, items: int = -1) -> None:
        """Write how the use ended, where it is reported. Never raises."""
        if self._use is not None:
            self._use.finish(exception, items=items)


def _call(subject: Subject) -> _Call:
    return subject.project.project, subject.name, subject.service
