"""What the user said for good: ``footfall off [project]`` and ``footfall on [project]``, kept in the config directory.

One small JSON file, ``choice.json``, mode 0600: ``{"everything":"off","projects":{"owner/name":"off"}}``. A file that
is there but cannot be understood counts as "off for everything": it may hold a no that we cannot read.

``footfall off`` takes back every earlier yes, so that one word stops all; a later ``footfall on owner/name`` is an
exception to it. ``footfall on`` lifts a general no; a no to one project stays until it is taken back by name.

A no also deletes what was recorded before and not sent yet (reliability.md S15). Not all of it can be reached at that
moment: another process delivers, another machine's directory lies on the same home. So the moment of each no is kept
beyond a later yes, and whoever meets an older record drops it.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, Literal

import msgspec

from footfall.errors import ConfigurationError, UnsafeFileError
from footfall.places import private_directory, read_private, write_private

FILE_NAME: Final = "choice.json"
MAX_BYTES: Final = 256 * 1024

Word = Literal["on", "off"]


class Choice(msgspec.Struct, frozen=True, omit_defaults=True):
    """The user's recorded wishes.

    Attributes:
        everything: ``off`` after ``footfall off``, else "".
        projects: Lower-case ``owner/name`` to ``on`` or ``off``.
        refused_ns: Lower-case ``owner/name``, or "" for everything, to the UTC nanoseconds of the last no.
        problem: Why the file could not be understood, or "". Never stored.
        path: Where it was read from, for messages. Never stored.
    """

    everything: Literal["", "off"] = ""
    projects: Mapping[str, Word] = {}
    refused_ns: Mapping[str, int] = {}
    problem: str = ""
    path: str = ""

    def allows(self, project: str, time_ns: int) -> bool:
        """Whether a record of *project* from *time_ns* (UTC) may be sent: no no now, and none after it was made."""
        name = project.lower()
        refused_ns = self.refused_ns
        if refused_ns and time_ns <= max(refused_ns.get("", 0), refused_ns.get(name, 0)):
            return False
        return self.says(name) != "off"

    def says(self, project: str) -> Literal["", "on", "off"]:
        """Return the word on *project* (``owner/name``, or "" for everything): its own, else the general one."""
        return self.projects.get(project.lower()) or self.everything


class _Stored(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    everything: Literal["", "off"] = ""
    projects: dict[str, Word] = {}
    refused_ns: dict[str, int] = {}


def read(directory: Path | None) -> Choice:
    """Return what the user said; nothing when there is no file. Never raises.

    Args:
        directory: `footfall.places.config_directory`; None (no home, so no file) says nothing.
    """
    if directory is None:
        return Choice()
    path = directory / FILE_NAME
    try:
        stored = msgspec.json.decode(read_private(path, max_bytes=MAX_BYTES), type=_Stored)
    except (FileNotFoundError, NotADirectoryError):  # the latter: HOME=/dev/null
        return Choice(path=str(path))
    except UnsafeFileError as error:
        return Choice(everything="off", problem=str(error), path=str(path))
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else str(error)
        return Choice(everything="off", problem=f"{path}: {why}", path=str(path))
    return Choice(
        stored.everything,
        {name.lower(): word for name, word in stored.projects.items()},
        {name.lower(): moment for name, moment in stored.refused_ns.items()},
        path=str(path),
    )


class Watch:
    """Reads the file again when it has changed, for those who ask before each sending.

    Args:
        directory: As for `read`.
    """

    def __init__(self, directory: Path | None) -> None:
        self._directory = directory
        self._path = None if directory is None else str(directory / FILE_NAME)
        self._seen: tuple[int, int, int] | None = None
        self._choice = Choice()
        self._read = False

    def __call__(self) -> Choice:
        """Return what the user said; the same object as long as the file is the same. One ``stat`` then."""
        seen = self._look()
        if not self._read or seen != self._seen:
            self._choice, self._seen, self._read = read(self._directory), seen, True
        return self._choice

    def _look(self) -> tuple[int, int, int] | None:
        if self._path is None:
            return None
        try:
            found = os.lstat(self._path)  # asked before each request; a pathlib path costs more than it
        except OSError:
            return None
        return found.st_mtime_ns, found.st_size, found.st_ino


def turn_off(directory: Path, project: str = "", *, now_ns: Callable[[], int] = time.time_ns) -> Choice:
    """Record a no to *project* (``owner/name``), or to everything; return what is recorded now.

    Args:
        directory: `footfall.places.config_directory`; made where it is missing.
        project: ``owner/name``, or "" for everything.
        now_ns: UTC nanoseconds: records up to this moment are not sent any more, whatever is said later.

    Raises:
        ConfigurationError: *project* has no owner.
        OSError: It cannot be recorded; nothing has changed.
    """
    _check(project)
    before = read(directory)
    refused_ns = {**before.refused_ns, project.lower(): now_ns()}
    if project:
        return _write(directory, before.everything, {**before.projects, project.lower(): "off"}, refused_ns)
    return _write(directory, "off", {name: word for name, word in before.projects.items() if word == "off"}, refused_ns)


def turn_on(directory: Path, project: str = "", *, now_ns: Callable[[], int] = time.time_ns) -> Choice:
    """Record a yes to *project*, or take back the no to everything; return what is recorded now.

    Args:
        directory: As for `turn_off`.
        project: Likewise.
        now_ns: UTC nanoseconds. A no from the future, said while the clock was wrong, counts as said now: else it would
            silence what the user has just allowed (reliability.md P12).

    Raises:
        ConfigurationError: *project* has no owner.
        OSError: It cannot be recorded; nothing has changed.
    """
    _check(project)
    before = read(directory)
    now = now_ns()
    refused_ns = {name: min(moment, now) for name, moment in before.refused_ns.items()}
    if project:
        return _write(directory, before.everything, {**before.projects, project.lower(): "on"}, refused_ns)
    return _write(directory, "", before.projects, refused_ns)


def _write(
    directory: Path, everything: Literal["", "off"], projects: Mapping[str, Word], refused_ns: Mapping[str, int]
) -> Choice:
    stored = _Stored(everything, dict(sorted(projects.items())), dict(sorted(refused_ns.items())))
    private_directory(directory, below_own=True, listable=True)
    path = directory / FILE_NAME
    write_private(path, msgspec.json.encode(stored) + b"\n", synced=True)
    return Choice(stored.everything, stored.projects, stored.refused_ns, path=str(path))


def _check(project: str) -> None:
    owner, _, name = project.partition("/")
    if project and not (owner and name):
        msg = f"{project!r} is not a project; write it as owner/name, as `footfall status` lists them"
        raise ConfigurationError(msg)
