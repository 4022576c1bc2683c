"""What can go wrong, and the one funnel through which hidden trouble passes.

    FootfallError
    ├── ConfigurationError (ValueError)      a setting, a destination, a registry file
    │   ├── RegistryError                    carries file and line
    │   │   ├── DuplicateJobError            a job configuration's tag is there twice
    │   │   └── ChangedJobError              other content than was registered under the same version
    │   └── UnknownTagError (LookupError)    no job or step is called so
    ├── UnsafeFileError (PermissionError)    a file of somebody else would decide where data go
    ├── OutboxError (RuntimeError)
    │   ├── OutboxBusyError                  another process delivers
    │   └── OutboxNewerError                 written by a newer footfall
    ├── TransportError (OSError)             no answer; says whether the request may have arrived
    └── NotOfferedError (LookupError)        an extra is missing, a wire is unknown

Setting up may raise. After that nothing may: `guard` turns trouble into a count and, at most once a minute for
each kind, one log record. (reliability.md P6.)
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

logger = logging.getLogger("footfall")
# Without a handler of its own, `logging.lastResort` would print our warnings on the host's stderr.
logger.addHandler(logging.NullHandler())

LOG_INTERVAL_SECONDS: Final = 60.0
"""A kind of trouble is logged at most this often; in between it is only counted."""


class FootfallError(Exception):
    """Root of everything footfall raises on purpose."""


class ConfigurationError(FootfallError, ValueError):
    """A setting is wrong; the message says which, where it came from, and what to do next."""


class RegistryError(ConfigurationError):
    """A registry file, or one of job configurations, is wrong.

    Args:
        message: What is wrong, with the offending value and the nearest right one.
        source: The file (or "mapping") it was read from.
        line: One-based line in *source*, or 0 where there is none.
    """

    def __init__(self, message: str, *, source: str = "", line: int = 0) -> None:
        place = f"{source}:{line}: " if source and line else f"{source}: " if source else ""
        super().__init__(place + message)
        self.source = source
        self.line = line


class DuplicateJobError(RegistryError):
    """Two job configurations have the same tag."""


class ChangedJobError(RegistryError):
    """A job configuration differs from the one that was registered under the same version; servers refuse that."""


class UnknownTagError(ConfigurationError, LookupError):
    """No job, or no step of a job, has this tag; the message lists those there are."""


class UnsafeFileError(FootfallError, PermissionError):
    """A file that others own or may write would steer footfall (reliability.md S2)."""


class OutboxError(FootfallError, RuntimeError):
    """The outbox cannot be used."""


class OutboxBusyError(OutboxError):
    """Another process holds the outbox; it delivers, this one only appends."""


class OutboxNewerError(OutboxError):
    """The outbox was written by a newer footfall; this one appends to its journal and leaves it alone."""


class TransportError(FootfallError, OSError):
    """A request got no usable answer.

    Args:
        message: What happened, without credentials.
        in_doubt: True when the request may have reached the server (sent, then cut or timed out).

    Attributes:
        retry_seconds: Wait before the next try, where the transport knows better than the courier's back-off.
    """

    retry_seconds: float | None = None

    def __init__(self, message: str, *, in_doubt: bool) -> None:
        super().__init__(message)
        self.in_doubt = in_doubt


class NotOfferedError(FootfallError, LookupError):
    """Something is not installed; the message lists what is, and how to get the rest."""


class Trouble:
    """Hidden errors of this process: counted always, logged rarely.

    Attributes:
        counts: Occurrences by kind since the process began; `footfall status` shows them.
        observers: Called with each hidden exception. Tests add one that raises, so that nothing hides from them.
    """

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.observers: list[Callable[[str, BaseException], None]] = []
        self._lock = threading.Lock()
        self._logged_at: dict[str, tuple[float, int]] = {}

    def hidden(self, doing: str, exception: BaseException) -> None:
        """Count *exception*, met while *doing* something, and log its kind at most once a minute.

        Only the type is logged: texts of exceptions carry paths and data (reliability.md S5).
        """
        kind = f"{doing}: {type(exception).__name__}"
        for observer in tuple(self.observers):
            observer(doing, exception)
        self.note(kind, "footfall: %s; the program is not affected", kind)

    def note(self, kind: str, message: str, *arguments: object) -> None:
        """Count *kind* and, at most once a minute, log *message* (``%`` *arguments*) and how often it happened."""
        now = time.monotonic()
        with self._lock:
            self.counts[kind] += 1
            last, seen = self._logged_at.get(kind, (-LOG_INTERVAL_SECONDS, 0))
            if now - last < LOG_INTERVAL_SECONDS:
                return
            self._logged_at[kind] = (now, self.counts[kind])
            since = self.counts[kind] - seen
        logger.warning("%s%s", message % arguments, f" ({since} times)" if since > 1 else "")

    def after_fork(self) -> None:
        """Replace the lock, which another thread of the parent may have held."""
        self._lock = threading.Lock()


trouble = Trouble()
"""The one instance of this process."""


class guard:  # noqa: N801  read as a statement
    """Run a block whose exceptions must never reach the host program.

    A class, since a delivered request passes four of them, and a generator takes three times as long.

    Args:
        doing: A short, constant phrase for counts and logs, such as "import hook".
    """

    __slots__ = ("_doing",)

    def __init__(self, doing: str) -> None:
        self._doing = doing

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, exception: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        if not isinstance(exception, Exception):
            return False
        # The funnel itself: what comes here is counted, never passed on.
        trouble.hidden(self._doing, exception)
        return True
