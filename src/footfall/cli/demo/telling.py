"""What the demo says at its end: tables, the very bytes, and each check. Pure."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, cast

import msgspec

from footfall.cli import tables
from footfall.cli.demo import checks
from footfall.cli.demo.checks import Check, Evidence
from footfall.wire import readable

if TYPE_CHECKING:
    from footfall.testing.sink import Received

INDENT: Final = "  "


class Bytes(msgspec.Struct, frozen=True, kw_only=True):
    """A request as it went over the wire, or a part of one, and what it means.

    Attributes:
        request: Method and path.
        size_bytes: Of the body.
        head: Its first bytes in hexadecimal.
        content: What it holds: its text, or the span as JSON.
        unpacked_head: For a span: the first bytes of its own protobuf, as it lies in the unpacked body.
    """

    request: str
    size_bytes: int
    head: str
    content: Any
    unpacked_head: str = ""


def result(evidence: Evidence, found: Sequence[Check], seconds: float) -> dict[str, Any]:
    """Return everything as plain data, for ``--json``."""
    return {
        "ok": all(check.holds for check in found),
        "seconds": round(seconds, 1),
        "calls": {program: dict(calls) for program, calls in evidence.calls.items()},
        "uses_at_server": dict(_uses(evidence)),
        "records_at_server": checks.arrived(evidence),
        "status": dict(evidence.status),
        "killed_run": killed_run(evidence),
        "breadcrumb": msgspec.to_builtins(breadcrumb(evidence)),
        "span": msgspec.to_builtins(span(evidence)),
        "checks": [{"says": c.says, "expected": c.expected, "found": c.found, "ok": c.holds} for c in found],
    }


def lines(evidence: Evidence, found: Sequence[Check], seconds: float) -> list[str]:
    """Return the end of the demo for people."""
    wrong = [check for check in found if not check.holds]
    verdict = f"{len(found) - len(wrong)} of {len(found)} checks hold, in {seconds:.1f} s"
    return [
        "",
        "Destinations",
        *_destinations(evidence),
        "",
        "Uses, by the programs' own count and at the server",
        *_table_of_uses(evidence),
        "",
        "The killed run, as the server was told",
        *_structured(killed_run(evidence)),
        "",
        "The very bytes of a breadcrumb",
        *_bytes(breadcrumb(evidence)),
        "",
        "The very bytes of a span",
        *_bytes(span(evidence)),
        "",
        "Checks",
        *(f"{INDENT}{'ok   ' if check.holds else 'WRONG'}  {check.says}{_difference(check)}" for check in found),
        "",
        verdict if not wrong else f"{verdict}; WRONG: " + "; ".join(check.says for check in wrong),
    ]


def _uses(evidence: Evidence) -> Mapping[str, int]:
    return checks.uses(evidence.records("span"), evidence.records("log"))


def _destinations(evidence: Evidence) -> list[str]:
    at_server = checks.arrived(evidence)
    rows = [
        (
            account["destination"],
            evidence.paths.get(account["destination"], ""),
            account["accepted"],
            account["delivered"],
            at_server.get(account["destination"], 0),
            account["pending"],
            sum(account["dropped"].values()),
            ", ".join(f"{reason} {count}" for reason, count in sorted(account["dropped"].items())),
        )
        for account in evidence.status["ledger"]["accounts"]
    ]
    head = ("destination", "path", "observed", "delivered", "at server", "pending", "dropped", "why dropped")
    balanced = "the books balance" if evidence.status["ledger"]["balanced"] else "the books DO NOT balance"
    return [
        *tables.table(head, rows, indent=INDENT),
        f"{INDENT}{balanced}: observed = delivered + pending + dropped",
    ]


def _table_of_uses(evidence: Evidence) -> list[str]:
    called, at_server = evidence.called(), _uses(evidence)
    told = {name: sum(each["name"] == name for each in evidence.records("span")) for name in called}
    rows: list[tuple[object, ...]] = [
        (name, called[name], at_server.get(name, 0), told.get(name, 0)) for name in sorted(called | dict(at_server))
    ]
    rows.append(("total", called.total(), sum(at_server.values()), sum(told.values())))
    return tables.table(("registered name", "calls made", "at server", "told as spans"), rows, indent=INDENT)


def killed_run(evidence: Evidence) -> dict[str, Any]:
    """Return the span of the run that was killed, as the server understood it; nothing when there is none."""
    for each in evidence.records("span"):
        if each["attributes"].get("footfall.outcome") == "killed":
            return {
                "name": each["name"],
                "trace_id": each["trace_id"],
                "span_id": each["span_id"],
                "status": each["status"],
                "duration_ns": each["end_ns"] - each["start_ns"],
                "attributes": each["attributes"],
            }
    return {}


def breadcrumb(evidence: Evidence) -> Bytes | None:
    """Return the request with the crumb of the killed run, or any crumb in the REST dialect."""
    rest = [request for request in evidence.accepted if request.path.startswith("/api/")]
    killed = [request for request in rest if checks.KILLED in request.body]
    for request in killed or rest:
        body = _body(request)
        return Bytes(
            request=f"{request.method} {request.path}",
            size_bytes=len(body),
            head=readable.hexadecimal(body),
            content=body.decode(),
        )
    return None


def span(evidence: Evidence) -> Bytes | None:
    """Return the request with the span of the call that raised, and that span alone."""
    for request in evidence.accepted:
        failed = {each["span_id"] for each in request.records if each.get("status") == "error"}
        if request.path.startswith("/v1/traces") and failed:
            body = _body(request)
            packed = request.headers.get("content-encoding") == "gzip"
            message = readable.parsed(request.path, readable.unpacked(body) if packed else body)
            only = _only(message, failed)
            return Bytes(
                request=f"{request.method} {request.path} ({len(request.records)} spans)",
                size_bytes=len(body),
                head=readable.hexadecimal(body),
                content=readable.as_json(only),
                unpacked_head=readable.hexadecimal(only.SerializeToString()),
            )
    return None


def _only(message: Any, ids: set[str]) -> Any:
    """Return the first span of *message* with one of *ids*."""
    return next(
        each
        for whole in message.resource_spans
        for part in whole.scope_spans
        for each in part.spans
        if each.span_id.hex() in ids
    )


def _body(request: Received) -> bytes:
    return base64.b64decode(request.body) if request.body_encoding == "base64" else request.body.encode()


def _bytes(found: Bytes | None) -> list[str]:
    if found is None:
        return [f"{INDENT}there is none"]
    content = [tables.escaped(found.content)] if isinstance(found.content, str) else readable.as_text(found.content)
    part = [f"the span alone: {found.unpacked_head}"] if found.unpacked_head else []
    head = [f"{found.request}, {found.size_bytes} bytes: {found.head}", *part, *content]
    return [INDENT + line for line in head]


def _structured(value: Mapping[str, Any]) -> list[str]:
    return [INDENT + line for line in readable.as_text(value)] if value else [f"{INDENT}there is none"]


def _difference(check: Check) -> str:
    if check.holds:
        plain = isinstance(check.found, int) and not isinstance(check.found, bool)
        return f": {check.found}" if plain else ""
    return f": expected {_short(check.expected)}, found {_short(check.found)}"


def _short(value: Any) -> str:
    if isinstance(value, dict):
        value = ", ".join(f"{name} {number}" for name, number in cast("dict[str, Any]", value).items())
    return tables.escaped(str(value))
