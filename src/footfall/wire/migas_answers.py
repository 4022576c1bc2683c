"""What a migas server's answers mean (migas.md section 3).

A status is data; only where it says nothing in itself (a 200, a 500) is the body asked. Nothing here relies on a
content type or on the server's own header, which proxies take away, and no body makes it raise.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal, cast

import msgspec

from footfall.ledger import Reason
from footfall.wire.base import DELIVERED, MAX_DETAIL_CHARACTERS, RETRY, Action, Response, Verdict
from footfall.wire.text import json_object

Dialect = Literal["rest", "graphql"]

RATE_WINDOW_SECONDS: Final = 60.0
"""Refused requests count too, so whoever goes on inside the window stays locked out."""


REFUSED: Final = Verdict(action=Action.DROP, reason=Reason.REFUSED)

# The application's own 500: its database refused the data or is down, and nobody outside can tell which.
INGESTION_FAILED: Final = Verdict(action=Action.RETRY, max_attempts=2, reason=Reason.REFUSED)

STATUS: Final[Mapping[int, Verdict]] = {
    **dict.fromkeys(range(300, 400), Verdict(action=Action.HALT)),
    **dict.fromkeys(range(400, 500), REFUSED),
    **dict.fromkeys((401, 403, 407), Verdict(action=Action.HALT)),
    **dict.fromkeys((408, 425, *range(500, 600)), RETRY),
    413: Verdict(action=Action.SPLIT),
    429: Verdict(action=Action.RETRY, wait_seconds=RATE_WINDOW_SECONDS),
}
"""Meaning of a status where the body need not be asked; one in neither table is a bad answer, to be tried again."""

ASK_THE_BODY: Final[Mapping[Dialect, frozenset[int]]] = {"rest": frozenset({200, 202}), "graphql": frozenset({200})}
"""Statuses with which a server of that dialect answers; any other 2xx comes from something else (reliability.md N4)."""


def judge(response: Response, dialect: Dialect) -> Verdict:
    """Return what *response* means; `Verdict.detail` quotes the server's own words."""
    answer = json_object(response.body) or {}
    if response.status in ASK_THE_BODY[dialect]:
        verdict = _of_graphql(answer) if dialect == "graphql" else _of_rest(answer)
    elif response.status == 500 and ("x-backend-server" in response.headers or answer.get("success") is False):
        verdict = INGESTION_FAILED
    else:
        verdict = STATUS.get(response.status)
    detail = f"{response.status} {words(answer)}" if verdict else f"bad answer {response.status} {words(answer)}"
    return msgspec.structs.replace(verdict or RETRY, detail=detail.strip()[:MAX_DETAIL_CHARACTERS])


def errors_of(answer: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the errors in a GraphQL *answer*; an error that is no object counts as one without content."""
    return [object_in(error) for error in _list(answer.get("errors"))]


def words(answer: Mapping[str, Any]) -> str:
    """Return what the server said about its answer, or "" where it said nothing in a place we know."""
    for error in errors_of(answer):
        return str(error.get("message", ""))
    detail: Any = answer.get("detail") or answer.get("message")
    for first in _list(detail):  # a 422 names the place; the value beside it stays out of our logs
        return f"{object_in(first).get('type', '')} at {object_in(first).get('loc', '')}"
    return detail if isinstance(detail, str) else ""


def object_in(value: Any) -> dict[str, Any]:
    """Return *value* when it is a JSON object, else an empty one."""
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    items: list[Any] = [*value] if isinstance(value, list) else []
    return items


def _of_rest(answer: Mapping[str, Any]) -> Verdict | None:
    """``{"success": true, "message": ""}``; None for a page that only looks like an answer."""
    success = answer.get("success")
    return None if not isinstance(success, bool) else DELIVERED if success else REFUSED


def _of_graphql(answer: Mapping[str, Any]) -> Verdict | None:
    """``{"data": {"add_breadcrumb": {"success": true}}}``; None for what is no answer to a mutation."""
    errors = errors_of(answer)
    if errors:
        # With a path the document was good, and something behind the server failed. Without, it is refused for good.
        return RETRY if any(error.get("path") for error in errors) else REFUSED
    outcomes = [object_in(field).get("success") for field in object_in(answer.get("data")).values()]
    if not outcomes or not all(isinstance(outcome, bool) for outcome in outcomes):
        return None
    return DELIVERED if all(outcomes) else REFUSED
