"""The recorded exchanges of the ramen client, and the uses that its pushes become."""

from __future__ import annotations

import base64
import json
import zlib
from typing import Any

from tests import vectors

from footfall.usage import Kind, Usage
from footfall.wire.base import Request, Response
from footfall.wire.ramen import RamenWire

VECTORS = vectors.by_number("ramen")
GENERATED: dict[str | None, Any] = {"list(range(20000))": list(range(20000))}
"""Values that are too long to be written down."""


def exchanges_of(vector: dict[str, Any]) -> list[dict[str, Any]]:
    """The recorded exchanges: none, one, or several."""
    if "exchanges" in vector:
        return [each for each in vector["exchanges"] if isinstance(each, dict)]
    return [vector] if vector.get("request") else []


def response_of(exchange: dict[str, Any]) -> Response | None:
    """What came back; None where nothing with a status did."""
    given = exchange["response_given"]
    if given.get("status") is None:
        return None
    headers = {name.lower(): value for name, value in given.get("headers", {}).items()}
    return Response(status=given["status"], headers=headers, body=given.get("body", "").encode())


def pushes_of(vector: dict[str, Any]) -> list[dict[str, Any]]:
    """The recorded pushes, where each one is written down."""
    pushes = vector["call"].get("pushes")
    return pushes if isinstance(pushes, list) else []


def wire_of(vector: dict[str, Any]) -> RamenWire:
    """Our wire with that client's configuration."""
    config = vector["call"]["config"]
    given = {name: config[name] for name in ("sender", "system_serial", "system_version")}
    return RamenWire(**given, rule_ttl=config.get("blacklist_ttl", 3600))


def has_marks(value: Any) -> bool:
    """Whether JSON cannot hold the value that was pushed, so that the facade makes the text of it."""
    if isinstance(value, dict):
        return any(key.startswith("$") or has_marks(item) for key, item in value.items())
    return isinstance(value, list) and any(map(has_marks, value))


def usage_of(push: dict[str, Any], number: int = 0, *, text: str = "") -> Usage:
    """The use that one push becomes, the *number*th of its process.

    Args:
        push: Arguments of the original's ``push``.
        number: Makes the ids.
        text: What the facade makes of a value that JSON cannot hold.
    """
    extra: dict[str, Any] = {f"ramen.{name}": push[name] for name in ("category", "data_type", "data_version")}
    data = push["data"]
    if isinstance(data, dict) and data.keys() == {"$bytes_base64"}:
        extra["ramen.data_base64"] = data["$bytes_base64"]
    elif isinstance(data, str):
        extra["ramen.data"] = data
    else:
        value = GENERATED.get(data.get("$generated")) if isinstance(data, dict) else None
        made = json.dumps(data if value is None else value, separators=(",", ":"))
        extra["ramen.data"] = text if value is None and has_marks(data) else made
    if push.get("reqid") not in {None, ""}:
        extra["ramen.reqid"] = str(push["reqid"])
    return Usage(
        project="infinidat/imx",
        name="ramen.push",
        kind=Kind.EVENT,
        trace_id=f"{number + 1:032x}",
        span_id=f"{number + 1:016x}",
        time_ns=1_700_000_000_000_000_000,
        extra=extra,
    )


def plain_body(request: Request) -> bytes:
    """Our body before compression."""
    return zlib.decompress(request.body)


def recorded_body(request: dict[str, Any]) -> bytes | None:
    """The recorded body before compression, or None where only its digest was kept."""
    if request["body_base64"] is None:
        return None
    raw = base64.b64decode(request["body_base64"])
    return zlib.decompress(raw) if request["body_compression"] == "zlib" else raw
