"""The two questions that a migas server answers at once, for the facade (migas.md sections 2.2 and 3).

They are GraphQL in either dialect. As with crumbs, values travel as variables and never in the document. The schema has
two arguments for `check_project` although the original client offers more, so there are two here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, Final, Literal

import msgspec

from footfall.wire import migas_answers as answers
from footfall.wire.base import Request, Response
from footfall.wire.text import clean, json_object

Operation = Literal["add_breadcrumb", "check_project", "get_usage", "add_project"]

CONTENT_TYPE: Final = "application/json; charset=utf-8"

_TYPES: Final[Mapping[str, str]] = {
    "project": "String!",
    "project_version": "String!",
    "start": "DateTime!",
    "end": "DateTime!",
    "unique": "Boolean!",
}


def check_project(project: str, version: str) -> Request:
    """Return the request that asks whether *version* of *project* is flagged, and what the latest one is."""
    return _query("check_project", {"project": project, "project_version": version}, "{success,flagged,latest,message}")


def get_usage(project: str, start: str, end: str | None = None, unique: bool | None = None) -> Request:
    """Return the request that asks how often *project* was used.

    Args:
        project: ``owner/name``.
        start: ``YYYY-MM-DD`` or ``YYYY-MM-DDTHH:MM:SSZ``; the server refuses offsets.
        end: The same; None for now.
        unique: Count users instead of crumbs; None leaves it to the server.
    """
    return _query("get_usage", {"project": project, "start": start, "end": end, "unique": unique}, "")


def read_answer(operation: Operation, response: Response) -> dict[str, Any]:
    """Return the answer to *operation* as the original client returns it.

    What cannot be read is ``{"success": False, "message": ...}``, never an exception.
    """
    answer = json_object(response.body) or {}
    errors = answers.errors_of(answer)
    value = answers.object_in(answers.object_in(answer.get("data")).get(operation))
    if value and not errors:
        return value
    if isinstance(answer.get("success"), bool):
        return answer
    message: Any = answers.words(answer) or f"no usable answer (status {response.status})"
    if not errors and "detail" in answer:
        message = answer["detail"]
    return {"success": False, "message": message}


def _query(operation: str, arguments: Mapping[str, str | bool | None], selection: str) -> Request:
    """Return the request for *operation* with those *arguments* that are not None.

    Each type is declared with "!", which fits a nullable argument as well as one with a default.
    """
    given = {name: clean(value) if isinstance(value, str) else value for name, value in arguments.items()}
    given = {name: value for name, value in given.items() if value is not None}
    declared = ",".join(f"${name}:{_TYPES[name]}" for name in given)
    passed = ",".join(f"{name}:${name}" for name in given)
    document = f"query({declared}){{{operation}({passed}){selection}}}"
    body = msgspec.json.encode({"query": document, "variables": given})
    return Request(
        path="/graphql",
        body=body,
        content_type=CONTENT_TYPE,
        # A question changes nothing and may be asked any number of times; the same question has the same key.
        idempotency_key=hashlib.sha256(body).hexdigest()[:32],
        records=0,
    )
