"""A step of a job: a block, a word, or the call of a registered function.

It is driven like `footfall.instrumentation.recorder.Use`, so that wrappers can have it in the place of one.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any

from footfall.errors import guard
from footfall.instrumentation.recorder import Subject, Use, outcome_of
from footfall.usage import Outcome

if TYPE_CHECKING:
    from typing_extensions import Self

    from footfall.instrumentation.job import Job


class Step:
    """A step of a job: a block, or a call of a registered function.

    Args:
        job: Whose.
        tag: As declared.
        metadata: What it reports, scrubbed.
        subject: What its record is about, for a registered function; default: its tag.
        arguments: Captured ones of that function.
    """

    __slots__ = ("_arguments", "_began", "_job", "_metadata", "_subject", "_token", "_use", "is_declared", "tag")

    def __init__(
        self,
        job: Job,
        tag: str,
        metadata: Mapping[str, Any],
        *,
        subject: Subject | None = None,
        arguments: dict[str, Any] | None = None,
    ) -> None:
        self._job = job
        self.tag = tag
        self._metadata = dict(metadata)
        self._subject = subject
        self._arguments = arguments
        self._use: Use | None = None
        self._token: Any = None
        self._began = 0.0
        self.is_declared = True

    @property
    def name(self) -> str:
        """As it is shown."""
        config = self._job.config
        return config.step(self.tag).name if config is not None and self.is_declared else self.tag

    def add(self, **metadata: Any) -> None:
        """Report more: what is known only while the step runs. Scrubbed."""
        self._metadata.update(scrubbed(metadata))

    def __enter__(self) -> Self:
        self.begin()
        self._token = self.attach()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exception: BaseException | None, traceback: TracebackType | None
    ) -> None:
        del kind, traceback
        token, self._token = self._token, None
        self.detach(token)
        self.finish(exception)

    def begin(self) -> None:
        """Begin now, and with it the job, if that has not begun yet.

        Raises:
            UnknownTagError: The job is strict, and declares no such step.
        """
        self._job.keep()
        self.is_declared = self._job.is_declared(self.tag)
        self._began = time.monotonic()
        self._use = self._job.begin_step(self, self._subject, self._arguments, self._metadata)

    def attach(self) -> Any:
        """Make this the enclosing use for uses that begin from here on; return what `detach` takes."""
        return (self._use, self._use.attach()) if self._use is not None else None

    def detach(self, token: Any) -> None:
        """Undo `attach`."""
        if token is not None:
            use, inner = token
            use.detach(inner)

    def finish(self, exception: BaseException | None = None, *, items: int = -1) -> None:
        """End with *exception* or well; a generator function has yielded so many *items*. Never raises."""
        use, self._use = self._use, None
        with guard("job"):
            outcome, error_type = outcome_of(exception)
            fields = self._job.fields_of(self, is_good=outcome is Outcome.OK)
            if use is not None:
                use.extra = {**self._metadata, **fields}
                describe(use, self._metadata)
                use.finish(exception, items=items)
            self._job.end_step(self, error_type, time.monotonic() - self._began)


def scrubbed(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return *fields* as they may leave the process."""
    if not fields:
        return {}
    from footfall.scrub import scrub_fields  # noqa: PLC0415  with the first fields

    return scrub_fields(fields)


def describe(use: Use | None, metadata: Mapping[str, Any]) -> None:
    """Put *metadata* on the host's span of *use*, where there is one."""
    if use is not None and use.span is not None and metadata:
        with guard("host span"):
            use.subject.project.host.describe(use.span, metadata)
