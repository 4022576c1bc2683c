"""Words in a ramen URL: which are names, which value a version has, how a request id travels, what a path says. Pure.

A request's URL is all that a ramen server needs to know of it, and all that a drop rule is matched with (ramen.md
section 2). Nothing that is not a name ever gets into one: `fullmatch`, ASCII only (reliability.md S7, S8).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote

from footfall.wire.text import clean

NAME: Final = re.compile(r"[A-Za-z0-9_-]+")
"""Category, sender, data type, data version. The original's pattern lets a final line end through (vector 009)."""

VERSION: Final = re.compile(r"[A-Za-z0-9_.-]+")
"""System version."""

MAX_DERIVED_CHARACTERS: Final = 64
"""Of names that we make from somebody else's; what a caller says himself is not cut."""

LABELS: Final = ("category", "sender", "data_type", "data_version", "system_version", "system_serial")
"""What a drop rule may speak of."""

_UNRESERVED: Final = re.compile(r"[A-Za-z0-9_.~-]+")
_WHOLE: Final = re.compile(r"-?[0-9]{1,40}")
_POWER: Final = re.compile(r"-?[0-9]{1,40}[eE]-?[0-9]{1,3}")
_PATH: Final = re.compile(
    r"/ramen/v1/(?P<category>[^/?]+)/(?P<system_serial>[0-9]+)/"
    r"(?P<sender>[^/?.]+)\.(?P<data_type>[^/?.]+)\.(?P<data_version>[^/?.]+)/"
    r"\?version=(?P<system_version>[^&]*)&reqid=.*",
    re.DOTALL,
)


def name(value: Any) -> str | None:
    """Return *value* as a name, or None where it is none; 0 is none, as in the original, and True is 1."""
    if isinstance(value, int):
        return str(int(value)) if 0 < abs(value) < 10**40 else None
    return value if isinstance(value, str) and NAME.fullmatch(value) else None


def system_version(value: Any) -> str | None:
    """Return *value* as a system version, or None where it is none."""
    return value if isinstance(value, str) and VERSION.fullmatch(value) else None


def data_version(value: Any) -> str | None:
    """Return *value* as the original's INTEGER column gives it back, or None where it is no name.

    ``"01"`` is 1 and ``"1e3"`` is 1000, ``"v01"`` stays (vectors 006 and 007). What SQLite would make a fraction or an
    inexact number of stays as it was written: a dot in it would end the name (a repair).
    """
    text = name(value)
    if text is None:
        return None
    if _WHOLE.fullmatch(text):
        number = int(text)
        return str(number) if -(2**63) <= number < 2**63 else text
    if _POWER.fullmatch(text):
        size = float(text)
        if size.is_integer() and abs(size) < 2**63:
            return str(int(size))
    return text


def derived(text: str, *, allowed: str = "A-Za-z0-9_-", fallback: str) -> str:
    """Return *text* as a name: what may not stand in one becomes a dash; *fallback* where nothing is left."""
    made = re.sub(f"[^{allowed}]", "-", text)[:MAX_DERIVED_CHARACTERS]
    return made if made.strip("-.") else fallback


def path(labels: Mapping[str, str], request_id: str) -> str:
    """Return path and query for *labels*, each of which is a name, and any text as *request_id*."""
    kind = f"{labels['sender']}.{labels['data_type']}.{labels['data_version']}"
    # One value of the query whatever is in it: the original lets `&` add a field and `#` cut the rest off (vector 005).
    reqid = request_id if _UNRESERVED.fullmatch(request_id) else quote(clean(request_id), safe="")
    place = f"/ramen/v1/{labels['category']}/{labels['system_serial']}/{kind}/"
    return f"{place}?version={labels['system_version']}&reqid={reqid}"


def labels(target: str) -> dict[str, str]:
    """Return what the path and query *target* say of a request; nothing for one that `path` did not make."""
    match = _PATH.fullmatch(target)
    return match.groupdict() if match else {}
