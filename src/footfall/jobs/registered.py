"""Which configurations were registered from here, so that a changed one is refused before anything is sent.

The server answers 400 to other content under a version it has, and from a courier, minutes later, nobody would see it.
So each one that was registered is kept: ``<state>/jobs/<digest>.json``, mode 0600, a file for each server, job and
version. It holds what the developer declared, no use and no credential.

What is kept is only what this machine registered. It is a warning before the server's own, never the last word: nothing
that is missing, damaged or unreadable here refuses anything.
"""

from __future__ import annotations

import contextlib
import hashlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec

from footfall.errors import ChangedJobError
from footfall.jobs.changes import changes
from footfall.jobs.model import JobConfig, Place
from footfall.places import private_directory, read_private, remove_files, write_private
from footfall.registry.model import quote
from footfall.semver import next_patch

FOLDER: Final = "jobs"
KEEP_SECONDS: Final = 180 * 86400.0
"""A version that was not registered for so long is not remembered any more; development versions come and go."""

MAX_BYTES: Final = 2**20
"""Above the largest file of configurations that is read."""

_SHOWN: Final = 8
"""Changes that a message lists before it only counts the rest."""


def check(state_directory: Path, server: str, job: JobConfig, *, place: Place | None = None) -> None:
    """Make sure that *job* is what was registered under its version, if it was.

    Args:
        state_directory: `footfall.places.Places.state`.
        server: Whom it goes to, without credentials: an endpoint, and the provider where there are several.
        job: Declared now.
        place: Where, for the message.

    Raises:
        ChangedJobError: It is not; the message says what changed, and which version to give.
    """
    before = registered(state_directory, server, job)
    if before is None or not (found := changes(before, job)):
        return
    more = f", and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    msg = (
        f"job {quote(job.tag)} changed, but its version is still {job.version}: {', '.join(found[:_SHOWN])}{more};"
        f" give it a new version, such as {next_patch(job.version)}"
    )
    place = place or Place()
    raise ChangedJobError(msg, source=place.source, line=place.line)


def registered(state_directory: Path, server: str, job: JobConfig) -> JobConfig | None:
    """Return what was registered with *server* under the tag and version of *job*; None where nothing is known."""
    try:
        return msgspec.json.decode(
            read_private(_file(state_directory, server, job), max_bytes=MAX_BYTES), type=JobConfig
        )
    except (OSError, msgspec.MsgspecError):  # UnsafeFileError is an OSError
        return None


def remember(state_directory: Path, server: str, job: JobConfig, *, now: Callable[[], float] = time.time) -> None:
    """Remember that *job* was registered with *server*. Never raises; where nothing can be kept nothing is.

    To be called after `check`, for what really goes out: a job that was only tried must not stand in its own way.

    Args:
        state_directory: `footfall.places.Places.state`.
        server: As for `check`.
        job: What was registered.
        now: UTC seconds.
    """
    directory = state_directory / FOLDER
    # A place that has just gone, a full disk, a lone surrogate: the server's own check is still there.
    with contextlib.suppress(OSError, UnicodeError):
        private_directory(directory)
        # Written anew each time, since the time of the last change is the time of the last use.
        write_private(_file(state_directory, server, job), msgspec.json.encode(job) + b"\n")
        remove_files(directory, changed_before=now() - KEEP_SECONDS)


def size_bytes(job: JobConfig) -> int:
    """Return how many bytes of JSON *job* is, as it is registered."""
    return len(msgspec.json.encode(job))


def forget(state_directory: Path) -> None:
    """Remember nothing any more.

    Raises:
        OSError: Something is still there.
    """
    remove_files(state_directory / FOLDER)


def _file(state_directory: Path, server: str, job: JobConfig) -> Path:
    # As a JSON list, so that no two triples run together to one text.
    named = msgspec.json.encode([server, job.tag, job.version])
    return state_directory / FOLDER / f"{hashlib.blake2b(named, digest_size=16).hexdigest()}.json"
