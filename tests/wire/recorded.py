"""The recorded exchanges of the migas clients and server, and what they mean (not how they are written)."""

from __future__ import annotations

import base64
import gzip
import json
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from tests import vectors

from footfall.usage import Kind, Usage
from footfall.wire.base import Request, Response

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
PROCESS_FIELDS = ("status", "status_desc", "error_type", "error_desc")
CONTEXT_FIELDS = ("user_id", "session_id", "user_type", "platform", "container", "is_ci")
ALL_FIELDS = ("language", "language_version", *CONTEXT_FIELDS, *PROCESS_FIELDS)
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
VERSION = re.compile(r"[A-Za-z0-9._+-]{1,24}")
LONG_STATUS = {"running": "R", "completed": "C", "failed": "F", "suspended": "S", "error": "F"}


VECTORS = vectors.by_number("migas", name="name")


def requests_of(vector: dict[str, Any]) -> list[dict[str, Any]]:
    """The recorded requests: none, one, or several."""
    return vector.get("requests") or [vector["request"]] if vector.get("requests") or vector.get("request") else []


def responses_of(vector: dict[str, Any]) -> list[Response]:
    """What came back with a status, decoded from its content encoding as the courier does."""
    given = vector["response_given"]
    answers = given if isinstance(given, list) else [given] if given else []
    responses = []
    for answer in answers:
        if "status" not in answer:
            continue
        body = answer.get("body", "").encode()
        if "body_base64" in answer:
            body = gzip.decompress(base64.b64decode(answer["body_base64"]))
        headers = {name.lower(): value for name, value in answer.get("headers", {}).items()}
        responses.append(Response(status=answer["status"], headers=headers, body=body))
    return responses


def dialect_of(vector: dict[str, Any]) -> str:
    """In which dialect the exchange was."""
    for request in requests_of(vector):
        return "graphql" if "graphql" in request["path"] else "rest"
    return "graphql" if vector["client"] == "migas 0.4.0" else "rest"


def parse_document(document: str) -> tuple[str, dict[str, Any]]:
    """Return operation and arguments of a document, the first of several; ValueError for anything else."""
    tokens = re.findall(r'"(?:[^"\\]|\\.)*"|[A-Za-z_0-9.+-]+|[{}():,$!]', document)
    position = 0

    def take(expected: str = "") -> str:
        nonlocal position
        if position >= len(tokens) or (expected and tokens[position] != expected):
            raise ValueError(document)
        position += 1
        return tokens[position - 1]

    def pairs(closing: str) -> dict[str, Any]:
        found: dict[str, Any] = {}
        while position < len(tokens) and tokens[position] != closing:
            name = take()
            take(":")
            found[name] = value()
            if position < len(tokens) and tokens[position] == ",":
                take(",")
        take(closing)
        return found

    def value() -> Any:
        token = take()
        if token == "{":
            return pairs("}")
        if token.startswith('"'):
            return json.loads(token)
        return {"true": True, "false": False}.get(token, int(token) if token.isdigit() else token)

    if take() not in {"mutation", "query"}:
        raise ValueError(document)
    take("{")
    operation = take()
    if tokens[position] == ":":  # an alias
        take(":")
        operation = take()
    take("(")
    return operation, pairs(")")


def normal(fields: dict[str, Any]) -> dict[str, Any]:
    """Two crumbs mean the same when these are equal: the server keeps letters, and 24 characters of a version."""
    crumb = {key: value for key, value in fields.items() if value not in ({}, None)}
    for version in ("project_version", "language_version"):
        if isinstance(crumb.get(version), str):
            crumb[version] = crumb[version][:24]
    status = crumb.get("proc", {}).get("status")
    if status in LONG_STATUS:
        crumb["proc"] = {**crumb["proc"], "status": LONG_STATUS[status]}
    return crumb


def recorded_meaning(request: dict[str, Any]) -> dict[str, Any]:
    """Meaning of a recorded crumb in either dialect; ValueError when it has none."""
    body = request.get("body_json")
    if not isinstance(body, dict) or not body:
        raise ValueError(request.get("body_text"))
    if "query" not in body:
        return normal(body)
    if "variables" in body:
        letters = {"p": "project", "v": "project_version", "l": "language", "w": "language_version"}
        names = {**letters, "c": "ctx", "q": "proc"}
        return normal({names[letter]: value for letter, value in body["variables"].items()})
    return normal(parse_document(body["query"])[1])


def our_meaning(request: Request) -> dict[str, Any]:
    """Meaning of a request of ours."""
    body = json.loads(request.body)
    return recorded_meaning({"body_json": body})


def target_of(request: Request, base: str) -> str:
    """Path and query that our request to *base* asks for."""
    return urlsplit(base).path + request.path


def recorded_target(request: dict[str, Any]) -> str:
    """Path and query of a recorded request."""
    return request["path"] + ("?" + request["query"] if request["query"] else "")


def usage_of_call(vector: dict[str, Any]) -> Usage:
    """The use that a call of `add_breadcrumb` with that configuration becomes, as the facade will make it.

    What the caller did not say about the process is not derived (the original sends nothing then): None removes it.
    """
    call = vector["call"]
    config, keywords = call["config"], call["kwargs"]
    extra: dict[str, Any] = {f"migas.{name}": None for name in PROCESS_FIELDS}
    for name in ("language", "language_version", "platform", "container", "is_ci"):
        if name in config and config[name] is None:
            extra[f"migas.{name}"] = None
    extra.update({f"migas.{name}": value for name, value in keywords.items() if name != "wait"})
    project, version = call["args"]
    return usage_in(config, project=project, project_version=version, name="breadcrumb", kind=Kind.EVENT, extra=extra)


def usage_in(config: dict[str, Any], **fields: Any) -> Usage:
    """A use in a process with that configuration of the original client."""
    resource: dict[str, Any] = {
        "telemetry.sdk.language": config.get("language") or "python",
        "process.runtime.version": config.get("language_version") or "",
        "os.type": config.get("platform") or "",
        "container.runtime.name": "" if config.get("container") == "unknown" else config.get("container") or "",
    }
    resource = {key: value for key, value in resource.items() if value}
    if config.get("is_ci"):
        resource["footfall.cicd.system"] = "GitHub Actions"
    known: dict[str, Any] = {
        "project": "nipreps/fmriprep",
        "project_version": "24.1.0",
        "name": "nipreps/fmriprep",
        "kind": Kind.END,
        "trace_id": TRACE,
        "span_id": SPAN,
        "time_ns": 1_700_000_000_000_000_000,
        "resource": resource,
        "session_id": config.get("session_id") or "",
        "installation_id": config.get("user_id") or "",
    }
    return Usage(**{**known, **fields})


def acceptable(crumb: dict[str, Any]) -> bool:
    """The server's rules as migas.md section 2.1 lists them, written apart from the wire."""
    context, process = crumb.get("ctx", {}), crumb.get("proc", {})
    texts = [value for part in (crumb, context, process) for value in part.values() if isinstance(value, str)]
    return (
        "/" in crumb["project"]
        and len(crumb["project"]) <= 140
        and all(VERSION.fullmatch(crumb.get(name, "1")) for name in ("project_version", "language_version"))
        and 0 < len(crumb.get("language", "python")) <= 32
        and all(UUID.fullmatch(context[name]) for name in ("user_id", "session_id") if name in context)
        and context.get("user_type", "ci") in {"general", "dev", "ci"}
        and 0 < len(context.get("platform", "linux")) <= 64
        and context.get("container", "docker") in {"unknown", "docker", "apptainer"}
        and type(context.get("is_ci", True)) is bool
        and process.get("status", "R") in {"R", "C", "F", "S"}
        and all(isinstance(process.get(name, ""), str) for name in ("status_desc", "error_type", "error_desc"))
        and not any(re.search("[\x00\ud800-\udfff]", text) for text in texts)
    )


Meaning = dict[str, Any]


def same(meaning: Meaning) -> Meaning:
    """The crumb was right; the defect lies in how the original met the answer."""
    return meaning


def without(part: str, name: str) -> Callable[[Meaning], Meaning]:
    """One field less."""

    def repair(meaning: Meaning) -> Meaning:
        rest = {key: value for key, value in meaning[part].items() if key != name}
        return normal({**meaning, part: rest})

    return repair


def with_(part: str, **values: Any) -> Callable[[Meaning], Meaning]:
    """Other values in some fields."""
    return lambda meaning: {**meaning, part: {**meaning.get(part, {}), **values}}


def like(number: int) -> Callable[[Meaning], Meaning]:
    """Nothing usable was recorded; the crumb is that of another exchange."""
    return lambda _: recorded_meaning(VECTORS[number]["request"])


REPAIRS: dict[int, Callable[[Meaning], Meaning] | None] = {
    7: without("proc", "status"),  # an unknown word is left out, not sent to be refused
    8: without("proc", "status"),  # None is no word
    11: with_("ctx", is_ci=True),  # a word becomes a truth value
    15: with_("proc", error_desc="a\N{REPLACEMENT CHARACTER}b"),
    16: None,  # shortened: test_long_texts_are_shortened
    17: with_("proc", error_desc="5"),  # a text is a text
    19: lambda _: without("ctx", "container")(like(1)({})),  # nothing can close the argument list
    21: lambda _: {**like(1)({}), "language_version": "0.0.0"},  # what the schema demands is there
    23: same,
    33: same,
    37: same,
    38: same,
    39: same,
    41: like(22),  # the request is made, kept and sent later
    42: None,  # test_an_endpoint_is_checked_when_it_is_named
    43: None,
    71: with_("proc", status="C"),
    78: with_("proc", error_desc="a\N{REPLACEMENT CHARACTER}b"),
    79: None,
    80: with_("proc", error_desc="2"),
    82: None,  # test_a_user_id_that_is_no_uuid_becomes_one
    83: same,  # but for the target, below
    87: same,
    96: same,
    100: same,
    101: same,
    102: like(68),
}
