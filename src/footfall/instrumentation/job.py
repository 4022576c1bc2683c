"""A job and its steps while they run: what `footfall.job` returns, and what registered functions become that are one.

A job is a use whose start is told, a step a use inside it, a note an event. All of them carry the job's id in fields
addressed to the wire ``tracker`` (`footfall.wire.tracker`), so that threads and processes may take part. Points, log
lines and the progress bar are the program's own, and there without any telemetry, too.

Nothing here raises into the job, but for one that says ``strict=True``.
"""

from __future__ import annotations

import contextvars
import logging
import os
import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final

import msgspec

from footfall.errors import ConfigurationError, UnknownTagError, guard, trouble
from footfall.instrumentation.job_asked import Ask, Jobs
from footfall.instrumentation.job_points import Points
from footfall.instrumentation.job_step import Step, describe, scrubbed
from footfall.instrumentation.recorder import Recorder, Subject, Use, outcome_of
from footfall.instrumentation.run import Run
from footfall.jobs.model import JobConfig
from footfall.jobs.reported import Reported
from footfall.journal import lines
from footfall.resource.session import random_uuid
from footfall.usage import Outcome

if TYPE_CHECKING:
    from typing_extensions import Self

    from footfall.bar import Bar

LOGGER: Final = "footfall.job"
"""A line for each step, of level INFO, goes to the child of this logger that is named like the job."""

CONFIGURATION: Final = "job_configuration"
"""Name of the record that registers a configuration; the wire ``tracker`` alone reads it."""

NOTE: Final = "note"

UNDECLARED: Final = "step"
"""Name of the uses of steps that the configuration does not know: a program may make up any number of them."""

NOT_TOLD: Final[Mapping[str, Any]] = {"tracker.kind": None}
"""What a record says that a tracker shall not be told."""


_inside: Final[contextvars.ContextVar[Job | None]] = contextvars.ContextVar("footfall.job", default=None)
_under_way: Final[list[Job]] = []
"""Of this process, for threads that have no context of their own."""


class Job(Run):
    """A job under way, or about to be.

    ``with`` begins and ends it; as a decorator each call of the function is one. Without either it begins with its
    first step or note, and ends with the process, as well as that ends.

    Args:
        ask: What is wanted.
        find_jobs: Asked when the job begins: a decorator may stand before `footfall.instrument`.
        subject: What its records are about, for a registered function; default: its tag.
        arguments: Captured ones of that function.

    Attributes:
        tag: Of its configuration.
        provider_job_id: By which servers know it; a program that is started again and gives the same goes on with it.
        config: Its configuration; None before it began, or where there is none.
        outer: The job that it is inside of, if any.
    """

    def __init__(
        self,
        ask: Ask,
        find_jobs: Callable[[], Jobs],
        *,
        subject: Subject | None = None,
        arguments: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(_nothing, _nothing)
        self._ask = ask
        self._find_jobs = find_jobs
        self._subject = subject
        self._arguments = arguments
        self.tag = ask.tag
        self.provider_job_id = ask.provider_job_id or random_uuid()
        self.config: JobConfig | None = None
        self._points = Points(None)
        self._jobs: Jobs | None = None
        self._fields: Mapping[str, Any] = NOT_TOLD
        self._reported: Reported | None = None
        self._bar: Bar | None = None
        self._began = 0.0
        self._pid = 0
        self._is_over = False
        self.outer: Job | None = None

    # -- what the program says --------------------------------------------------------------------------------------

    def step(self, tag: str, /, **metadata: Any) -> Step:
        """Return a step of this job, which a ``with`` block begins and ends.

        A block that raises is an `error` to the server, with the class name of the exception and nothing more.

        Args:
            tag: As declared in the job's configuration. Another is logged, once, and sent without its tag.
            **metadata: What the step reports, scrubbed.

        Raises:
            UnknownTagError: The job is strict, and declares no such step.
        """
        return Step(self, str(tag), scrubbed(metadata))

    def step_done(self, tag: str, /, **metadata: Any) -> None:
        """Report that a step is done, without a block around it. Else as `step`."""
        step = self.step(tag, **metadata)
        step.begin()
        step.finish()

    def note(self, message: str, /, **metadata: Any) -> None:
        """Report something worth knowing, which is no step.

        Args:
            message: A short text, scrubbed.
            **metadata: What goes along, scrubbed.
        """
        self.keep()
        jobs = self._jobs
        if jobs is None or jobs.recorder is None:
            return
        with guard("job"):
            fields = {**scrubbed({"message": message, **metadata}), **self._fields}
            jobs.recorder.event(jobs.subject(NOTE, False), fields)

    @property
    def points_done(self) -> int:
        """Points of the steps that are done: here, in fork children, and by earlier starts with the same id."""
        return self._points.done

    @property
    def points(self) -> int:
        """Points of all declared steps; 0 where none are declared, or before the job began."""
        return self._points.total

    # -- begin and end ----------------------------------------------------------------------------------------------

    def __enter__(self) -> Self:
        self.start()
        self._token = self.attach()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exception: BaseException | None, traceback: TracebackType | None
    ) -> None:
        del kind, traceback
        token, self._token = self._token, None
        if token is not None:
            self.detach(token)
        self.end(exception)

    def __del__(self) -> None:
        """Nothing: unlike a run, a job that nobody began is none."""

    def keep(self) -> None:
        """Be the rest of the process, unless it has begun already."""
        if self._claimed:
            return
        jobs = self._find_jobs()
        if jobs.recorder is None:  # nothing will end it, so nothing may be left open
            self._ask = msgspec.structs.replace(self._ask, progress=False)
            self.start()
        else:
            jobs.rest_of_process(self)

    def start(self) -> None:
        """Begin now. Only needed where the object is kept and neither a block nor a decorator.

        Raises:
            ConfigurationError: The job is strict, and something about it is wrong.
        """
        if self._claimed:
            return
        self._claimed = True
        self._began, self._pid = time.monotonic(), os.getpid()
        jobs = self._jobs = self._find_jobs()
        is_told = self._configure(jobs)
        with guard("job"):
            self._points = Points(self.config)
            if jobs.recorder is not None:
                self._use = self._open(jobs, jobs.recorder, is_told=is_told)
            self.outer = _inside.get()
            _under_way.append(self)
            if self._ask.progress and self._points.total > 0 and not any(each.has_bar for each in _under_way):
                from footfall.bar import open_bar  # noqa: PLC0415  loads rich, where there is a terminal

                self._bar = open_bar(self.config.name if self.config is not None else self.tag, self._points.total)
            self._show("")

    def end(self, exception: BaseException | None = None) -> None:
        """End with *exception* or well. A second call says nothing more."""
        if not self._claimed or self._is_over:
            return
        self._is_over = True
        super().end(exception)
        with guard("job"):
            if self in _under_way:
                _under_way.remove(self)
            if self._pid != os.getpid():
                return  # a fork child came back: the job is its parent's
            outcome, error_type = outcome_of(exception)
            is_complete = outcome is Outcome.OK
            if is_complete and self._reported is not None:
                self._reported.forget()
            self._log(error_type, "%s: %s in %.1f s", self.tag, self._ended(error_type), time.monotonic() - self._began)
            bar, self._bar = self._bar, None
            if bar is not None:
                bar.close(self._points.done, error_type)

    def attach(self) -> Any:
        """Make this the job of steps that begin from here on; return what `detach` takes."""
        use = self._use
        return _inside.set(self), use, use.attach() if use is not None else None

    def detach(self, tokens: Any) -> None:
        """Undo `attach`; a block left in another context (a closed coroutine) has nothing to undo."""
        token, use, inner = tokens
        if use is not None:
            use.detach(inner)
        try:
            _inside.reset(token)
        except ValueError:
            return

    def finish(self, exception: BaseException | None = None, *, items: int = -1) -> None:
        """End as the call of a registered function does."""
        del items
        self.end(exception)

    @property
    def has_bar(self) -> bool:
        """Whether it has a bar on the terminal, where there is room for one."""
        return self._bar is not None

    def is_of(self, project: str) -> bool:
        """Whether it is a job of *project*, and under way."""
        return not self._is_over and self._jobs is not None and self._jobs.project == project

    def __reduce__(self) -> Any:
        """Travel to a worker: there a fork's own copy is found again, and any other takes part in the job."""
        return _arrived, (self._ask, self._find_jobs, self.provider_job_id, dict(self._fields))

    def join(self, job_id: str, fields: Mapping[str, Any]) -> None:
        """Take part in a job that began in another process, and ends there."""
        self._claimed, self.provider_job_id, self._fields = True, job_id, fields
        with guard("job"):
            self._jobs = self._find_jobs()
            self.config = self._jobs.find(self._ask)
            self._points = Points(self.config)

    # -- within -----------------------------------------------------------------------------------------------------

    def _another(self) -> Job:
        return Job(self._ask, self._find_jobs)

    def _configure(self, jobs: Jobs) -> bool:
        """Find the configuration; return whether a server may be told of this job."""
        try:
            self.config = jobs.find(self._ask)
            if jobs.recorder is not None:
                jobs.approve(self._ask, self.config)
        except (ConfigurationError, OSError) as error:
            if self._ask.strict:
                raise
            trouble.note("job not told", "footfall: job %r runs on, but no server is told of it: %s", self.tag, error)
            return False
        except Exception as error:  # noqa: BLE001  the job goes on whatever happens here
            trouble.hidden("job", error)
            return False
        return True

    def _open(self, jobs: Jobs, recorder: Recorder, *, is_told: bool) -> Use | None:
        """Write that the job begins, and before it which steps it has."""
        ask, extra = self._ask, dict(self._ask.metadata)
        if not is_told:
            extra.update(NOT_TOLD)
        else:
            self._fields = {"tracker.provider_job_id": self.provider_job_id}
            extra.update(self._fields)
            extra["tracker.job"] = self.tag
            if ask.customer_id is not None:
                extra["tracker.customer_id"] = ask.customer_id
            if ask.provider_job_id:
                self._reported = jobs.reported(ask.provider_job_id)
            if self._reported is not None and self.config is not None:
                self._points.mark_all(self._reported.among(step.tag for step in self.config.step_configurations))
            if self.config is not None and jobs.declares():
                self._declare(jobs, recorder, self.config)
        use = recorder.begin(self._subject or jobs.subject(self.tag, True), self._arguments, extra)
        describe(use, ask.metadata)
        return use

    def _declare(self, jobs: Jobs, recorder: Recorder, config: JobConfig) -> None:
        if not recorder.page[0]:
            recorder.forked()
        subject = jobs.subject(CONFIGURATION, False)
        recorder.write_record(
            subject,
            lines.Event(
                function=recorder.number(subject),
                time_ns=time.time_ns(),
                ids=f"{recorder.bits(192):048x}",
                extra={"tracker.configuration": msgspec.to_builtins(config), **self._fields},
            ),
        )

    def is_declared(self, tag: str) -> bool:
        """Whether the step *tag* may be told by its tag: all may, where none are declared.

        Raises:
            UnknownTagError: It may not, and the job is strict.
        """
        if self.config is None:
            return True
        try:
            self.config.step(tag)
        except UnknownTagError as error:
            if self._ask.strict:
                raise
            trouble.note("unknown step", "footfall: %s; it is sent without its tag", error)
            return False
        return True

    def begin_step(
        self, step: Step, subject: Subject | None, arguments: dict[str, Any] | None, metadata: Mapping[str, Any]
    ) -> Use | None:
        """Begin *step*; return its use, None while the project is off."""
        with guard("job"):
            self._show(step.name)
            jobs = self._jobs
            if jobs is not None and jobs.recorder is not None:
                name = step.tag if step.is_declared else UNDECLARED
                return jobs.recorder.begin(subject or jobs.subject(name, False), arguments, metadata)
        return None

    def fields_of(self, step: Step, *, is_good: bool) -> Mapping[str, Any]:
        """Return what the record of *step* tells a tracker: its tag, once in a job, and failures each time."""
        if is_good and step.is_declared:
            is_first = self._points.mark(step.tag)
            if not is_first or (self._reported is not None and step.tag in self._reported):
                return NOT_TOLD
        tag = step.tag if step.is_declared else None
        return self._fields if self._fields == NOT_TOLD else {**self._fields, "tracker.tag": tag}

    def end_step(self, step: Step, error_type: str, seconds: float) -> None:
        """Take down that *step* is over, for whoever starts this job again, looks at its log, or at the terminal."""
        with guard("job"):
            if not error_type and step.is_declared and self._reported is not None:
                self._reported.add(step.tag)
            points = f", {self._points.done} of {self._points.total} points" if self._points.total else ""
            how = f"failed with {error_type}" if error_type else "done"
            self._log(error_type, "%s: step %s %s in %.1f s%s", self.tag, step.tag, how, seconds, points)
            self._show(step.name)

    def _ended(self, error_type: str) -> str:
        return f"ended with {error_type}" if error_type else "complete"

    def _show(self, doing: str) -> None:
        if self._bar is not None:
            self._bar.show(self._points.done, doing)

    def _log(self, error_type: str, message: str, *arguments: object) -> None:
        logger = logging.getLogger(f"{LOGGER}.{self.tag}")
        logger.log(logging.WARNING if error_type else logging.INFO, message, *arguments)


def current(project: str) -> Job | None:
    """Return the job of *project* that whatever happens here belongs to; None where there is none.

    The innermost of this context. A thread or worker without one takes the only job under way in the process; of
    several, none.
    """
    job = _inside.get()
    while job is not None and not job.is_of(project):
        job = job.outer
    if job is not None:
        return job
    found = [each for each in tuple(_under_way) if each.is_of(project)]
    return found[0] if len(found) == 1 else None


def _arrived(ask: Ask, find_jobs: Callable[[], Jobs], job_id: str, fields: Mapping[str, Any]) -> Job:
    """Return the job with that id that is under way here, inherited or not, or one that takes part in it."""
    for each in tuple(_under_way):
        if each.provider_job_id == job_id:
            return each
    job = Job(msgspec.structs.replace(ask, progress=False), find_jobs)
    job.join(job_id, fields)
    return job


def _nothing(*_: object) -> None:
    """What a `Run` would begin with, or become; a job has ways of its own."""
