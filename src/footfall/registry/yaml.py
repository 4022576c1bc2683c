"""``footfall.yaml`` to `Registry`: from a file, a text, or a mapping. The grammar is in `footfall.registry.reading`.

The file that ``FOOTFALL_CONFIG`` names decides where data go, so it must belong to the user or root and nobody else
may write it (reliability.md S2). Files inside installed packages are trusted as far as the code beside them is.
"""

from __future__ import annotations

import os
import shlex
import stat
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from footfall.errors import RegistryError, UnsafeFileError
from footfall.registry.model import Registry
from footfall.registry.nodes import MAX_BYTES, from_python, from_text
from footfall.registry.reading import Reader

_OPEN_FLAGS = os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
"""O_NONBLOCK: opening a FIFO that somebody laid there must not wait for its writer."""


def load_file(
    path: str | os.PathLike[str], *, strict: bool = True, wires: Collection[str] | None = None, project: str = ""
) -> Registry:
    """Return the registry in the file at *path*.

    Args:
        path: A YAML file of at most 256 KiB.
        strict: Whether an unknown key is an error; else it is ignored and listed in `Registry.warnings`, with its line.
        wires: Names of the installed wires, to find misspelt ones; None accepts any.
        project: ``owner/name``, for a file that does not say so itself.

    Raises:
        RegistryError: The file is wrong; the message has its line.
        OSError: It cannot be read.
    """
    return load_text(read_file(path), os.fspath(path), strict=strict, wires=wires, project=project)


def load_text(
    text: str | bytes, source: str, *, strict: bool = True, wires: Collection[str] | None = None, project: str = ""
) -> Registry:
    """Return the registry in a YAML *text*; *source* is named in messages. Else as `load_file`."""
    return Reader(source, strict=strict, wires=wires).file(from_text(text, source), project=project)


def load_mapping(
    mapping: Mapping[str, Any],
    source: str = "mapping",
    *,
    strict: bool = True,
    wires: Collection[str] | None = None,
    project: str = "",
) -> Registry:
    """Return the registry that a *mapping* holds, which has the shape of the file. Else as `load_file`."""
    return Reader(source, strict=strict, wires=wires).file(from_python(mapping, source), project=project)


def load_access_file(path: str | os.PathLike[str], *, project: str, where: Sequence[str] = ()) -> Registry:
    """Return the registry of an ACCESS-NRI file: nested groups that end in lists of bare names, and nothing else.

    Args:
        path: Such as the ``config.yaml`` inside ``access_py_telemetry``, unchanged.
        project: ``owner/name``; such files do not say.
        where: Modules to look the bare names up in; none leaves them to notebooks.

    Raises:
        RegistryError: The file is wrong; the message has its line.
        OSError: It cannot be read.
    """
    return load_access_text(read_file(path), os.fspath(path), project=project, where=where)


def load_access_text(text: str | bytes, source: str, *, project: str, where: Sequence[str] = ()) -> Registry:
    """Return the registry of an ACCESS-NRI *text*, as `load_access_file`."""
    return Reader(source, strict=True).access_file(from_text(text, source), project=project, where=tuple(where))


def load_config_file(path: str | os.PathLike[str], *, wires: Collection[str] | None = None) -> Registry:
    """Return the registry in the file that the user names with ``FOOTFALL_CONFIG``, read strictly.

    Args:
        path: Absolute, or beginning with ``~``.
        wires: Names of the installed wires; None accepts any.

    Raises:
        UnsafeFileError: Others own it or may write it, or the path depends on the working directory (S2).
        RegistryError: The file is wrong; the message has its line.
        OSError: It cannot be read.
    """
    place = _absolute(path)
    return load_text(read_file(place, owned=True), os.fspath(place), wires=wires)


def check_owner(path: str | os.PathLike[str]) -> None:
    """Make sure that the file at *path* belongs to this user or root, and that nobody else may write it.

    A link may lead to it: what counts is the file that was opened, not its name, so that nobody can swap one for
    the other in between. Windows has no owners of this kind; nothing is checked there.

    Raises:
        UnsafeFileError: It does not; the message has the command that repairs it.
        OSError: It cannot be opened.
    """
    descriptor = os.open(path, _OPEN_FLAGS)
    try:
        _check_status(os.fstat(descriptor), os.fspath(path))
    finally:
        os.close(descriptor)


def _absolute(path: str | os.PathLike[str]) -> Path:
    place = Path(path)
    with suppress(RuntimeError):  # no home is known: the check below says what to write instead
        place = place.expanduser()
    if not place.is_absolute():
        msg = f"{place}: the configuration must be an absolute path, else each working directory could bring its own"
        raise UnsafeFileError(msg)
    return place


def read_file(path: str | os.PathLike[str], *, owned: bool = False) -> bytes:
    """Return the bytes of a regular file, at most one more than `MAX_BYTES`.

    Args:
        path: The file.
        owned: Whether it must be ours or root's, as `check_owner` has it.

    Raises:
        UnsafeFileError: Somebody else could have written it.
        RegistryError: It is no regular file.
        OSError: It cannot be read.
    """
    name = os.fspath(path)
    try:
        descriptor = os.open(path, _OPEN_FLAGS)
    except ValueError:  # a zero byte in the name
        msg = f"{name!r} is no file name"
        raise RegistryError(msg) from None
    try:
        status = os.fstat(descriptor)
        if owned:
            _check_status(status, name)
        if not stat.S_ISREG(status.st_mode):
            msg = "this is not a regular file"
            raise RegistryError(msg, source=name)
        data = b""
        while len(data) <= MAX_BYTES and (piece := os.read(descriptor, MAX_BYTES + 1 - len(data))):
            data += piece
        return data
    finally:
        os.close(descriptor)


def _check_status(status: os.stat_result, path: str) -> None:
    user = getattr(os, "geteuid", None)
    if user is None:
        return
    if not stat.S_ISREG(status.st_mode):
        msg = f"{path} is not a regular file; name a footfall.yaml"
        raise UnsafeFileError(msg)
    if status.st_uid not in {0, user()}:
        msg = (
            f"{path} belongs to user id {status.st_uid}, who would decide where your data go; copy it and name the copy"
        )
        raise UnsafeFileError(msg)
    if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        msg = (
            f"{path} may be written by others, who could change where your data go; run: chmod go-w {shlex.quote(path)}"
        )
        raise UnsafeFileError(msg)
