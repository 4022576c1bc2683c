"""The nearest right name, for messages that say what somebody probably meant."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_MAX_CHARS = 64
"""`difflib` compares in quadratic time, and names from a file may be of any length."""


def nearest(word: str, choices: Iterable[str], *, cutoff: float = 0.6) -> str:
    """Return the one of *choices* that looks most like *word*, or "" when none does.

    Args:
        word: What was written.
        choices: What would have been right.
        cutoff: Likeness from 0 to 1 below which a choice is not worth naming.
    """
    from difflib import get_close_matches  # noqa: PLC0415  needed for error messages only

    if len(word) > _MAX_CHARS:
        return ""
    found = get_close_matches(word.lower(), list(choices), n=1, cutoff=cutoff)
    return found[0] if found else ""


def hint(word: str, choices: Iterable[str]) -> str:
    """Return the end of a message: the nearest of *choices*, else all of them.

    Args:
        word: What was written.
        choices: What would have been right.
    """
    names = sorted(choices)
    guess = nearest(word, names)
    if guess:
        return f"; did you mean {guess!r}?"
    return f"; choose from {', '.join(names)}" if names else ""
