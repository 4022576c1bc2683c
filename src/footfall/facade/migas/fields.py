"""What a caller says of a crumb, as fields that the `migas` wire takes (migas.md section 2.1).

Ids, words and flags are brought into an accepted form by the wire; here they are only made small and harmless. Texts
are scrubbed before they are written anywhere: the original sends them as they are, paths and names included (defect
D7).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from footfall.scrub import bounded, scrub
from footfall.usage import Outcome
from footfall.wire import migas_fields
from footfall.wire.text import as_text, clean

CONTEXT: Final = (
    "language",
    "language_version",
    "user_id",
    "session_id",
    "user_type",
    "platform",
    "container",
    "is_ci",
)
"""What is told of the process: the telemetry attributes of the original's configuration, in its order."""

PROCESS: Final = ("status", "status_desc", "error_type", "error_desc")
"""What is told of the run."""

_TEXTS: Final = frozenset({"status_desc", "error_type", "error_desc", "platform", "language"})
_PREFIX: Final = "migas."

_OUTCOME: Final[Mapping[str, Outcome]] = {"C": Outcome.OK, "F": Outcome.ERROR, "S": Outcome.INTERRUPTED}


def extra_fields(given: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    """Return those of *given* that have one of *names*, as extra fields of a use; others are dropped in silence.

    None stays None, which takes a field out of the crumb.
    """
    return {_PREFIX + name: _harmless(name, given[name]) for name in names if name in given}


def left_out(names: Iterable[str]) -> dict[str, Any]:
    """Return the extra fields that keep the wire from deriving *names* by itself."""
    return dict.fromkeys((_PREFIX + name for name in names), None)


def outcome_of(fields: Mapping[str, Any]) -> Outcome | None:
    """Return how what *fields* tell of ended; None while it runs, or where they do not say."""
    return _OUTCOME.get(migas_fields.status(fields.get(_PREFIX + "status")) or "")


def text_of(fields: Mapping[str, Any], name: str) -> str:
    """Return the text called *name* in *fields*, or ""."""
    value = fields.get(_PREFIX + name)
    return "" if value is None else as_text(value)


def _harmless(name: str, value: object) -> Any:
    if type(value) is str:
        value = clean(value)  # a lone surrogate becomes U+FFFD, as everywhere in this wire
    return scrub(value) if name in _TEXTS else bounded(value)
