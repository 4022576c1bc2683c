"""Secrets by reference: read at send time, shown never (reliability.md S3).

A destination says ``env:NAME`` or ``file:/path``. What stands there is a header line, ``Authorization: Bearer ...``;
several lines are several headers.

A program that has the text itself gives it to `hold`, and says ``memory:<digits>``: it is never written anywhere, and
who does not hold it keeps the requests for who does.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
from collections.abc import Callable, Iterator, Mapping
from typing import Final, NamedTuple, NoReturn, final

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


class TlsFiles(NamedTuple):
    """Paths of PEM files with which one destination wants its connections: a client certificate, its key, a CA."""

    certificate: str = ""
    private_key: str = ""
    ca_file: str = ""


NO_TLS_FILES: Final = TlsFiles()


@final
class Headers(Mapping[str, str]):
    """Header names and values whose `repr` shows the names only: crash reports print local variables.

    Attributes:
        tls: What else shows who asks; paths, no secrets.
        sign: Returns the URL to use for a method and a URL, where the proof is in its query; None for as it is.
    """

    __slots__ = ("__items", "sign", "tls")

    def __init__(
        self,
        items: Mapping[str, str],
        *,
        tls: TlsFiles = NO_TLS_FILES,
        sign: Callable[[str, str], str] | None = None,
    ) -> None:
        self.tls = tls
        self.sign = sign
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


_held: Final[dict[str, Secret]] = {}
"""Of this process, by reference; fork children inherit it, spawned ones call `hold` themselves."""


def hold(text: str, label: str) -> str:
    """Keep *text* in this process and return the reference under which its destinations find it.

    The reference is made of *label* alone. It is written into journals, and must say the same in the program's next run
    so that what waits is delivered then. A digest of the text would say so too, but short secrets could be guessed
    from it, and with a key that is kept in a file beside the journals, by whoever reads both.

    Args:
        text: Header lines, as in a file of credentials.
        label: What the text is for. Name the server and the service in it: programs of one user that hold different
            texts under one label would send each other's requests with their own. Under a label that is held already,
            *text* takes the place of the one before.

    Raises:
        ConfigurationError: A line of *text* is no header, or *label* is empty.
    """
    secret = Secret(text)
    del text  # from what tracebacks with local variables would show
    if not label:
        msg = "credentials are held under a label, such as 'access https://server.example.org intake_catalog'"
        raise ConfigurationError(msg)
    headers(secret)
    digest = hashlib.sha256(b"footfall held credentials 1\0" + label.encode("utf-8", "surrogatepass"))
    reference = f"memory:{digest.hexdigest()[:32]}"
    _held[reference] = secret
    return reference


def missing(reference: str) -> str:
    """Return in words why `resolve` found nothing."""
    if reference.startswith("memory:"):
        return "its credentials are held by the program that recorded; it delivers when it runs"
    return f"{reference} is not there, or empty"


def resolve(reference: str, environ: Mapping[str, str]) -> Secret | None:
    """Return what *reference* stands for, or None when it is not there, not held here, or empty.

    Args:
        reference: ``env:NAME`` or ``file:/path``, or what `hold` returned.
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
    elif scheme == "memory" and place:
        return _held.get(reference)
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
