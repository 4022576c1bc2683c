"""The wrappers: what stands in a function's place, and what it does around a call.

`UsageWrapper` is wrapt's transparent proxy, made picklable by name (otel.md section 3: without that, everything that
pickles functions breaks). Around the call runs one of the functions below, chosen by what the target is. The user's
exceptions pass through as the same object; nothing of ours ever leaves.
"""

from __future__ import annotations

import copy
import inspect
import sys
import time
from collections.abc import AsyncGenerator, Callable, Generator, Mapping
from types import MethodType
from typing import TYPE_CHECKING, Any, TypeAlias

import wrapt

from footfall.errors import guard, trouble
from footfall.instrumentation.outermost import Outermost, is_covered
from footfall.instrumentation.recorder import Recorder, Subject, Use

Observer: TypeAlias = Callable[[Any, Any, tuple[Any, ...], dict[str, Any]], Any]
"""wrapt's form: called with the wrapped function, the instance, and the arguments of the call."""

Capture: TypeAlias = Callable[[tuple[Any, ...], dict[str, Any]], dict[str, Any]]
"""Takes the arguments of a call; returns what the registry allows of them, scrubbed."""

if TYPE_CHECKING:
    _BoundFunctionWrapper = wrapt.BoundFunctionWrapper[..., Any]
    _FunctionWrapper = wrapt.FunctionWrapper[..., Any]
else:  # the classes of wrapt 1 take no type arguments
    _BoundFunctionWrapper, _FunctionWrapper = wrapt.BoundFunctionWrapper, wrapt.FunctionWrapper


class _BoundUsageWrapper(_BoundFunctionWrapper):
    """A wrapped method bound to its object; pickles as ``getattr(object, name)``, as the method itself does."""

    def __reduce_ex__(self, protocol: Any) -> Any:
        wrapped: Any = self.__wrapped__
        if getattr(wrapped, "__self__", None) is None and (place := _place(wrapped)) is not None:
            return getattr, place  # of a class, not bound: each look at it gives another proxy, so no name will do
        return wrapped.__reduce_ex__(protocol)

    def __copy__(self) -> _BoundUsageWrapper:
        return self

    def __deepcopy__(self, memo: Any) -> Any:
        wrapped: Any = self.__wrapped__
        owner = getattr(wrapped, "__self__", None)
        if owner is None or isinstance(owner, type):
            return self
        copied = copy.deepcopy(owner, memo)  # as Python does for methods
        return self._self_parent.__get__(copied, type(copied))


class UsageWrapper(_FunctionWrapper):
    """A wrapped function; pickles by name, so that another process finds its own copy, wrapped or not."""

    __bound_function_wrapper__ = _BoundUsageWrapper

    def __reduce_ex__(self, protocol: Any) -> Any:
        wrapped: Any = self.__wrapped__
        name = getattr(wrapped, "__qualname__", None)
        return name if name is not None else wrapped.__reduce_ex__(protocol)

    def __copy__(self) -> UsageWrapper:
        return self

    def __deepcopy__(self, memo: Any) -> UsageWrapper:
        return self


def _place(function: Any) -> tuple[type, str] | None:
    """Return class and name under which *function* is found, or None for one that is not in a class of a module."""
    qualname, owner = getattr(function, "__qualname__", ""), sys.modules.get(getattr(function, "__module__", ""))
    *path, name = qualname.split(".")
    found: Any = owner
    for part in path:
        found = getattr(found, part, None)
    return (found, name) if isinstance(found, type) and hasattr(found, name) else None


def observer(target: Callable[..., Any], recorder: Recorder, subject: Subject, capture: Capture | None) -> Observer:
    """Return the observer for *target*, by its kind: plain, coroutine, generator or asynchronous generator."""
    if inspect.isasyncgenfunction(target):
        return _observe_async_generator(recorder, subject, capture)
    if inspect.iscoroutinefunction(target):
        return _observe_coroutine(recorder, subject, capture)
    if inspect.isgeneratorfunction(target):
        return _observe_generator(recorder, subject, capture)
    if capture is None and not (subject.start or subject.outermost or subject.per_call or subject.begin):
        return observe_function(recorder, subject)
    return _observe_in_full(recorder, subject, capture)


def observe_function(recorder: Recorder, subject: Subject) -> Observer:
    """Return the observer of a plain function without captured arguments: the case whose cost matters.

    It does what `Recorder.begin` and `Use.finish` do, without their objects. All functions of a process share one and
    differ in the subject it is bound to: a closure for each of them took 1.5 KiB, and thousands of them the cache.
    ``python -m bench --only calls`` measures it; of a reported use 40 % are the ``os.write`` and 15 % are wrapt's.
    """
    if recorder.observe_plain is None:
        recorder.observe_plain = _plain_observer(recorder)
    return MethodType(recorder.observe_plain, subject)


def _plain_observer(recorder: Recorder) -> Callable[[Subject, Any, Any, tuple[Any, ...], dict[str, Any]], Any]:
    current = recorder.current
    enclosing, attach, detach = current.get, current.set, current.reset
    write, bits, prepare = recorder.journal.write, recorder.bits, recorder.prepare
    monotonic_ns, time_ns, modules = time.monotonic_ns, time.time_ns, sys.modules

    def observe(subject: Subject, wrapped: Any, _instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        begin_ns, meter = monotonic_ns(), subject.meter
        if begin_ns < meter.open_at_ns:
            meter.suppressed += 1
            return wrapped(*args, **kwargs)
        page, host = recorder.page, subject.project.host
        if (
            enclosing() is not None
            or not page[0]
            or ((host.given or "opentelemetry.sdk.trace" in modules) and host.tracer())
        ):
            return _in_full(recorder.begin(subject), wrapped, args, kwargs)
        if not (meter.unlimited or meter.admit(begin_ns)):  # another thread was first, and this use has been counted
            return wrapped(*args, **kwargs)
        began_ns = time_ns()
        ids = bits(192)
        token = attach(ids)
        try:
            result = wrapped(*args, **kwargs)
        except BaseException as exception:
            detach(token)
            _use(recorder, subject, page, ids, (began_ns, begin_ns)).finish(exception)
            raise
        detach(token)
        duration_ns = monotonic_ns() - begin_ns
        if recorder.page is not page or not page[0]:  # a fork child came back: the use is its parent's
            return result
        try:
            if meter.suppressed:
                _use(recorder, subject, page, ids, (began_ns, begin_ns)).finish()
            elif not write(
                b'%s%d,"ids":"%048x","duration_ns":%d}\n'
                % (meter.prefix or prepare(subject), began_ns, ids, duration_ns)
            ):
                meter.suppressed += 1
        except Exception as exception:  # noqa: BLE001  the result of the user's function must reach its caller
            trouble.hidden("record", exception)
        return result

    return observe


def _use(recorder: Recorder, subject: Subject, page: Any, ids: int, begun: tuple[int, int]) -> Use:
    use = Use(recorder, subject, {}, {})
    use.page = page
    use.ids, use.parent, (use.time_ns, use.begin_ns) = ids, "", begun
    return use


def _begin(
    recorder: Recorder, subject: Subject, capture: Capture | None, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Use | Outermost | None:
    """Return the use that begins now; None where nothing is to be done around the call."""
    if subject.outermost and is_covered(recorder, subject):
        return None
    arguments: dict[str, Any] = {}
    extra: Mapping[str, Any] | None = {}
    per_call = subject.per_call
    if (capture is not None or per_call is not None) and time.monotonic_ns() >= subject.meter.open_at_ns:
        with guard("capture"):
            if capture is not None:
                arguments = capture(args, kwargs)
            if per_call is not None:
                extra = per_call(subject, args, kwargs)
    if extra is None:
        return None
    if subject.begin is not None:
        begun: Use | None = subject.begin(recorder, subject, arguments, extra)  # or something that is driven like one
        return begun
    use = recorder.begin(subject, arguments, extra)
    return Outermost(recorder, subject, use) if subject.outermost else use


def _observe_in_full(recorder: Recorder, subject: Subject, capture: Capture | None) -> Observer:
    def observe(wrapped: Any, instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        del instance
        return _in_full(_begin(recorder, subject, capture, args, kwargs), wrapped, args, kwargs)

    return observe


def _in_full(use: Use | Outermost | None, wrapped: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    if use is None:
        return wrapped(*args, **kwargs)
    token = use.attach()
    try:
        result = wrapped(*args, **kwargs)
    except BaseException as exception:
        use.detach(token)
        use.finish(exception)
        raise
    use.detach(token)
    use.finish()
    return result


def _observe_coroutine(recorder: Recorder, subject: Subject, capture: Capture | None) -> Observer:
    async def run(coroutine: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        use = _begin(recorder, subject, capture, args, kwargs)
        if use is None:
            return await coroutine
        token = use.attach()
        try:
            result = await coroutine
        except BaseException as exception:
            use.detach(token)
            use.finish(exception)
            raise
        use.detach(token)
        use.finish()
        return result

    def observe(wrapped: Any, instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        del instance
        # Made here and not in `run`: wrong arguments must raise at the call, as they would without us.
        coroutine = wrapped(*args, **kwargs)
        if not inspect.iscoroutine(coroutine):
            return _called(coroutine, _begin(recorder, subject, capture, args, kwargs))
        return _named_like(run(coroutine, args, kwargs), coroutine)

    return observe


def _observe_generator(recorder: Recorder, subject: Subject, capture: Capture | None) -> Observer:
    def drive(
        generator: Generator[Any, Any, Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Generator[Any, Any, Any]:
        use = _begin(recorder, subject, capture, args, kwargs)
        if use is None:
            return (yield from generator)
        items = 0
        value: Any = None
        thrown: BaseException | None = None
        try:
            while True:
                token = use.attach()  # only while the body runs: between items the consumer is not inside this use
                try:
                    item = generator.send(value) if thrown is None else generator.throw(thrown)
                except StopIteration as stop:
                    use.finish(items=items)
                    return stop.value
                finally:
                    use.detach(token)
                items += 1
                value = thrown = None
                try:
                    value = yield item
                except BaseException as exception:  # noqa: BLE001  thrown in by the consumer, handed on to the body
                    thrown = exception
        except BaseException as exception:
            thrown = None  # would keep exception, traceback and this frame alive in a circle
            use.finish(exception, items=items)
            raise

    def observe(wrapped: Any, instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        del instance
        generator = wrapped(*args, **kwargs)
        if not inspect.isgenerator(generator):
            return _called(generator, _begin(recorder, subject, capture, args, kwargs))
        return _named_like(drive(generator, args, kwargs), generator)

    return observe


def _observe_async_generator(recorder: Recorder, subject: Subject, capture: Capture | None) -> Observer:
    async def drive(
        generator: AsyncGenerator[Any, Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> AsyncGenerator[Any, Any]:
        use = _begin(recorder, subject, capture, args, kwargs)
        items = 0
        value: Any = None
        thrown: BaseException | None = None
        try:
            while True:
                token = use.attach() if use is not None else None
                try:
                    item = await (generator.asend(value) if thrown is None else generator.athrow(thrown))
                except StopAsyncIteration:
                    if use is not None:
                        use.finish(items=items)
                    return
                finally:
                    if use is not None and token is not None:
                        use.detach(token)
                items += 1
                value = thrown = None
                try:
                    value = yield item
                except BaseException as exception:  # noqa: BLE001  thrown in by the consumer, handed on to the body
                    thrown = exception
        except BaseException as exception:
            thrown = None  # would keep exception, traceback and this frame alive in a circle
            if use is not None:
                use.finish(exception, items=items)
            raise

    def observe(wrapped: Any, instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        del instance
        generator = wrapped(*args, **kwargs)
        if not inspect.isasyncgen(generator):
            return _called(generator, _begin(recorder, subject, capture, args, kwargs))
        return _named_like(drive(generator, args, kwargs), generator)

    return observe


def _called(result: Any, use: Use | Outermost | None) -> Any:
    """Count the call where *result* is of a type that cannot be driven (an awaitable made by hand, compiled code)."""
    if use is not None:
        use.finish()
    return result


def _named_like(ours: Any, theirs: Any) -> Any:
    """Give *ours* (coroutine or generator) the names of *theirs*: warnings and reprs name the user's function."""
    ours.__name__, ours.__qualname__ = theirs.__name__, theirs.__qualname__
    return ours
