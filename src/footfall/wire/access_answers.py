"""What a tracking service's answers mean (access.md section 4, reliability.md section 4).

The status is the answer: no client has ever read a body, and services return what they like. A body is looked at for
two things only: whether it is the page of something in between, and which fields a refusal names.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, cast

import msgspec

from footfall.ledger import Reason
from footfall.scrub import scrub_text
from footfall.wire.base import DELIVERED, MAX_DETAIL_CHARACTERS, RETRY, Action, Response, Verdict
from footfall.wire.text import clean, json_object

MAX_KEYS: Final = 20

STATUS: Final[Mapping[int, Verdict]] = {
    **dict.fromkeys((200, 201, 202, 204), DELIVERED),
    # A missing final slash, http for https, or moved: for whoever configures. Following would make a GET of the POST.
    **dict.fromkeys(range(300, 400), Verdict(action=Action.HALT)),
    **dict.fromkeys(range(400, 500), Verdict(action=Action.DROP, reason=Reason.REFUSED)),
    **dict.fromkeys((401, 403, 407), Verdict(action=Action.HALT)),
    **dict.fromkeys((408, 425, 429, *range(500, 600)), RETRY),
    413: Verdict(action=Action.SPLIT),
}
"""Meaning of each status; one that is not here is a bad answer, to be tried again."""

_NAMES_FIELDS: Final = frozenset({400, 422})
_KEY: Final = re.compile(r"[A-Za-z_][\w.-]{0,63}", re.ASCII)
_PAGE: Final = re.compile(rb"(?:\xef\xbb\xbf)?\s*<")


def judge(response: Response) -> Verdict:
    """Return what *response* means; `Verdict.detail` names the fields of a refusal, and never a value of one."""
    verdict, status = STATUS.get(response.status), response.status
    if verdict is None:
        detail = f"bad answer {status}"
    elif verdict is DELIVERED and is_page(response):
        verdict, detail = None, f"bad answer {status}: a page, not the service"
    elif status in _NAMES_FIELDS:
        named = ", ".join(keys(response.body))
        detail = f"{status} about {named}" if named else f"{status}"
    else:
        detail = f"{status} {words(response.body)}".strip()
    return msgspec.structs.replace(verdict or RETRY, detail=detail[:MAX_DETAIL_CHARACTERS])


def is_page(response: Response) -> bool:
    """Whether *response* is HTML, as captive portals and proxies answer in place of a service."""
    kind = response.headers.get("content-type", "").partition(";")[0].lower()
    return "html" in kind or _PAGE.match(response.body) is not None


def words(body: bytes) -> str:
    """Return what a service said in ``detail``, scrubbed, or "" where it said nothing there."""
    detail = (json_object(body) or {}).get("detail")
    return scrub_text(clean(detail), max_chars=MAX_DETAIL_CHARACTERS) if isinstance(detail, str) else ""


def keys(body: bytes) -> list[str]:
    """Return the fields that a refusal complains of, in its order: ``{"kwargs": ["This field is required."]}``.

    Texts beside them may repeat what was sent, so only what can be the name of a field is taken, from the places where
    Django REST framework (objects, or a list of them) and pydantic (``loc``) put names.
    """
    try:
        answer: Any = msgspec.json.decode(body)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return []
    found = (name for name in _named(answer) if _KEY.fullmatch(name))
    return list(dict.fromkeys(found))[:MAX_KEYS]


def _named(answer: Any) -> Iterator[str]:
    if isinstance(answer, list):
        for item in cast("Iterable[Any]", answer):
            if isinstance(item, dict):
                yield from _named(item)
    elif isinstance(answer, dict):
        for name, trouble in cast("dict[str, Any]", answer).items():
            if name == "detail":  # the framework's own word: a text, or pydantic's list
                yield from _places(trouble)
            elif isinstance(trouble, (list, dict)) and trouble:
                yield name


def _places(detail: Any) -> Iterator[str]:
    for trouble in cast("Iterable[Any]", detail if isinstance(detail, list) else ()):
        place = cast("dict[str, Any]", trouble).get("loc") if isinstance(trouble, dict) else None
        names = [part for part in cast("Iterable[Any]", place if isinstance(place, list) else ()) if part != "body"]
        if names and isinstance(names[0], str):
            yield names[0]
