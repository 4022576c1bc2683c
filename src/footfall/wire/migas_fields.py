"""What a migas server takes in each field, and how a `Usage` gives it (migas.md sections 2.1 and 6).

The server answers 422 to one kind of wrong value and 500 to another, and loses a third in silence after it said 202. So
a value is brought into an accepted form here, or left out: the same in both dialects, whose servers differ in what
they check.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

from footfall import attributes
from footfall.usage import Kind, Outcome, Usage
from footfall.wire.text import as_text, clean

Accept: TypeAlias = Callable[[Any], "str | bool | None"]
"""Brings a value into a form that the server takes; None leaves the field out."""

MAX_PROJECT_CHARACTERS: Final = 140
MAX_VERSION_CHARACTERS: Final = 24
MAX_LANGUAGE_CHARACTERS: Final = 32
MAX_PLATFORM_CHARACTERS: Final = 64
# No body over 2500 bytes is taken, so what follows is never sent; cutting early keeps a 100 MB text cheap.
MAX_TEXT_CHARACTERS: Final = 2500

UNKNOWN_VERSION: Final = "unknown"
"""What the server itself stores for a version that it does not take."""

STATUS_OF_OUTCOME: Final[Mapping[Outcome, str]] = {
    Outcome.OK: "C",
    Outcome.ERROR: "F",
    Outcome.INTERRUPTED: "S",
    Outcome.KILLED: "S",
}

DESCRIPTION_OF_RUN: Final[Mapping[Outcome | None, str]] = {
    None: "Started",
    Outcome.OK: "Completed",
    Outcome.ERROR: "Errored",
    Outcome.INTERRUPTED: "Suspended",
    Outcome.KILLED: "Killed",
}

# GraphQL servers take the long names, REST servers letters only; a letter passes both. The last three are deprecated.
_STATUS: Final[Mapping[str, str]] = {
    **{letter.lower(): letter for letter in "RCFS"},
    "running": "R",
    "completed": "C",
    "failed": "F",
    "suspended": "S",
    "pending": "R",
    "success": "C",
    "error": "F",
}

_RUNTIMES: Final[Mapping[str, str]] = {"docker": "docker", "apptainer": "apptainer", "singularity": "apptainer"}

_FLAGS: Final[Mapping[str, bool]] = {
    **dict.fromkeys(("true", "yes", "on", "y", "t", "1", "1.0"), True),
    **dict.fromkeys(("false", "no", "off", "n", "f", "0", "0.0"), False),
}

_NOT_IN_VERSION: Final = re.compile(r"[^A-Za-z0-9._+-]+")
_UUID: Final = re.compile(r"([0-9a-f]{8})-?([0-9a-f]{4})-?([0-9a-f]{4})-?([0-9a-f]{4})-?([0-9a-f]{12})")

_NAMESPACE: Final = uuid.UUID("6b0c5a3d-7e0a-5f0e-9c55-2f1d0a4f8e37")
"""Names turned into UUIDs by this module; chosen once, by chance."""


def project(name: str) -> str | None:
    """Return *name* when a server can know it: ``owner/repository`` of at most 140 characters; else None."""
    whole = "/" in name and len(name) <= MAX_PROJECT_CHARACTERS and clean(name) == name
    return name if whole else None


def version(value: Any) -> str | None:
    """Return a version with ``_`` for characters that would make the server store ``unknown``, cut to 24 characters."""
    text = _NOT_IN_VERSION.sub("_", as_text(value)[:MAX_TEXT_CHARACTERS]).strip("_")
    return text[:MAX_VERSION_CHARACTERS] or None


def canonical_uuid(text: str) -> str | None:
    """Return *text* as hyphenated UUID when it is one in any form, or None; the server takes no braces and no URN."""
    bare = text.strip().lower().removeprefix("urn:uuid:")
    if bare.startswith("{") and bare.endswith("}"):
        bare = bare[1:-1]
    match = _UUID.fullmatch(bare)
    return "-".join(match.groups()) if match else None


def user_id(value: Any, *, installation_id: str) -> str | None:
    """Return a UUID for *value*; text that is none becomes UUID 3 of it under *installation_id*, else None.

    The random installation id is the salt: a bare hash of a name such as ``user@host`` can be guessed back (migas.md
    D11), so without it such a text stays at home.
    """
    text = as_text(value)
    if known := canonical_uuid(text):
        return known
    salt = installation(installation_id)
    return str(uuid.uuid3(uuid.UUID(salt), text)) if text and salt else None


def installation(text: str) -> str | None:
    """Return the UUID of an installation id, which is random and therefore needs no salt; None for the empty text."""
    text = clean(text)
    return (canonical_uuid(text) or str(uuid.uuid3(_NAMESPACE, text))) if text else None


def session_id(value: Any) -> str | None:
    """Return a UUID for *value*: itself, or UUID 5 of it; None for the empty text."""
    text = as_text(value)
    return (canonical_uuid(text) or str(uuid.uuid5(_NAMESPACE, text))) if text else None


def status(value: Any) -> str | None:
    """Return the letter of a status given by letter or by long name."""
    return _STATUS.get(as_text(value).strip().lower())


def container(value: Any) -> str | None:
    """Return the server's word for a container runtime, or None where it has none."""
    word = as_text(value).strip().lower()
    return "unknown" if word == "unknown" else _RUNTIMES.get(word)


def user_type(value: Any) -> str | None:
    """Return *value* when it is a word of the server's enumeration."""
    word = as_text(value).strip().lower()
    return word if word in {"general", "dev", "ci"} else None


def flag(value: Any) -> bool | None:
    """Return a bool from a bool, a number or a word such as ``yes``."""
    return _FLAGS.get(as_text(value).strip().lower())


def free_text(value: Any) -> str:
    """Return *value* as text; one given as "" stays "", as the original client sends it."""
    return as_text(value)[:MAX_TEXT_CHARACTERS]


def _at_most(max_characters: int) -> Accept:
    def accept(value: Any) -> str | None:
        return as_text(value)[:max_characters] or None

    return accept


ACCEPT: Final[Mapping[str, Accept]] = {
    "language": _at_most(MAX_LANGUAGE_CHARACTERS),
    "language_version": version,
    "session_id": session_id,
    "user_type": user_type,
    "platform": _at_most(MAX_PLATFORM_CHARACTERS),
    "container": container,
    "is_ci": flag,
    "status": status,
    "status_desc": free_text,
    "error_type": free_text,
    "error_desc": free_text,
}
"""Fields in the order of the documents, but for ``user_id``, which needs its salt."""


def derived(usage: Usage) -> dict[str, Any]:
    """Return what *usage* tells without being asked; None where it tells nothing.

    ``user_type`` is never derived, although migas.md section 6 names ``ci``: the original clients send it only when
    told to (vectors 010 and 074), ``is_ci`` says the same, and the server checks the field and then forgets it.
    ``error_desc`` is never derived either: texts of exceptions carry paths and data (reliability.md S5).
    """
    resource = usage.resource
    os_type = resource.get(attributes.OS_TYPE)
    return {
        "language": resource.get(attributes.TELEMETRY_SDK_LANGUAGE, "python"),
        "language_version": resource.get(attributes.PROCESS_RUNTIME_VERSION) or None,
        "user_id": installation(usage.installation_id),
        "session_id": usage.session_id or None,
        "user_type": None,
        "platform": "win32" if os_type == "windows" else os_type,
        "container": _container_of(resource),
        "is_ci": any(key.startswith(("cicd.", "footfall.cicd.")) for key in resource),
        "status": _status_of(usage),
        "status_desc": usage.message or _description_of(usage) or None,
        "error_type": _error_type_of(usage),
        "error_desc": None,
    }


def is_run(usage: Usage) -> bool:
    """Whether *usage* is a run of its whole project, which is named after it, rather than a use of one function."""
    return usage.name == usage.project


def _container_of(resource: Mapping[str, Any]) -> str:
    runtime = resource.get(attributes.CONTAINER_RUNTIME_NAME)
    if runtime:  # podman, containerd and cri-o are known not to be docker, and have no word of their own
        return container(runtime) or "unknown"
    return "docker" if resource.get(attributes.CONTAINER_ID) else "unknown"


def _status_of(usage: Usage) -> str:
    if usage.kind is Kind.START or (usage.kind is Kind.EVENT and usage.outcome is None):
        return "R"
    return STATUS_OF_OUTCOME[usage.outcome or Outcome.OK]


def _description_of(usage: Usage) -> str:
    if not is_run(usage) or usage.kind not in {Kind.START, Kind.END}:
        return usage.name
    return DESCRIPTION_OF_RUN[None if usage.kind is Kind.START else usage.outcome or Outcome.OK]


def _error_type_of(usage: Usage) -> str | None:
    if usage.outcome is Outcome.KILLED:
        return usage.error_type or "ProcessKilled"
    if usage.outcome is Outcome.INTERRUPTED:  # the status says it all; the originals add no type (vectors 062, 108)
        return None
    return usage.error_type.rpartition(".")[2] or None
