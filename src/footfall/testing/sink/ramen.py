"""How a ramen server answers, as far as its client, its tests and its readme tell (ramen.md sections 2 and 4).

It unpacks by the first bytes, since ``Content-Encoding: gzip`` is untrue. In mode ``droprule`` it takes nothing and
answers DROPPED with a drop rule: the one that the mode gives, or one for the category and data type of the request.
"""

from __future__ import annotations

import base64
import json
import re
import zlib
from typing import Any, Final

from footfall.testing.sink.exchange import Answer, Asked, json_answer

PREFIX: Final = "/ramen/v1/"
MAX_UNPACKED_BYTES: Final = 64 * 1024 * 1024
_PATH: Final = re.compile(
    r"/ramen/v1/(?P<category>[A-Za-z0-9_-]+)/(?P<system_serial>[0-9]+)/"
    r"(?P<sender>[A-Za-z0-9_-]+)\.(?P<data_type>[A-Za-z0-9_-]+)\.(?P<data_version>[A-Za-z0-9_-]+)/"
)


def answer(asked: Asked, *, dropping: bool = False, rule: str = "") -> Answer:
    """Answer a request below `PREFIX`; `Answer.records` is the one message it carried.

    Args:
        asked: The request.
        dropping: Whether to answer with a drop rule.
        rule: Its JSON, or "" for the category and data type of the request.
    """
    match = _PATH.fullmatch(asked.path)
    if match is None:
        return _refusal(404, "no such path")
    if asked.method != "POST":
        return _refusal(405, "only POST is understood")
    if asked.content_type != "application/json" or sorted(asked.query) != ["reqid", "version"]:
        return _refusal(400, "the type must be JSON, and the query must hold version and reqid")
    try:
        body, packing = unpacked(asked.body)
    except ValueError as error:
        return _refusal(400, str(error))
    record: dict[str, Any] = {
        "type": "message",
        **match.groupdict(),
        "system_version": asked.query["version"],
        "reqid": asked.query["reqid"],
        "packing": packing,
        **_content(body),
    }
    if dropping:
        record["refused"] = "dropped"
        given = json.loads(rule) if rule else {key: record[key] for key in ("category", "data_type")}
        return _with(json_answer(202, {"code": "DROPPED", "details": "not wanted", "rule": given}), record)
    return _with(json_answer(202, {"code": "ACCEPTED", "details": None}, accepted=True), record)


def too_many(asked: Asked, *headers: tuple[str, str]) -> Answer:
    """Answer beyond a rate limit."""
    del asked
    return _refusal(429, "too many requests", *headers)


def _refusal(status: int, details: str, *headers: tuple[str, str]) -> Answer:
    return json_answer(status, {"code": "REFUSED", "details": details}, *headers)


def unpacked(body: bytes) -> tuple[bytes, str]:
    """Return *body* unpacked, and as what it was packed: ``gzip``, ``zlib`` or ``none``.

    Raises:
        ValueError: It looks packed and is not, or holds more than `MAX_UNPACKED_BYTES`.
    """
    packing = "gzip" if body[:2] == b"\x1f\x8b" else "zlib" if body[:1] == b"\x78" else "none"
    if packing == "none":
        return body, packing
    unpacker = zlib.decompressobj(wbits=47)
    try:
        content = unpacker.decompress(body, MAX_UNPACKED_BYTES)
    except zlib.error as error:
        msg = f"the body is not {packing}: {error}"
        raise ValueError(msg) from error
    if unpacker.unconsumed_tail or not unpacker.eof:
        msg = f"the {packing} body is cut off, or unpacks to more than a sink takes"
        raise ValueError(msg)
    return content, packing


def _content(body: bytes) -> dict[str, Any]:
    """Return the message as ``data`` (parsed JSON), else as ``text``, else as ``data_base64``."""
    try:
        return {"data": json.loads(body)}
    except (ValueError, RecursionError):
        pass
    try:
        return {"text": body.decode()}
    except UnicodeDecodeError:
        return {"data_base64": base64.b64encode(body).decode()}


def _with(given: Answer, record: dict[str, Any]) -> Answer:
    return Answer(given.status, given.headers, given.body, accepted=given.accepted, records=[record])
