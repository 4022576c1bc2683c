"""Settings of the queue's two ends: the original's fields, defaults and checks, without schematics.

As in the original, a name that is no field is refused by the constructor, values are checked by `validate` (which the
writer and the reader call), text is converted (``"12"`` is 12), and fields can be set afterwards. Stricter in three
places, because of what values become: names end where they end (no final line end, which would stand in the URL), a
serial number fits into 64 bits, and None for an optional number is its default instead of an error later on.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, NamedTuple

from footfall.facade.ramen.errors import data_error, validation_error

_NAME: Final = re.compile(r"[A-Za-z0-9_-]+")
_VERSION: Final = re.compile(r"[A-Za-z0-9._-]+")
_SERIAL_LIMIT: Final = 2**63


def validate_name(text: str) -> None:
    """Check that *text* is made of letters, digits, ``_`` and ``-``.

    Raises:
        ValidationError: It is not.
    """
    if not _NAME.fullmatch(text):
        raise validation_error(f"{text!r} is invalid - only letters, digits, dashes and underscores allowed")


def validate_version(text: str) -> None:
    """Check that *text* is made of letters, digits, ``.``, ``_`` and ``-``.

    Raises:
        ValidationError: It is not.
    """
    if not _VERSION.fullmatch(text):
        raise validation_error(f"{text!r} is invalid - only letters, digits, periods, dashes and underscores allowed")


def _text(value: Any) -> str:
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, (str, int)):
        return str(value)
    msg = "must be text"
    raise ValueError(msg)


def _name(value: Any) -> str:
    text = _text(value)
    validate_name(text)
    return text


def _version(value: Any) -> str:
    text = _text(value)
    validate_version(text)
    return text


def _integer(low: int, high: int | None = None) -> Callable[[Any], int]:
    def convert(value: Any) -> int:
        number = int(value)
        if isinstance(value, float) and not value.is_integer():
            msg = "must be an integer"
            raise ValueError(msg)
        _within(number, low, high)
        return number

    return convert


def _number(low: float, high: float) -> Callable[[Any], float]:
    def convert(value: Any) -> float:
        number = float(value)
        _within(number, low, high)
        return number

    return convert


def _within(number: float, low: float, high: float | None) -> None:
    if not low <= number:
        msg = f"must be at least {low}"
        raise ValueError(msg)
    if high is not None and number > high:
        msg = f"must be at most {high}"
        raise ValueError(msg)


_WORDS: Final = {"true": True, "1": True, "false": False, "0": False}


def _truth(value: Any) -> bool:
    found = _WORDS.get(str(value).lower()) if isinstance(value, (str, bool, int)) else None
    if found is None:
        msg = "must be true or false"
        raise ValueError(msg)
    return found


class Field(NamedTuple):
    """A row: what a field is called, how a value is read, its default, and whether it must be given."""

    name: str
    convert: Callable[[Any], Any]
    default: Any = None
    required: bool = False


WRITER_FIELDS: Final = (
    Field("sender", _name, required=True),
    Field("system_serial", _integer(0, _SERIAL_LIMIT - 1), required=True),
    Field("system_version", _version, required=True),
    Field("queue_dir", _text, "/var/ramen_client/"),
    Field("max_queue_size", _integer(10 * 1024), 5 * 1024**3),
)

READER_FIELDS: Final = (
    *WRITER_FIELDS,
    Field("hostname", _text, required=True),
    Field("auth_token", _text, required=True),
    Field("ssl", _truth, default=True),
    Field("proxy", _text),
    Field("server_timeout", _integer(1, 3600), 20),
    Field("polling_delay", _number(0.01, 3600), 5.0),
    Field("retry_delay", _number(0.01, 3600), 30.0),
    Field("blacklist_ttl", _integer(1, 24 * 3600), 3600),
)


class QueueWriterConfig:
    """What a `QueueWriter` needs to know.

    Args:
        raw_data: Fields by name.

    Attributes:
        sender: Who sends: letters, digits, ``_``, ``-``.
        system_serial: Of the system, agreed with the server.
        system_version: Of the system.
        queue_dir: Folder of the queue; several systems may share one.
        max_queue_size: Bytes beyond which the oldest messages are dropped, each one counted.

    Raises:
        DataError: A name is no field.
    """

    _fields: tuple[Field, ...] = WRITER_FIELDS

    sender: str
    system_serial: int
    system_version: str
    queue_dir: str
    max_queue_size: int

    def __init__(self, raw_data: Mapping[str, Any] | None = None) -> None:
        given = dict(raw_data or {})
        known = {field.name for field in self._fields}
        if unknown := [name for name in given if name not in known]:
            raise data_error(dict.fromkeys(map(str, unknown), f"is no field; there are {', '.join(sorted(known))}"))
        for field in self._fields:
            setattr(self, field.name, given.get(field.name, field.default))

    def validate(self) -> None:
        """Check all fields, and convert those that came as text.

        Raises:
            DataError: Some are wrong; which, and why.
        """
        wrong: dict[str, str] = {}
        for field in self._fields:
            value = getattr(self, field.name)
            if value is None:
                if field.required:
                    wrong[field.name] = "is required"
                continue
            try:
                setattr(self, field.name, field.convert(value))
            except (ValueError, TypeError, OverflowError) as error:
                wrong[field.name] = str(error)
        if wrong:
            raise data_error(wrong)

    def effective(self, name: str) -> Any:
        """Return the value of field *name*, or its default where it was set to None."""
        value = getattr(self, name)
        if value is None:
            value = next(field.default for field in self._fields if field.name == name)
        return value

    def to_native(self) -> dict[str, Any]:
        """Return all fields by name."""
        return {field.name: getattr(self, field.name) for field in self._fields}

    to_primitive = to_native

    def __getitem__(self, name: str) -> Any:
        if name not in self:
            raise KeyError(name)
        return getattr(self, name)

    def __setitem__(self, name: str, value: Any) -> None:
        if name not in self:
            raise KeyError(name)
        setattr(self, name, value)

    def __contains__(self, name: object) -> bool:
        return any(field.name == name for field in self._fields)

    def __iter__(self) -> Iterator[str]:
        return (field.name for field in self._fields)

    def __repr__(self) -> str:
        shown = (f"{name}={'***' if name in _SECRET else repr(getattr(self, name))}" for name in self)
        return f"{type(self).__name__}({', '.join(shown)})"


_SECRET: Final = frozenset({"auth_token", "proxy"})


class QueueReaderConfig(QueueWriterConfig):
    """What a `QueueReader` needs to know; also fit for a `QueueWriter`.

    Attributes:
        hostname: Of the server, with a port where it has its own.
        auth_token: The token. Never on disk, in a log or in a ``repr``.
        ssl: Whether to use https.
        proxy: URL of a proxy, for this server whatever its address; None goes by the environment.
        server_timeout: Seconds for one whole exchange.
        polling_delay: Seconds between two looks at an empty queue.
        retry_delay: Seconds before a message that failed is tried again.
        blacklist_ttl: Seconds for which a drop rule of the server holds.
    """

    _fields = READER_FIELDS

    hostname: str
    auth_token: str
    ssl: bool
    proxy: str | None
    server_timeout: int
    polling_delay: float
    retry_delay: float
    blacklist_ttl: int
