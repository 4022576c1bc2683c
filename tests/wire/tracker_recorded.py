"""The recorded exchanges of the tracker client and its backend, and the uses that the client's calls become."""

from __future__ import annotations

import json
import re
from typing import Any

from tests import vectors

from footfall.usage import Kind, Usage
from footfall.wire.base import Request, Response
from footfall.wire.tracker import TrackerWire

WIRE = TrackerWire()
"""As the facade uses it: every use says what it is."""

MARKS = {"nan": float("nan")}
"""Values that JSON cannot hold."""


VECTORS = vectors.by_number("tracker")


def requests_of(vector: dict[str, Any]) -> list[dict[str, Any]]:
    """The recorded requests: none, one, or several."""
    return vector.get("requests") or ([vector["request"]] if vector.get("request") else [])


def response_of(given: dict[str, Any]) -> Response | None:
    """What came back; None where nothing with a status did."""
    if "status" not in given:
        return None
    headers = {name.lower(): value for name, value in given.get("headers", {}).items()}
    return Response(status=given["status"], headers=headers, body=given.get("body", "").encode())


def responses_of(vector: dict[str, Any]) -> list[Response]:
    """Every recorded answer with a status."""
    given = vector["response_given"]
    answers = given if isinstance(given, list) else [given] if given else []
    return [response for response in map(response_of, answers) if response is not None]


def values(given: Any) -> Any:
    """Metadata as the caller had it."""
    if isinstance(given, dict):
        if given.keys() == {"$python"}:
            return MARKS[given["$python"]]
        return {key: values(value) for key, value in given.items()}
    return given


def usage(number: int, **extra: Any) -> Usage:
    """The use that a call of the facade becomes, the *number*th of its process."""
    return Usage(
        project="example/provider",
        name="tracker",
        kind=Kind.EVENT,
        trace_id=f"{number + 1:032x}",
        span_id=f"{number + 1:016x}",
        time_ns=1_700_000_000_000_000_000,
        extra={f"tracker.{name}": value for name, value in extra.items()},
    )


def usage_of(vector: dict[str, Any]) -> Usage:
    """The use that the vector's call becomes, for calls that send."""
    call = vector["call"]
    function, args = call["function"].rpartition(".")[2], call["args"]
    if function == "register_job_config":
        return usage(0, configuration=args[0])
    if function == "create_job":
        return usage(0, provider_job_id=args[0], customer_id=args[1], job=args[2])
    assert function == "send_event"
    if call["function"] == "TrackerApi.send_event":
        kind, tag, job_id, metadata = args
    else:
        (kind, tag, metadata), job_id = (*args, None)[:3], call["config"]["provider_job_id"]
    return usage(0, kind=kind, tag=tag, provider_job_id=job_id, event_metadata=values(metadata or {}))


def usage_of_body(path: str, body: dict[str, Any], number: int = 0) -> Usage:
    """The use that says what the recorded *body* says."""
    if path.startswith("/job_configurations"):
        return usage(number, configuration=body)
    if path.startswith("/jobs"):
        known = {"provider_job_id": "provider_job_id", "customer_id": "customer_id", "tag": "job"}
        return usage(number, **{known[name]: value for name, value in body.items()})
    names = {"kind", "tag", "provider_job_id", "event_metadata"}
    return usage(number, **{name: value for name, value in body.items() if name in names and value is not None})


def one(given: Usage, wire: TrackerWire = WIRE) -> Request | None:
    """The only request, or None where the use is left out."""
    (found,) = wire.translate([given]) or [None]
    return found


def body(request: Request | None) -> Any:
    """Our body, decoded."""
    assert request is not None
    return json.loads(request.body)


def filled(text: str, job_id: str = "job-9") -> str:
    """A recorded text with something of the right kind in place of what was taken out."""
    text = text.replace("<JOB_ID>", job_id).replace("<TIMESTAMP>", "2023-05-08T04:35:19+00:00")
    return re.sub(r'"?<ID>"?', "7", text)
