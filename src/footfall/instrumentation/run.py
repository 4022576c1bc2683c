"""A run: something with a start, an end, and a way it ended (`footfall.track`).

Three ways to say it, one object: a block, a decorator (each call is a run of its own), or a plain call, whose run is
the rest of the process. Only the plain call cannot be told at once: an object that neither became a block nor a
decorator by the time it is dropped, or by the next turn of the background thread, was one.

The final status is right where the originals' is not (migas.md defect D8): ``sys.exit(3)`` failed, ``sys.exit(0)`` did
not, Ctrl-C interrupted, a fork child says nothing about its parent's run, an inner run does not end the outer one.
"""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable, Generator
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

from footfall.errors import guard
from footfall.instrumentation.recorder import Use

if TYPE_CHECKING:
    from typing_extensions import Self

    from footfall.instrumentation.recorder import Recorder

F = TypeVar("F", bound=Callable[..., Any])

Begin = Callable[[], "Use | None"]
"""Begins a use of the run's subject now; None while footfall is off."""


class Run:
    """What `footfall.track` returns.

    Args:
        begin: Begins the run's use.
        rest_of_process: Called with the run when it turns out to be a plain call; it must keep it and `end` it at exit.
    """

    def __init__(self, begin: Begin, rest_of_process: Callable[[Run], None]) -> None:
        self._begin = begin
        self._rest_of_process = rest_of_process
        self._claimed = False
        self._use: Use | None = None
        self._token: Any = None

    def __enter__(self) -> Self:
        self.start()
        if self._use is not None:
            self._token = self._use.attach()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exception: BaseException | None, traceback: TracebackType | None
    ) -> None:
        del kind, traceback
        if self._use is not None and self._token is not None:
            self._use.detach(self._token)
        self.end(exception)

    def __call__(self, function: F) -> F:
        """Return *function* with a run around each of its calls."""
        self._claimed = True
        another = self._another

        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def run_async(*args: Any, **kwargs: Any) -> Any:
                with another():
                    return await function(*args, **kwargs)

            return run_async  # type: ignore[return-value]  # same signature, by functools.wraps

        if inspect.isgeneratorfunction(function):

            @functools.wraps(function)
            def run_generator(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
                generator: Generator[Any, Any, Any] = function(*args, **kwargs)
                this = another()
                this.start()  # never attached: between two items the consumer is not inside the run
                try:
                    result = yield from generator
                except BaseException as exception:
                    this.end(exception)
                    raise
                this.end()
                return result

            return run_generator  # type: ignore[return-value]  # same signature, by functools.wraps

        @functools.wraps(function)
        def run(*args: Any, **kwargs: Any) -> Any:
            with another():
                return function(*args, **kwargs)

        return run  # type: ignore[return-value]  # same signature, by functools.wraps

    def __del__(self) -> None:
        if not getattr(self, "_claimed", True) and not sys.is_finalizing():
            with guard("track"):
                self._rest_of_process(self)

    @property
    def claimed(self) -> bool:
        """Whether it is known which of the three it is."""
        return self._claimed

    def is_under_way(self, recorder: Recorder) -> bool:
        """Whether it began in *recorder*, in this process, and has not ended."""
        use = self._use
        return use is not None and use.recorder is recorder and recorder.page is use.page and bool(use.page[0])

    def keep(self) -> None:
        """Be the rest of the process from now on: what a plain call becomes, told at once."""
        if not self._claimed:
            self._rest_of_process(self)

    def start(self) -> None:
        """Begin now. Only needed where the object is kept and neither a block nor a decorator."""
        if not self._claimed:
            self._claimed = True
            self._use = self._begin()

    def end(self, exception: BaseException | None = None) -> None:
        """End with *exception* or well. A second call says nothing more."""
        use, self._use = self._use, None
        if use is not None:
            use.finish(exception)

    def _another(self) -> Run:
        """Return a further run of the same kind, for one call of a decorated function."""
        return Run(self._begin, self._rest_of_process)


class ExitStatus:
    """How this process is about to end, as far as that can be seen from inside.

    Python does not tell exit handlers about ``sys.exit(3)``, so `watch` puts a function in front of `sys.exit` that
    remembers the status and goes on. Only plain calls of `footfall.track` need it, and nothing else is touched: no
    signal handler, no excepthook.
    """

    def __init__(self) -> None:
        self._original: Callable[..., Any] | None = None
        self._raised: SystemExit | None = None

    def watch(self) -> None:
        """Begin to remember; a second call does nothing."""
        if self._original is not None:
            return
        original = self._original = sys.exit

        @functools.wraps(original)
        def remember(*args: Any) -> Any:
            try:
                original(*args)
            except SystemExit as raised:
                self._raised = SystemExit(raised.code)
                raise

        self._watching = remember
        sys.exit = remember

    def unwatch(self) -> None:
        """Put `sys.exit` back where nobody else replaced it."""
        if self._original is not None and sys.exit is self._watching:
            sys.exit = self._original
        self._original = None

    def exception(self) -> BaseException | None:
        """Return what ended the program: the uncaught exception, the last ``sys.exit``, or None."""
        last: BaseException | None = getattr(sys, "last_exc", None) or getattr(sys, "last_value", None)
        return last if last is not None else self._raised
