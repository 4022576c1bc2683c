"""How a tracking service answers: one table an endpoint, behind Django REST framework (access.md).

The server is not public. What is answered here is what the framework answers for a serializer with text fields of at
most 255 characters, JSON fields, and nothing required: services differ in their columns, and a record may have fields
taken out. Every endpoint exists.
"""

from __future__ import annotations

import itertools
import json
import re
import threading
from dataclasses import replace
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, Final, NoReturn, cast
from urllib.parse import unquote

from footfall.testing.sink.exchange import HTML, Answer, Asked, json_answer

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_TEXT_CHARACTERS: Final = 255
TEXTS: Final = ("name", "function", "session_id")

_API: Final = "api"


class State:
    """The row numbers of each table."""

    def __init__(self) -> None:
        self._rows: dict[str, Iterator[int]] = {}
        self._lock = threading.Lock()

    def next_id(self, endpoint: str) -> int:
        """Return the number of a new row; as in a database, one that is then not written leaves a gap."""
        with self._lock:
            return next(self._rows.setdefault(endpoint, itertools.count(1)))


def endpoint_of(path: str) -> str:
    """Return ``intake/catalog`` for ``/api/intake/catalog/``, with or without the final slash; "" for other paths.

    Without a part called ``api`` an endpoint has at least two, so that not every wrong path is one.
    """
    parts = path.removeprefix("/").removesuffix("/").split("/")
    if "" in parts:
        return ""  # Django's routes do not collapse slashes
    below = parts[parts.index(_API) + 1 :] if _API in parts else parts if len(parts) > 1 else []
    return unquote("/".join(below))


def answer(asked: Asked, state: State) -> Answer:
    """Answer a request to an endpoint; `Answer.records` is the record it carried.

    A path without final slash gets the redirection of Django's ``APPEND_SLASH``, which loses the body of a POST.
    """
    if not asked.path.endswith("/"):
        query = asked.target[len(asked.path) :]
        return Answer(301, (("content-type", HTML), ("location", f"{asked.path}/{query}")))
    return _method_not_allowed(asked) if asked.method != "POST" else _create(asked, state)


def _method_not_allowed(asked: Asked) -> Answer:
    return json_answer(405, {"detail": f'Method "{asked.method}" not allowed.'}, ("allow", "POST, OPTIONS"))


def _create(asked: Asked, state: State) -> Answer:
    if not re.fullmatch(r"application/(?:.+\+)?json", asked.content_type):
        return json_answer(415, {"detail": f'Unsupported media type "{asked.content_type}" in request.'})
    try:
        given = json.loads(asked.body, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        return json_answer(400, {"detail": f"JSON parse error - {error}"})
    if not isinstance(given, dict):
        message = f"Invalid data. Expected a dictionary, but got {type(given).__name__}."
        return json_answer(400, {"non_field_errors": [message]})
    fields = cast("dict[str, Any]", given)
    endpoint = endpoint_of(asked.path)
    record: dict[str, Any] = {"type": "record", "endpoint": endpoint, "fields": fields}
    troubles = {name: trouble for name in TEXTS if name in fields for trouble in _troubles(fields[name])}
    if troubles:
        refused = json_answer(400, {name: [trouble] for name, trouble in troubles.items()})
        return replace(refused, records=[record | {"refused": "; ".join(troubles.values())}])
    row = {"id": state.next_id(endpoint), "timestamp": datetime.now(timezone.utc).isoformat().replace("+00:00", "Z")}
    return replace(json_answer(201, {**fields, **row}, accepted=True), records=[record])


def too_many(*headers: tuple[str, str]) -> Answer:
    """Answer beyond a rate limit."""
    return json_answer(429, {"detail": "Request was throttled."}, *headers)


def is_yes(given: Answer) -> bool:
    """Whether a client may take an answer that is not the application's for its yes: the status is all it goes by."""
    kind = dict(given.headers).get("content-type", "")
    return given.status in {200, 201, 202, 204} and "html" not in kind


def _refuse_constant(name: str) -> NoReturn:
    msg = f"Out of range float values are not JSON compliant: {name}"
    raise ValueError(msg)


def _troubles(value: object) -> Iterator[str]:
    """Yield the first thing that the framework's text field has against *value*; null passes."""
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        yield "Not a valid string."
    elif len(text := str(value)) > MAX_TEXT_CHARACTERS:
        yield f"Ensure this field has no more than {MAX_TEXT_CHARACTERS} characters."
    elif "\x00" in text:
        yield "Null characters are not allowed."
    elif surrogate := re.search("[\ud800-\udfff]", text):
        yield f"Surrogate characters are not allowed: U+{ord(surrogate[0]):X}."
