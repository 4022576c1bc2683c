"""What `footfall off` and `footfall on` share: recording a word, and telling a name that nobody here knows."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from footfall.cli import tables
from footfall.consent import choice
from footfall.errors import FootfallError, UnsafeFileError
from footfall.places import config_directory, find
from footfall.registry.nearest import nearest
from footfall.status import read_status

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from footfall.consent.choice import Choice
    from footfall.settings import Settings


def record(word: Callable[[Path, str], Choice], project: str, *, instead: str) -> Choice:
    """Record *word* on *project* ("" for everything) and return what is recorded now.

    Where it is recorded already and cannot be written again, as on a home that is read-only by now, that will do.

    Args:
        word: `choice.turn_off` or `choice.turn_on`.
        project: ``owner/name``.
        instead: What to set in the environment where nothing can be recorded.

    Raises:
        ConfigurationError: *project* has no owner.
        FootfallError: It cannot be recorded; the message names the file, and the other way.
    """
    directory = config_directory(os.environ)
    if directory is None:
        msg = f"there is no home to record it in; set {instead} in the environment"
        raise FootfallError(msg)
    before = choice.read(directory)
    try:
        return word(directory, project)
    except OSError as error:
        if _says_it(before, word, project):
            return before
        why = str(error) if isinstance(error, UnsafeFileError) else error.strerror or type(error).__name__
        msg = f"{directory / choice.FILE_NAME} cannot be written ({why}); set {instead} in the environment"
        raise FootfallError(msg) from error


def _says_it(said: Choice, word: Callable[[Path, str], Choice], project: str) -> bool:
    """Whether *said* is what *word* would record."""
    if said.problem:
        return False
    is_no = word is choice.turn_off
    if project:
        return said.projects.get(project.lower()) == ("off" if is_no else "on")
    return said.everything == "off" and "on" not in said.projects.values() if is_no else not said.everything


def unknown(project: str, settings: Settings) -> str:
    """Return a line about a *project* that nothing here knows, with the name that was probably meant; else "".

    A word about a misspelt name is recorded all the same: the project may be installed tomorrow.
    """
    from footfall.cli.installed import installed

    places = find(settings.directory, os.environ, make=False)
    status = read_status(places) if places is not None else None
    known = {
        *(status.observed if status is not None else ()),
        *(each.project for each in installed(settings).registries),
    }
    if project.lower() in {name.lower() for name in known}:
        return ""
    guess = nearest(project, known)
    meant = f"; did you mean {tables.escaped(guess)}?" if guess else ""
    return f"note: no project {tables.escaped(project)} was seen or is installed here so far{meant}"
