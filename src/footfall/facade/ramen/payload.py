"""What a pushed value becomes: the original's JSON, with two repairs.

Times with a zone are the moments that they name (the original reads every wall clock as this machine's), and a value
that JSON has no word for is still ``null``, as servers know it, but no longer silently: a log record says so, at most
once a minute for each type, and `footfall.errors.trouble` counts it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from footfall.errors import trouble


def body(value: Any) -> str | bytes:
    """Return *value* as it is sent, before compression: text and bytes unchanged, anything else as JSON.

    Raises:
        TypeError: A key is no text, number, truth value or None.
        ValueError: The value holds itself, or is text with lone surrogates.
        RecursionError: The value is nested too deeply.
    """
    if isinstance(value, (str, bytes)):
        return value
    return dump_json(value)


def _word(value: Any) -> Any:
    """Return what JSON says instead of *value*, which it has no word for."""
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, datetime):
        return _milliseconds(value)
    if isinstance(value, date):
        return _milliseconds(datetime(value.year, value.month, value.day))  # noqa: DTZ001  midnight here, as recorded
    kind = type(value).__name__
    trouble.note(f"ramen payload: {kind}", "footfall: a %s in a pushed message is no JSON and was sent as null", kind)
    return None


def _milliseconds(moment: datetime) -> int:
    """Return *moment* in milliseconds since the epoch, cut, not rounded; without a zone it is this machine's time."""
    if moment.tzinfo is not None:
        return (moment - _EPOCH) // timedelta(milliseconds=1)
    return int(moment.replace(microsecond=0).timestamp()) * 1000 + moment.microsecond // 1000


_EPOCH: Final = datetime.fromisoformat("1970-01-01T00:00:00+00:00")

_encoder: Final = json.JSONEncoder(default=_word, separators=(",", ":"))

# The library makes its C encoder anew for each call, which costs as much as the rest of it (19 us with 300 bytes, 11
# us without). Without its memory of what it is within, a value that holds itself is a RecursionError.
_make: Any = getattr(json.encoder, "c_make_encoder", None)
_pieces: Callable[[Any, int], Iterable[str]] = (
    _make(None, _word, json.encoder.encode_basestring_ascii, None, ":", ",", False, False, True)
    if _make is not None
    else lambda value, _: _encoder.iterencode(value)
)
_join: Final = "".join


def dump_json(value: Any) -> str:
    """Return *value* as JSON as the original writes it: no blanks, ASCII, keys in their order, ``NaN`` if need be."""
    try:
        return _join(_pieces(value, 0))
    except RecursionError:
        return _encoder.encode(value)  # which says what it is
