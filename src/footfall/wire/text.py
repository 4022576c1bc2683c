"""Values of any kind as text: that every JSON and protobuf encoder takes, or that is harmless on a terminal."""

from __future__ import annotations

import json
import re
from typing import Any, Final, cast

import msgspec

_SURROGATE: Final = re.compile("[\ud800-\udfff]")
# Databases and C programs behind a server end their texts there: PostgreSQL refuses the whole row.
_NUL: Final = "\x00"

ELLIPSIS: Final = "\N{HORIZONTAL ELLIPSIS}"
"""Last character of a text that was cut."""


def clean(text: str) -> str:
    """Return *text* without U+0000, and with U+FFFD for each lone surrogate, which UTF-8 cannot hold."""
    if _NUL in text:
        text = text.replace(_NUL, "")
    return text if text.isascii() else _SURROGATE.sub("\N{REPLACEMENT CHARACTER}", text)


def as_text(value: Any) -> str:
    """Return *value* as clean text: texts as they are, numbers as Python writes them, the rest as JSON.

    Never calls `str` or `repr` of an unknown type, which is the user's code (reliability.md S6, B2): where JSON has no
    form for the value, the name of its type stands for it.
    """
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    try:
        if isinstance(value, (int, float)):
            return str(value)
        return as_json(value)
    except ValueError:  # an integer of more digits than Python turns into text
        return type(value).__name__


def as_json(value: Any, *, in_order: bool = False) -> str:
    """Return *value* as JSON, or the name of its type where JSON has no form for it.

    Args:
        value: Anything.
        in_order: Whether keys stay in their order, for a reader that builds the same value again; else they are sorted.
    """
    try:
        return clean(msgspec.json.encode(value, order=None if in_order else "deterministic").decode())
    except (TypeError, ValueError, OverflowError, RecursionError, msgspec.MsgspecError):
        return type(value).__name__


def cut(text: str, max_characters: int) -> str:
    """Return the first *max_characters* of *text*, the last of them an ellipsis where something was cut off."""
    if len(text) <= max_characters:
        return text
    return text[: max_characters - 1] + ELLIPSIS if max_characters > 0 else ""


def escaped(text: str) -> str:
    """Return *text* with everything but printable characters escaped as in JSON, line ends and tabs included.

    Nothing in it can move the cursor, colour the terminal, turn the direction of writing, or begin a line that looks
    like ours (reliability.md S19).
    """
    if text.isprintable():
        return text
    return "".join(character if character.isprintable() else json.dumps(character)[1:-1] for character in text)


def json_object(body: bytes) -> dict[str, Any] | None:
    """Return the JSON object in *body*, or None for anything else; never raises."""
    try:
        value = msgspec.json.decode(body)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
    return cast("dict[str, Any]", value) if isinstance(value, dict) else None
