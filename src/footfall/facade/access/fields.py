"""What a record says, made at the time of the call: small, scrubbed, and for the `access` wire alone.

The original sends the values as they are, passwords included, and loses a record for one value that JSON cannot hold
(access.md D5, D6). Here nothing is written before it is scrubbed, and nothing of the caller's objects runs.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from footfall import runtime
from footfall.facade.access.state import state
from footfall.resource.login import login_name
from footfall.scrub import TRUNCATED, bounded, is_sensitive_key, scrub
from footfall.usage import ENDPOINT
from footfall.wire.access import MAX_TEXT_CHARACTERS, STANDARD
from footfall.wire.text import as_text, clean, cut

MAX_ARGUMENTS_BYTES: Final = 24 * 1024
"""Of ``args`` and ``kwargs`` together: a line of the journal has 64 KiB, and the servers' limit is not known. What is
longer is left out whole, so that no half of a structure is taken for all of it."""

MAX_EXTRA_BYTES: Final = 24 * 1024


def fields_of(service: str, function: str, args: object, kwargs: object) -> dict[str, Any]:
    """Return the extra fields of one use.

    Args:
        service: Whose extra and removed fields count.
        function: As the record names it; "" leaves that to the wire.
        args: Positional arguments.
        kwargs: Keyword arguments.
    """
    dropped, extra = state.dropped.get(service, ()), state.extra_fields.get(service, {})
    found: dict[str, Any] = {}
    if "name" not in dropped and "name" not in extra:
        found["name"] = cut(clean(login_name(runtime.current().environ)), MAX_TEXT_CHARACTERS)
    if function:
        found["function"] = function
    found.update(_arguments(args, kwargs))
    found.update(_extra(extra))
    fields = {f"access.{name}": value for name, value in found.items() if name not in dropped}
    # Control word of the wire, and last: an extra field of this name goes without the prefix.
    own = fields.pop(ENDPOINT, None)
    endpoint = state.endpoints.get(service)
    if endpoint is not None and (own is not None or endpoint.strip("/") != service.replace("_", "/")):
        fields[ENDPOINT] = endpoint
    if own is not None:
        fields["endpoint"] = own
    return fields


def function_name(name: object) -> str:
    """Return *name* as records and journals have it."""
    return cut(as_text(bounded(name)), MAX_TEXT_CHARACTERS)


def _arguments(args: object, kwargs: object) -> dict[str, Any]:
    positional, named = scrub(args), scrub(kwargs)
    if not isinstance(positional, list):  # nobody checked what the program handed over, or scrubbing failed
        positional = [] if args is None else [positional]
    if not isinstance(named, dict):
        named = {} if kwargs is None else {"kwargs": named}
    told: dict[str, Any] = {"args": positional, "kwargs": named}
    return told if _size(told) <= MAX_ARGUMENTS_BYTES else {"args": [TRUNCATED], "kwargs": {}}


def _extra(extra: Mapping[str, Any]) -> dict[str, Any]:
    told: dict[str, Any] = {}
    left = MAX_EXTRA_BYTES
    for key, given in extra.items():
        name = function_name(key)
        # By the developer's will a session id may be called so; any other name of a secret hides what it holds.
        secret = is_sensitive_key(name) and name not in STANDARD
        value = scrub({name: given})[name] if secret else scrub(given)
        size = _size(value)
        if size > left:
            value, size = TRUNCATED, 0
        left -= size
        told[name] = value
    return told


def _size(value: object) -> int:
    return len(msgspec.json.encode(value))
