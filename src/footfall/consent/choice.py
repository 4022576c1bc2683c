"""What the user said for good: ``footfall off [project]`` and ``footfall on [project]``, kept in the config directory.

One small JSON file, ``choice.json``, mode 0600: ``{"everything":"off","projects":{"owner/name":"off"}}``. A file that
is there but cannot be understood counts as "off for everything": it may hold a no that we cannot read.

``footfall off`` takes back every earlier yes, so that one word stops all; a later ``footfall on owner/name`` is an
exception to it. ``footfall on`` lifts a general no; a no to one project stays until it is taken back by name.
"""

from __future__ import annotations

from collections.abc import Mapping
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
        problem: Why the file could not be understood, or "". Never stored.
        path: Where it was read from, for messages. Never stored.
    """

    everything: Literal["", "off"] = ""
    projects: Mapping[str, Word] = {}
    problem: str = ""
    path: str = ""

    def says(self, project: str) -> Literal["", "on", "off"]:
        """Return the word on *project* (``owner/name``, or "" for everything): its own, else the general one."""
        return self.projects.get(project.lower()) or self.everything


class _Stored(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    everything: Literal["", "off"] = ""
    projects: dict[str, Word] = {}


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
    return Choice(stored.everything, {name.lower(): word for name, word in stored.projects.items()}, path=str(path))


def turn_off(directory: Path, project: str = "") -> Choice:
    """Record a no to *project* (``owner/name``), or to everything; return what is recorded now.

    Raises:
        ConfigurationError: *project* has no owner.
        OSError: It cannot be recorded; nothing has changed.
    """
    _check(project)
    before = read(directory)
    if project:
        return _write(directory, before.everything, {**before.projects, project.lower(): "off"})
    return _write(directory, "off", {name: word for name, word in before.projects.items() if word == "off"})


def turn_on(directory: Path, project: str = "") -> Choice:
    """Record a yes to *project*, or take back the no to everything; return what is recorded now.

    Raises:
        ConfigurationError: *project* has no owner.
        OSError: It cannot be recorded; nothing has changed.
    """
    _check(project)
    before = read(directory)
    if project:
        return _write(directory, before.everything, {**before.projects, project.lower(): "on"})
    return _write(directory, "", before.projects)


def _write(directory: Path, everything: Literal["", "off"], projects: Mapping[str, Word]) -> Choice:
    stored = _Stored(everything, dict(sorted(projects.items())))
    private_directory(directory, below_own=True, listable=True)
    path = directory / FILE_NAME
    write_private(path, msgspec.json.encode(stored) + b"\n", synced=True)
    return Choice(stored.everything, stored.projects, path=str(path))


def _check(project: str) -> None:
    owner, _, name = project.partition("/")
    if project and not (owner and name):
        msg = f"{project!r} is not a project; write it as owner/name, as `footfall status` lists them"
        raise ConfigurationError(msg)
