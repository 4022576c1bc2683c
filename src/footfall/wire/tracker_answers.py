"""What a tracker backend's answers mean (tracker.md section 6, reliability.md section 4). Pure.

The original raises whatever is not 200 in the job's own code, and prints its body, which holds a mail address. Here
nothing of a body goes further than ``footfall doctor``, and that from ``detail`` alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, cast

import msgspec

from footfall.ledger import Reason
from footfall.scrub import scrub_text
from footfall.wire import access_answers
from footfall.wire.base import DELIVERED, MAX_DETAIL_CHARACTERS, RETRY, Action, Response, Verdict
from footfall.wire.text import clean, json_object

AUTHORIZED: Final = b'"Authorized!"'
OWN_FAILURE: Final = b"Internal Server Error"
MAX_ATTEMPTS: Final = 5
"""At a 500 in the backend's own words: a repeated job, an unknown step, or a real failure, and nobody can tell which.

Five, with pauses of 15 s together at the most: enough for a backend that fails every other time, and the events of a
job that exists already are not held up for long. A 500 in other words comes from something in front, and says nothing
about the request.
"""

AMBIGUOUS: Final = Verdict(action=Action.RETRY, max_attempts=MAX_ATTEMPTS, reason=Reason.REFUSED)
HALT: Final = Verdict(action=Action.HALT)
REFUSED: Final = Verdict(action=Action.DROP, reason=Reason.REFUSED)

STATUS: Final[Mapping[int, Verdict]] = {
    200: DELIVERED,
    **dict.fromkeys(range(300, 400), HALT),
    **dict.fromkeys(range(400, 500), REFUSED),
    **dict.fromkeys((401, 403, 407), HALT),
    **dict.fromkeys((408, 425, 429, *range(500, 600)), RETRY),
    413: Verdict(action=Action.SPLIT),
}
"""Meaning of each status; one that is not here, such as 201 or 204, is a bad answer, to be tried again."""


def judge(response: Response) -> Verdict:
    """Return what *response* to a configuration, job or event means."""
    verdict, status = STATUS.get(response.status), response.status
    detail = ""
    if verdict is DELIVERED and json_object(response.body) is None and response.body != AUTHORIZED:
        verdict = None
    if status == 500 and response.body.strip() == OWN_FAILURE:
        verdict = AMBIGUOUS
    if verdict is None:
        detail = f"bad answer {status}"
    elif status == 422:
        named = ", ".join(access_answers.keys(response.body))
        detail = f"422 about {named}" if named else "422"
    else:
        detail = f"{status} {_words(response.body)}".strip()
    return msgspec.structs.replace(verdict or RETRY, detail=detail[:MAX_DETAIL_CHARACTERS])


def judge_probe(response: Response) -> Verdict:
    """Return what the answer to the question about the key means: any 2xx that is no page is a yes (004, 005)."""
    if 200 <= response.status < 300 and not access_answers.is_page(response):
        return Verdict(action=Action.DELIVERED, detail=f"{response.status}")
    return judge(response)


def _words(body: bytes) -> str:
    """Return ``detail``, or the ``msg`` in it, scrubbed; "" where the backend said nothing there."""
    detail: Any = (json_object(body) or {}).get("detail")
    if isinstance(detail, dict):  # a version in use with other content; `changes` beside it repeats the content
        detail = cast("dict[str, Any]", detail).get("msg")
    return scrub_text(clean(detail), max_chars=MAX_DETAIL_CHARACTERS) if isinstance(detail, str) else ""
