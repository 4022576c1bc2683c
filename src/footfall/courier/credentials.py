"""Secrets by reference: read at send time, shown never (reliability.md S3).

A destination says ``env:NAME`` or ``file:/path``. What stands there is a header line, ``Authorization: Bearer ...``;
several lines are several headers.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable, Iterator, Mapping
from typing import Final, NoReturn, final

from footfall.errors import ConfigurationError, UnsafeFileError

MAX_SECRET_BYTES: Final = 16 * 1024

_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_FRAMING: Final = frozenset({"connection", "content-length", "host", "te", "trailer", "transfer-encoding", "upgrade"})
"""Headers that decide where a message ends or goes; a credential has no business there."""


@final
class Secret:
    """A text that shows itself to `reveal` alone: not in `repr`, `str`, f-strings, pickles, JSON or `vars`."""

    __slots__ = ("_read",)

    def __init__(self, text: str) -> None:
        # In a closure: whoever walks the slots of an object for a crash report finds a function.
        self._read: Callable[[], str] = lambda: text

    def reveal(self) -> str:
        """Return the text. Keep it out of names that outlive the call."""
        return self._read()

    def __repr__(self) -> str:
        return "***"

    __str__ = __repr__

    def __format__(self, specification: str) -> str:
        return "***"

    def __bool__(self) -> bool:
        return bool(self.reveal())

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        msg = "a secret is not pickled or copied; hand on its reference (env:NAME or file:/path)"
        raise TypeError(msg)


@final
class Headers(Mapping[str, str]):
    """Header names and values whose `repr` shows the names only: crash reports print local variables."""

    __slots__ = ("__items",)

    def __init__(self, items: Mapping[str, str]) -> None:
        self.__items = {name: Secret(value) for name, value in items.items()}

    def __getitem__(self, name: str) -> str:
        return self.__items[name].reveal()

    def __iter__(self) -> Iterator[str]:
        return iter(self.__items)

    def __len__(self) -> int:
        return len(self.__items)

    def __repr__(self) -> str:
        return f"Headers({', '.join(f'{name}: ***' for name in self.__items)})"

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        msg = "headers may hold credentials and are not pickled or copied"
        raise TypeError(msg)


def resolve(reference: str, environ: Mapping[str, str]) -> Secret | None:
    """Return what *reference* stands for, or None when the variable or the file is not there or empty.

    Args:
        reference: ``env:NAME`` or ``file:/path``.
        environ: Where NAME is looked up.

    Raises:
        UnsafeFileError: The file belongs to somebody else, or others may read or write it.
        ConfigurationError: *reference* has another form, or the file is too large or no text.
    """
    scheme, _, place = reference.partition(":")
    if scheme == "env" and place:
        text = environ.get(place, "")
    elif scheme == "file" and place:
        text = _read(place)
    else:
        msg = "credentials must be a reference, env:NAME or file:/path, never the secret itself"
        raise ConfigurationError(msg)
    return Secret(text) if text.strip() else None


def headers(secret: Secret) -> Headers:
    """Return the headers that the lines of *secret* say, empty lines apart.

    Raises:
        ConfigurationError: A line is not ``Name: value``, or holds characters that no header may hold, such as CR,
            NUL, or anything outside Latin-1 (reliability.md S7). The message gives the line's number, not its text.
    """
    found: dict[str, str] = {}
    # Not `splitlines`: it would take a lone CR, which must be refused, for an end of line.
    number = 0
    for line in secret.reveal().replace("\r\n", "\n").split("\n"):
        number += 1
        if not line.strip(" \t"):
            continue
        name, colon, value = line.partition(":")
        name, value = name.strip(" \t"), value.strip(" \t")
        good = all(ch == "\t" or " " <= ch <= "~" or "\xa0" <= ch <= "\xff" for ch in value)
        if not colon or not _NAME.fullmatch(name) or not value or not good or name.lower() in _FRAMING:
            break
        found[name] = value
    else:
        return Headers(found)
    # Forget what tracebacks with local variables would show.
    line = name = value = ""
    found.clear()
    msg = f"line {number} of the credentials is not a header; write lines such as `Authorization: Bearer ...`"
    raise ConfigurationError(msg)


def _read(path: str) -> str:
    try:
        # O_NONBLOCK: opening a FIFO would wait for its writer. A link may be followed, what counts is the file opened.
        flags = os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NONBLOCK", 0)
        descriptor = os.open(path, flags)
    except FileNotFoundError:
        return ""
    with open(descriptor, "rb") as file:  # noqa: PTH123  the very file that is checked below, not its name again
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            msg = f"{path}: credentials are read from regular files only"
            raise UnsafeFileError(msg)
        if hasattr(os, "geteuid"):
            if status.st_uid != os.geteuid():
                msg = f"{path}: belongs to user {status.st_uid}; credentials are read from your own files only"
                raise UnsafeFileError(msg)
            if status.st_mode & 0o077:
                mode = stat.S_IMODE(status.st_mode)
                msg = f"{path}: mode {mode:04o} lets others at the credentials; run chmod 600 on it"
                raise UnsafeFileError(msg)
        if status.st_size > MAX_SECRET_BYTES:
            msg = f"{path}: {status.st_size} bytes, and credentials take at most {MAX_SECRET_BYTES}"
            raise ConfigurationError(msg)
        raw = file.read(MAX_SECRET_BYTES)
    try:
        return raw.decode()
    except UnicodeDecodeError:
        pass
    # Outside the handler: the exception of the decoder carries the bytes.
    msg = f"{path}: the credentials are no UTF-8 text"
    raise ConfigurationError(msg)
