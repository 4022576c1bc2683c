"""What an insights server's answers mean (insights.md sections 9, 10 and 13).

The original takes any status below 300 for a yes, and so lost what a portal's page answered; it never tries again, and
deletes the package whatever was said. Here only the documented yes delivers, and what is refused because of settings
(identity, rights, content type) waits for better ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, cast

import msgspec

from footfall.ledger import Reason
from footfall.wire.base import DELIVERED, MAX_DETAIL_CHARACTERS, RETRY, Action, Response, Verdict
from footfall.wire.text import json_object

HALT: Final = Verdict(action=Action.HALT)

STATUS: Final[Mapping[int, Verdict]] = {
    **dict.fromkeys(range(300, 400), HALT),
    **dict.fromkeys(range(400, 500), Verdict(action=Action.DROP, reason=Reason.REFUSED)),
    # 400: no identity that the server understands; 415: a content type or service that it does not know. Each is said
    # of the settings and would be said of all that comes after: kept until they change.
    **dict.fromkeys((400, 401, 403, 407, 415), HALT),
    **dict.fromkeys((408, 425, 429, *range(500, 600)), RETRY),
    413: Verdict(action=Action.SPLIT),
}
"""Meaning of every status but 2xx, whose body is asked."""


def judge(response: Response) -> Verdict:
    """Return what *response* means; its detail begins with the status."""
    verdict = STATUS.get(response.status)
    words = ""
    if verdict is None:
        answer = json_object(response.body)
        if response.status in {201, 202} and answer is not None and _names_the_upload(answer):
            verdict = DELIVERED
        else:
            verdict, words = RETRY, "bad answer"
    elif 400 <= response.status < 500:
        words = response.body[: 4 * MAX_DETAIL_CHARACTERS].decode("utf-8", "replace")
    detail = " ".join(f"{response.status} {words}".split())[:MAX_DETAIL_CHARACTERS]
    return msgspec.structs.replace(verdict, detail=detail)


def judge_object(response: Response) -> Verdict:
    """Return what the answer of an object store to a PUT means: its yes is 200 or 201 with an ``ETag``."""
    if response.status in {200, 201} and response.headers.get("etag"):
        return msgspec.structs.replace(DELIVERED, detail=str(response.status))
    return judge(response) if response.status >= 300 else Verdict(action=Action.RETRY, detail=f"{response.status}")


def _names_the_upload(answer: Mapping[str, Any]) -> bool:
    upload = answer.get("upload")
    if isinstance(upload, dict) and cast("dict[str, Any]", upload):
        return True
    request_id = answer.get("request_id")
    return isinstance(request_id, str) and bool(request_id)
