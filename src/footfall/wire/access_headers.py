"""Header lines that a destination may carry in its options: plain ones, never a secret, never one of the framing.

Options are written to disk in the clear, into journals and the outbox (reliability.md S3). Secrets go the way of
credentials, as references that the courier resolves when it sends. No message here repeats a value.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final, NoReturn

from footfall.errors import ConfigurationError
from footfall.scrub import holds_secret, is_sensitive_key

CONTENT_TYPE: Final = "Content-Type"

_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}")
_VALUE: Final = re.compile(r"[\x20-\x7e]{1,1024}")

_OURS: Final = frozenset(
    (
        "accept-encoding", "connection", "content-encoding", "content-length", "expect", "host", "keep-alive",
        "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade",
    )
)  # fmt: skip
"""What frames a request on its connection: another value would break it, or let it be read as two."""

_CANONICAL: Final[Mapping[str, str]] = {"accept": "Accept", "content-type": CONTENT_TYPE, "user-agent": "User-Agent"}
"""The spelling under which the courier replaces its own line instead of sending a second one."""

_SECRET_NAME: Final = re.compile(r"authorization|cookie|credential|key|password|secret|signature|token", re.IGNORECASE)


def parse(text: object) -> tuple[tuple[str, str], ...]:
    """Return the headers in *text*, lines ``Name: value``, in their order.

    Raises:
        ConfigurationError: A line that is no header, or one that may not stand here.
    """
    if not isinstance(text, str):
        _refuse(f"headers must be text, lines such as 'X-Site: nci', not a {type(text).__name__}")
    found: dict[str, tuple[str, str]] = {}
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        name, colon, value = line.partition(":")
        if not colon:
            _refuse(f"line {number} of headers is no 'Name: value'")
        header = _checked(name.strip(), value.strip())
        if header[0].lower() in found:
            _refuse(f"header {header[0]!r} is there twice; say it once")
        found[header[0].lower()] = header
    return tuple(found.values())


def as_text(headers: Mapping[str, str]) -> str:
    """Return *headers* as lines that `parse` reads; sorted, so that the same headers make the same destination.

    Raises:
        ConfigurationError: A header that may not stand here.
    """
    pairs = [_checked(name, value) for name, value in headers.items()]
    text = "\n".join(f"{name}: {value}" for name, value in sorted(pairs, key=lambda pair: pair[0].lower()))
    parse(text)  # two spellings of one name
    return text


def _checked(name: object, value: object) -> tuple[str, str]:
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        _refuse(f"{name!r:.80} is no name of a header; it has letters, digits and '-'")
    if name.lower() in _OURS:
        _refuse(f"header {name!r} belongs to the connection, and footfall says it itself; leave it out")
    if _SECRET_NAME.search(name) or is_sensitive_key(name):
        _refuse(f"header {name!r} carries a secret, and options are kept in the clear; {_INSTEAD}")
    if not isinstance(value, str) or not _VALUE.fullmatch(value) or value != value.strip():
        _refuse(f"the value of header {name!r} must be one line of ASCII text, at most 1024 characters")
    if holds_secret(value):
        _refuse(f"the value of header {name!r} looks like a secret, and options are kept in the clear; {_INSTEAD}")
    return _CANONICAL.get(name.lower(), name), value


_INSTEAD: Final = "use credentials='env:NAME' or 'file:/path', which hold whole header lines, instead"


def _refuse(what: str) -> NoReturn:
    msg = f"access: {what}"
    raise ConfigurationError(msg)
