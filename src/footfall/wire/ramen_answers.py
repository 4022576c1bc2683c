"""What a ramen server's answers mean (ramen.md sections 4, 6 and 11; reliability.md N4 to N9). Pure.

The original deletes a message at any status that it does not know, follows redirects with its token, and ends its
thread at an answer that is not JSON. Here only the documented yes delivers, and nothing that a server says raises.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, cast

import msgspec

from footfall.ledger import Reason
from footfall.wire import ramen_names as names
from footfall.wire.base import DELIVERED, MAX_DETAIL_CHARACTERS, RETRY, Action, DropRule, Response, Verdict
from footfall.wire.text import json_object

MAX_LABEL_CHARACTERS: Final = 255

HALT: Final = Verdict(action=Action.HALT)
REFUSED: Final = Verdict(action=Action.DROP, reason=Reason.REFUSED)

STATUS: Final[Mapping[int, Verdict]] = {
    **dict.fromkeys(range(300, 400), HALT),
    **dict.fromkeys(range(400, 500), REFUSED),
    **dict.fromkeys((401, 403, 407), HALT),
    **dict.fromkeys((408, 425, 429, *range(500, 600)), RETRY),
}
"""Meaning of every status but 202. One that is not here, such as 200 or 204, is a bad answer, to be tried again."""

SET_BY_THE_SERVER: Final = ("added", "last_seen")
"""Times in a rule: how long it holds is for us to say, since a server's clock is not ours (vector 057)."""


def judge(response: Response, *, rule_seconds: float) -> Verdict:
    """Return what *response* means; a drop rule in it holds for *rule_seconds*."""
    answer = json_object(response.body)
    verdict = STATUS.get(response.status)
    if response.status == 202 and answer is not None and "code" in answer:
        if answer["code"] != "DROPPED":
            return DELIVERED
        verdict = _dropped(answer, rule_seconds)
    words = _words(answer or {})
    if verdict is None:
        verdict, words = RETRY, f"bad answer {response.status} {words}"
    else:
        words = f"{response.status} {words} {verdict.detail}"
    return msgspec.structs.replace(verdict, detail=" ".join(words.split())[:MAX_DETAIL_CHARACTERS])


def rule(given: object, seconds: float) -> DropRule | str:
    """Return the drop rule that a server has *given*, or why it is refused.

    Known fields of the right type only, at least one of them, and no times. A field that is null says nothing, as in
    the original; a rule in which no field says anything would match everything and is refused (vector 051).
    """
    if not isinstance(given, dict):
        return "no rule"
    fields = {key: value for key, value in cast("dict[str, Any]", given).items() if value is not None}
    if any(key in fields for key in SET_BY_THE_SERVER):
        return "the rule sets its own time"
    if not fields.keys() <= set(names.LABELS):
        return "the rule has an unknown field"
    if not fields:
        return "the rule is empty"
    labels = {key: _label(key, value) for key, value in fields.items()}
    accepted = {key: text for key, text in labels.items() if text is not None}
    if len(accepted) < len(labels):
        return "the rule has a value of the wrong type"
    return DropRule(labels=accepted, seconds=seconds)


def _label(key: str, value: Any) -> str | None:
    """Return one value of a rule in the form that requests have it in, or None where no request can have it."""
    if key == "system_serial":
        return str(value) if type(value) is int and 0 <= value < 2**63 else None
    if key == "data_version":
        # A version that is a number is an integer in the original's queue and text in its rules, so that such a rule
        # never matched (vector 050). Both are taken here, and mean the same.
        text = None if isinstance(value, bool) else names.data_version(value)
    elif key == "system_version":
        text = names.system_version(value)
    else:
        text = names.name(value) if isinstance(value, str) else None
    return text if text is not None and len(text) <= MAX_LABEL_CHARACTERS else None


def _dropped(answer: Mapping[str, Any], seconds: float) -> Verdict:
    found = rule(answer.get("rule"), seconds)
    if isinstance(found, DropRule):
        return Verdict(action=Action.DROP, reason=Reason.RULE, rule=found)
    return msgspec.structs.replace(REFUSED, detail=f"({found}; not kept)")


def _words(answer: Mapping[str, Any]) -> str:
    said = (answer.get("code"), answer.get("details") or answer.get("message") or answer.get("error"))
    return " ".join(text for text in said if isinstance(text, str))
