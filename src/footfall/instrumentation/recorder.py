"""From the moment of a use to its line in the journal, in the calling thread.

One `Recorder` serves a process. `Subject` is what records are about: a registered function, a run, an event. The usual
case, a plain function that returned, has a shorter way of its own in `wrapper.observe_function`; everything else
goes through `begin` and `Use.finish` here, and both write the same lines.
"""

from __future__ import annotations

import contextvars
import mmap
import os
import random
import sys
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

import msgspec

from footfall import attributes
from footfall.destination import Destination
from footfall.errors import guard, trouble
from footfall.instrumentation.host_spans import HostSpans, SpanToken
from footfall.instrumentation.meter import Meter
from footfall.journal import lines
from footfall.journal.writer import Journal
from footfall.usage import Kind, Outcome

_Definition = TypeVar("_Definition", lines.ProjectLine, lines.FunctionLine)

_MADV_WIPEONFORK: Final = 18
"""Linux: the page reads as zeros in a fork child, also of a fork that runs no Python hooks (uWSGI)."""

_exit_code: Callable[[Any], object] = SystemExit.__dict__["code"].__get__
_type_name: Callable[[type], str] = type.__dict__["__name__"].__get__  # a metaclass may define __name__ as user code


class ProjectState(msgspec.Struct, kw_only=True, eq=False):
    """An instrumented project as records need it.

    Attributes:
        version: "" until the first record asks `find_version`: looking through installed distributions costs
            milliseconds, which a process that never uses the project should not pay.
        number: 0 until the project is defined in this process's journal.
        jobs: Returns its `footfall.instrumentation.job_asked.Jobs`; None while it waits for its project.
    """

    project: str
    version: str = ""
    find_version: Callable[[], str] | None = None
    send_to: tuple[Destination, ...] = ()
    extra: Mapping[str, Any] = {}
    host: HostSpans
    number: int = 0
    jobs: Any = None


class Subject(msgspec.Struct, kw_only=True, eq=False, gc=False):
    """What a record is about. `begin`, where it is not None, begins its uses in the stead of `Recorder.begin`."""

    project: ProjectState
    name: str
    service: str = ""
    extra: Mapping[str, Any] = {}
    drop: tuple[str, ...] = ()
    parameters: tuple[str, ...] = ()
    start: bool = False
    outermost: bool = False
    is_function: bool = True
    per_call: Any = None
    begin: Any = None
    meter: Meter

    def span_attributes(self) -> dict[str, Any]:
        """Return what the host's span says at its start."""
        fields: dict[str, Any] = {attributes.PROJECT: self.project.project, attributes.RECORDED: True}
        if self.service:
            fields[attributes.SERVICE] = self.service
        if self.is_function:
            fields[attributes.CODE_FUNCTION_NAME] = self.name.replace(":", ".")
        return fields

    def event_attributes(self, trace_id: str, span_id: str) -> dict[str, Any]:
        """Return what the host's log record of the event with these ids says besides its fields."""
        fields: dict[str, Any] = {
            attributes.PROJECT: self.project.project,
            attributes.KIND: Kind.EVENT.value,
            attributes.RECORDED: True,
            attributes.LOG_RECORD_UID: attributes.record_uid(trace_id, span_id),
        }
        if self.service:
            fields[attributes.SERVICE] = self.service
        return fields


def outcome_of(exception: BaseException | None) -> tuple[Outcome, str]:
    """Return how a use ended that raised *exception*, and the class name to report.

    ``sys.exit(0)`` is a good end and ``sys.exit(3)`` is not (migas.md defect D8); Ctrl-C and a debugger's quit are
    interruptions. Only the class is looked at: nothing of the exception is called (reliability.md S6).
    """
    # Not isinstance: where the class does not tell, it asks the object, whose ``__class__`` may be the user's code.
    kind = type(exception)
    if exception is None or issubclass(kind, GeneratorExit):
        return Outcome.OK, ""
    name = _type_name(kind)
    if issubclass(kind, SystemExit):
        return (Outcome.OK, "") if _is_good_exit(_exit_code(exception)) else (Outcome.ERROR, name)
    if issubclass(kind, KeyboardInterrupt) or name in {"BdbQuit", "CancelledError"}:
        return Outcome.INTERRUPTED, name
    return Outcome.ERROR, name


def _is_good_exit(code: object) -> bool:
    """Whether a process that exits with *code* has status 0, as CPython decides: None, or an integer 0 of any class."""
    return code is None or (issubclass(type(code), int) and not int.__bool__(code))  # type: ignore[arg-type]  # is int


class Use:
    """One use under way. Make it with `Recorder.begin`; call `finish` exactly once."""

    __slots__ = ("arguments", "begin_ns", "extra", "ids", "page", "parent", "recorder", "span", "subject", "time_ns")

    def __init__(
        self, recorder: Recorder, subject: Subject, arguments: dict[str, Any], extra: Mapping[str, Any]
    ) -> None:
        self.recorder = recorder
        self.page = recorder.page
        self.subject = subject
        self.arguments = arguments
        self.extra = extra
        self.span: Any = None
        self.parent = ""
        self.time_ns = time.time_ns()
        self.begin_ns = time.monotonic_ns()
        enclosing = recorder.current.get()
        if enclosing is None:
            self.ids = recorder.bits(192)
        else:
            self.ids = enclosing >> 64 << 64 | recorder.bits(64)
            self.parent = f"{enclosing & 0xFFFFFFFFFFFFFFFF:016x}"

    def open_host_span(self) -> None:
        """Begin a span on the host's tracer, where there is one, and take over its ids. `attach` makes it current."""
        with guard("host span"):
            opened = self.subject.project.host.begin_span(self.subject.name, self.subject.span_attributes)
            if opened is None:
                return
            self.span = opened.span
            if opened.ids:
                self.ids, self.parent = opened.ids, opened.parent

    def attach(self) -> tuple[contextvars.Token[int | None], SpanToken | None]:
        """Make this use the enclosing one for uses that begin from here on, and its span the host's current one."""
        spans = None
        if self.span is not None:
            with guard("host span"):
                spans = self.subject.project.host.attach(self.span)
        return self.recorder.current.set(self.ids), spans

    def detach(self, tokens: tuple[contextvars.Token[int | None], SpanToken | None]) -> None:
        """Undo `attach`; a block left in another context (a closed coroutine) has nothing to undo."""
        token, spans = tokens
        if spans is not None:
            with guard("host span"):
                self.subject.project.host.detach(spans)
        try:
            self.recorder.current.reset(token)
        except ValueError:
            return

    def write_start(self) -> None:
        """Write the line that says the use began."""
        subject = self.subject
        self.recorder.write_record(
            subject,
            lines.Start(
                function=self.recorder.number(subject),
                time_ns=self.time_ns,
                ids=f"{self.ids:048x}",
                parent=self.parent,
                arguments=self.arguments,
                extra=dict(self.extra),
            ),
        )

    def finish(
        self,
        exception: BaseException | None = None,
        *,
        items: int = -1,
        outcome: Outcome | None = None,
        message: str = "",
    ) -> None:
        """Write the line that says how the use ended, and end the host's span. Never raises."""
        duration_ns = time.monotonic_ns() - self.begin_ns
        if self.recorder.page is not self.page or not self.page[0]:
            return  # a fork child came back: the use is its parent's (defect D8)
        with guard("record"):
            found, error_type = outcome_of(exception)
            span, self.span = self.span, None
            if span is not None:
                with guard("host span"):
                    self.subject.project.host.end_span(span, error_type if found is not Outcome.OK else "", items)
            subject = self.subject
            meter = subject.meter
            count = 1 + meter.take()
            written = self.recorder.write_record(
                subject,
                lines.End(
                    function=self.recorder.number(subject),
                    time_ns=self.time_ns,
                    ids=f"{self.ids:048x}",
                    parent=self.parent,
                    arguments=self.arguments,
                    extra=dict(self.extra),
                    duration_ns=duration_ns,
                    outcome=outcome or found,
                    error_type=error_type,
                    message=message,
                    count=count,
                    items=items,
                ),
            )
            if not written:
                meter.suppressed += count


class Recorder:
    """Writes the records of one process.

    Attributes:
        journal: Where they go.
        current: Trace and span id (192 bits) of the enclosing use, per thread and task.
        forked: Called in a fork child that nobody told.
        bits: Random bits for ids. Not the module's own functions of `random`: a host that seeds them would give every
            run the same ids, and our draws would change the host's sequence.
        page: Its first byte is 1, and 0 in a fork child that nobody told.
        observe_plain: What all plain functions of the process share, once there is one; `wrapper.observe_function`.
    """

    def __init__(self, journal: Journal, *, first_record: Callable[[], None], forked: Callable[[], None]) -> None:
        self.journal = journal
        self.current: contextvars.ContextVar[int | None] = contextvars.ContextVar("footfall.current", default=None)
        self._random = random.Random(os.urandom(32))  # noqa: S311  ids are names, not secrets
        self.bits = self._random.getrandbits
        self.page = _wiped_on_fork()
        self.first_record = first_record
        self.forked = forked
        self.observe_plain: Callable[..., Any] | None = None
        self._subjects: list[Subject] = []
        self._projects = 0
        # Re-entrant: looking for a version, or a finalizer of the host, may call a wrapped function in this thread.
        self._lock = threading.RLock()

    def subject(self, subject_fields: dict[str, Any], *, rate_per_second: float) -> Subject:
        """Return a new `Subject` with a number and a meter of its own."""
        with self._lock:
            meter = Meter(len(self._subjects) + 1, rate_per_second=rate_per_second)
            subject = Subject(meter=meter, **subject_fields)
            self._subjects.append(subject)
        return subject

    def begin(
        self, subject: Subject, arguments: dict[str, Any] | None = None, extra: Mapping[str, Any] | None = None
    ) -> Use | None:
        """Return the use of *subject* that begins now, or None when it was only counted."""
        try:
            if not self.page[0]:
                self.forked()
            if not subject.meter.admit(time.monotonic_ns()):
                return None
            use = Use(self, subject, arguments or {}, extra or {})
            use.open_host_span()
        except Exception as exception:  # noqa: BLE001  the host's call goes on whatever happens here
            trouble.hidden("record", exception)
            return None
        if subject.start:
            with guard("record"):
                use.write_start()
        return use

    def number(self, subject: Subject) -> int:
        """Return *subject*'s number, after defining it in the journal where that was not done yet."""
        if subject.meter.prefix is None:
            self.prepare(subject)
        return subject.meter.number

    def prepare(self, subject: Subject) -> bytes:
        """Define *subject* (and its project) in this process's journal; return the head of its usual line."""
        with self._lock:
            meter = subject.meter
            if meter.prefix is not None:
                return meter.prefix
            project = subject.project
            if not project.number and not project.version and project.find_version is not None:
                find, project.find_version = project.find_version, None
                with guard("find version"):
                    project.version = find()
                self._forget_definitions(project)  # a wrapped function called meanwhile made them without the version
            if not project.number:
                self._projects += 1
                project.number = self._projects
                line = lines.ProjectLine(
                    n=project.number, project=project.project, version=project.version, send_to=project.send_to
                )
                self.journal.define(_sayable(line, extra=dict(project.extra)))
            function = lines.FunctionLine(
                n=meter.number,
                project=project.number,
                name=subject.name,
                service=subject.service,
                drop=subject.drop,
                parameters=subject.parameters,
                starts=subject.start,
            )
            self.journal.define(_sayable(function, extra=dict(subject.extra)))
            prefix = b'{"kind":"end","function":%d,"time_ns":' % meter.number
            meter.prefix = prefix
        self.first_record()
        return prefix

    def _forget_definitions(self, project: ProjectState) -> None:
        if project.number:
            project.number = 0
            for subject in self._subjects:
                if subject.project is project:
                    subject.meter.prefix = None

    def write_record(self, subject: Subject, record: lines.AnyRecord) -> bool:
        """Write *record*; one too large, or not sayable in JSON, loses its arguments and fields, and says so."""
        try:
            line = lines.encode(record)
            too_big = len(line) if len(line) > lines.MAX_LINE_BYTES else 0
        except (ValueError, TypeError, RecursionError):
            line, too_big = b"", -1
        if too_big:
            trouble.note("too big", "footfall: arguments of %s did not fit a record and were left out", subject.name)
            bare: dict[str, Any] = {"arguments": {}, "extra": {"footfall.too_big": too_big}}
            if isinstance(record, (lines.End, lines.Event)):
                bare["message"] = ""
            line = lines.encode(msgspec.structs.replace(record, **bare))
        return self.journal.write(line)

    def event(
        self,
        subject: Subject,
        fields: Mapping[str, Any],
        *,
        message: str = "",
        outcome: Outcome | None = None,
        error_type: str = "",
    ) -> bool:
        """Write an event of *subject* that happens now, and emit it on the host's logger. Never raises.

        Returns:
            Whether it was written; one that was not is counted.
        """
        time_ns, written, text = time.time_ns(), False, ""
        with guard("event"):
            if not self.page[0]:
                self.forked()
            if not subject.meter.admit(time.monotonic_ns()):
                return False
            enclosing = self.current.get()
            ids = self.bits(192) if enclosing is None else enclosing >> 64 << 64 | self.bits(64)
            text = f"{ids:048x}"
            count = 1 + subject.meter.take()
            written = self.write_record(
                subject,
                lines.Event(
                    function=self.number(subject),
                    time_ns=time_ns,
                    ids=text,
                    parent="" if enclosing is None else f"{enclosing & 0xFFFFFFFFFFFFFFFF:016x}",
                    extra=dict(fields),
                    outcome=outcome,
                    error_type=error_type,
                    message=message,
                    count=count,
                ),
            )
            if not written:
                subject.meter.suppressed += count
        with guard("host event"):
            extra = {**subject.project.extra, **subject.extra, **fields}
            said = subject.event_attributes(text[:32], text[32:])
            subject.project.host.emit(subject.name, said, extra, time_ns=time_ns)
        return written

    def flush_counts(self) -> int:
        """Write a line for each subject with uses that no line carries yet; return how many uses they were."""
        flushed = 0
        for subject in tuple(self._subjects):
            if not subject.meter.suppressed:
                continue
            number = self.number(subject)
            count = subject.meter.take()
            if not count:
                continue
            record = lines.Count(function=number, time_ns=time.time_ns(), ids=f"{self.bits(192):048x}", count=count)
            if self.journal.write(lines.encode(record)):
                flushed += count
            else:
                subject.meter.suppressed += count
        return flushed

    def after_fork(self) -> None:
        """In a fork child: counts, definitions and ids of the parent are the parent's."""
        self._lock = threading.RLock()
        self._random.seed(os.urandom(32))
        self.page = _wiped_on_fork()
        self._projects = 0
        for subject in self._subjects:
            subject.meter.reset()
            subject.project.number = 0


def _sayable(line: _Definition, *, extra: dict[str, Any]) -> _Definition:
    """Return *line* with *extra*, or without where JSON cannot say it: a definition must be there in any case."""
    whole = msgspec.structs.replace(line, extra=extra)
    try:
        lines.encode(whole)
    except (ValueError, TypeError, RecursionError) as error:
        trouble.hidden("extra", error)
        return line
    return whole


def _wiped_on_fork() -> mmap.mmap | bytes:
    """Return one byte that is 1 here and 0 in fork children, or always 1 where the kernel cannot do that."""
    if sys.platform != "linux":
        return b"\x01"
    try:
        page = mmap.mmap(-1, mmap.PAGESIZE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        page.madvise(_MADV_WIPEONFORK)
    except (OSError, ValueError):
        return b"\x01"
    page[0] = 1
    return page
