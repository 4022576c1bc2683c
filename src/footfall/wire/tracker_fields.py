"""What a tracker backend takes: ids, customers, versions, metadata and job configurations made acceptable. Pure.

The backend answers 500 to much that it does not like, which looks like a failure of its own and is tried again
(tracker.md sections 4 to 6). So what it would not store is repaired or left out here, before anything is sent.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, cast

from footfall.semver import semver
from footfall.wire.text import as_text, clean

MAX_ID_CHARACTERS: Final = 255
"""Of a job's id: the backend indexes it, and PostgreSQL refuses index entries beyond 2 704 bytes, with a 500."""

MAX_CUSTOMER: Final = 2**31 - 1
"""A column of four bytes."""

MAX_INTEGER_BITS: Final = 1024
"""Of an integer in metadata. It is stored as text, but both sides limit the digits that they turn into one."""

METADATA_KINDS: Final = ("text", "number", "link")

MAX_VERSION_CHARACTERS: Final = 128


def job_id(value: Any) -> str | None:
    """Return *value* as ``provider_job_id``, or None where it is none; numbers become text, as in the backend.

    What is too long keeps its beginning and gets a digest of the whole, so that two jobs stay two.
    """
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        return None
    text = as_text(value)
    if len(text) > MAX_ID_CHARACTERS:
        digest = hashlib.sha256(text.encode()).hexdigest()[:32]
        text = f"{text[: MAX_ID_CHARACTERS - 33]}-{digest}"
    return text or None


def customer(value: Any) -> int | str | None:
    """Return *value* as ``customer_id``, or None where the backend would refuse it; digits as text may stay text."""
    if isinstance(value, str):
        return value if re.fullmatch(r"[0-9]{1,10}", value) and int(value) <= MAX_CUSTOMER else None
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if 0 <= value <= MAX_CUSTOMER else None


def tag(value: Any) -> str | None:
    """Return *value* as the tag of a job or step: any text but an empty one."""
    return (clean(value) or None) if isinstance(value, str) else None


def version_of(version: str) -> str:
    """Return *version* as SemVer, which the backend insists on; `footfall.semver` says what a Python version becomes.

    Anything else goes behind ``0.0.0+``. Only whether two are equal matters: the backend uses the configuration that
    was stored last, not the highest.
    """
    version = version.strip()[:MAX_VERSION_CHARACTERS] if version.isascii() else version[:MAX_VERSION_CHARACTERS]
    if made := semver(version):
        return made
    rest = re.sub(r"[^0-9A-Za-z-]+", "-", version).strip("-")
    # Two of other alphabets may not become one.
    mark = "" if rest == version else hashlib.sha256(version.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return "0.0.0+" + ".".join(filter(None, (rest, mark))) if version else "0.0.0"


def metadata(values: Mapping[Any, Any]) -> dict[str, str | int | float | bool]:
    """Return *values* as ``event_metadata``: scalars only, for null and nested values are refused.

    None is left out, NaN and infinities become their names, lists of texts are joined, other containers become JSON
    text. The backend turns all of it into text.
    """
    return {as_text(key): _scalar(value) for key, value in values.items() if value is not None}


def _scalar(value: Any) -> str | int | float | bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else as_text(value)
    if isinstance(value, int):
        return value if value.bit_length() <= MAX_INTEGER_BITS else as_text(value)
    if isinstance(value, (list, tuple)):
        items = cast("Sequence[Any]", value)
        if items and all(isinstance(item, str) for item in items):
            return ", ".join(clean(item) for item in items)
    return as_text(value)


def configuration(given: Any) -> dict[str, Any] | None:
    """Return *given* as a job configuration in the order of the original's fields, or None where it is none.

    Its version becomes SemVer; everything else must be right: names and tags are texts, points integers, the tags of
    steps differ (the backend's own check misses that, and its database answers 500).
    """
    if not isinstance(given, Mapping):
        return None
    fields = cast("Mapping[str, Any]", given)
    name, own_tag, version = fields.get("name"), tag(fields.get("tag")), fields.get("version")
    given_steps = fields.get("step_configurations")
    if not isinstance(name, str) or own_tag is None or not isinstance(version, str) or not _is_list(given_steps):
        return None
    found = [_step(step) for step in cast("Sequence[Any]", given_steps)]
    steps = [step for step in found if step is not None]
    if len(steps) < len(found) or len({step["tag"] for step in steps}) < len(steps):
        return None
    return {"tag": own_tag, "name": clean(name), "step_configurations": steps, "version": version_of(version)}


def _step(given: Any) -> dict[str, Any] | None:
    if not isinstance(given, Mapping):
        return None
    fields = cast("Mapping[str, Any]", given)
    name, own_tag, points = fields.get("name"), tag(fields.get("tag")), fields.get("points")
    declared = fields.get("metadata_configurations", ())
    if not isinstance(name, str) or own_tag is None or not _is_list(declared):
        return None
    if isinstance(points, bool) or not isinstance(points, int) or not -(2**31) <= points < 2**31:
        return None
    found = [_metadata_configuration(each) for each in cast("Sequence[Any]", declared)]
    kept = [each for each in found if each is not None]
    if len(kept) < len(found):
        return None
    return {"tag": own_tag, "points": points, "name": clean(name), "metadata_configurations": kept}


def _metadata_configuration(given: Any) -> dict[str, Any] | None:
    if not isinstance(given, Mapping):
        return None
    fields = cast("Mapping[str, Any]", given)
    name, kind, units = fields.get("name"), fields.get("kind", "text"), fields.get("units")
    if not isinstance(name, str) or kind not in METADATA_KINDS or not (units is None or isinstance(units, str)):
        return None
    return {"name": clean(name), "kind": kind, "units": None if units is None else clean(units)}


def _is_list(value: Any) -> bool:
    return isinstance(value, (list, tuple))
