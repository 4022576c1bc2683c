"""The recorded exchanges of the ACCESS-NRI client, and the uses that footfall would see in its place."""

from __future__ import annotations

import datetime as dt
import json
import re
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import urlsplit

import recorded

from footfall.courier.credentials import Secret
from footfall.courier.credentials import headers as credential_headers
from footfall.usage import Kind, Outcome, Usage
from footfall.wire.access import AccessWire
from footfall.wire.base import Request, Response

FOLDER = recorded.FOLDER.with_name("access")
VECTORS: dict[str, dict[str, Any]] = {file.stem: json.loads(file.read_text()) for file in sorted(FOLDER.glob("*.json"))}
if not VECTORS:
    raise RuntimeError(f"no recorded exchanges in {FOLDER}; set FOOTFALL_SHARED to the folder that holds wire/vectors")

OF_THE_LIBRARY = {"Accept", "Accept-Encoding", "User-Agent", "Content-Length", "Content-Type"}
"""Headers that say nothing of the wire; content type and length are compared by themselves."""

NOT_JSON = {
    "datetime.date(2024, 1, 1)": dt.date(2024, 1, 1),
    "PurePosixPath('a/b')": PurePosixPath("a/b"),
    "b'abc'": b"abc",
    "<object object at 0x<ADDR>>": object(),
}

Call = tuple[str, str, list[Any], dict[str, Any]]
"""Service, function, positional arguments, keyword arguments."""


def call_of(vector: dict[str, Any]) -> Call:
    """What was called; ValueError for a cell and for source text, which say so only in text."""
    function, args, kwargs = (vector["call"][name] for name in ("function", "args", "kwargs"))
    if function.startswith("ApiHandler().send_api_request"):
        service, name, positional, keywords = args
        return service, name, real(positional), real(keywords)
    decorated = re.fullmatch(r'@register_func\("(\w+)"\) def (\w+)\(\*args, \*\*kwargs\)', function)
    if not decorated:
        raise ValueError(function)
    return decorated[1], decorated[2], real(args), real(kwargs)


def real(value: Any) -> Any:
    """The recorded value with its stand-ins for what JSON cannot hold replaced."""
    if isinstance(value, list):
        return [real(item) for item in value]
    if isinstance(value, dict):
        return NOT_JSON[value["$python"]] if "$python" in value else {name: real(item) for name, item in value.items()}
    return value


def usage_of(vector: dict[str, Any], call: Call | None = None, **changes: Any) -> Usage:
    """The use that *call*, default the recorded one, becomes under the recorded configuration."""
    service, function, args, kwargs = call or call_of(vector)
    environ, config = vector["call"]["env"], vector["call"]["config"]
    login = next(value for name in ("LOGNAME", "USER", "LNAME", "USERNAME") if (value := environ.get(name)))
    extra: dict[str, Any] = {"access.name": login}
    for fields in (config.get("extra_fields", {}).get(service, {}), *config.get("extra_fields calls", ())):
        extra |= {f"access.{name}": value for name, value in fields.items()}
    removed = config.get("remove_fields", {}).get(service, config.get("pop_fields", []))
    known: dict[str, Any] = {
        "project": "intake/intake-esm",
        "service": service,
        "name": function,
        "kind": Kind.END,
        "trace_id": recorded.TRACE,
        "span_id": recorded.SPAN,
        "time_ns": 1_700_000_000_000_000_000,
        "outcome": Outcome.OK,
        "arguments": {"args": args, "kwargs": kwargs},
        "parameters": ("*args", "**kwargs"),
        "extra": extra,
        "drop": (removed,) if isinstance(removed, str) else tuple(removed),
        "session_id": config["session_id"],
        "installation_id": "5d1a3f2e-9b4c-3e21-8a77-0c2f5e6d7a81",
    }
    return Usage(**{**known, **changes})


def headers_of(vector: dict[str, Any]) -> tuple[str, str]:
    """The headers set for the service, as a destination says them: plain lines, and lines of credentials."""
    service = call_of(vector)[0]
    given = vector["call"]["config"].get("headers", {})
    plain, secret = [], []
    for name, value in (given.get("*", {}) | given.get(service, {})).items():
        (secret if name == "Authorization" else plain).append(f"{name}: {value}")
    return "\n".join(plain), "\n".join(secret)


def endpoint_of(vector: dict[str, Any], where: str = "127.0.0.1:8000") -> str:
    """The recorded base URL, at *where*."""
    return re.sub(r"<HOST>:<(CLOSED_)?PORT>", where, vector["call"]["config"]["server_url"])


def sent(vector: dict[str, Any], request: Request) -> dict[str, Any]:
    """Our request in the words of a recorded one, with the headers of the credentials."""
    wire_headers, secret = headers_of(vector)
    base = urlsplit(AccessWire(headers=wire_headers).base_url(endpoint_of(vector)))
    parts = urlsplit(base.path + request.path)
    said = {**dict(request.headers), **credential_headers(Secret(secret))}
    return {
        "method": request.method,
        "path": parts.path,
        "query": parts.query,
        "content_type": request.content_type,
        "headers": said,
        "content_length": len(request.body),
        "body": request.body.decode(),
    }


def recorded_request(request: dict[str, Any]) -> dict[str, Any]:
    """A recorded request in the same words."""
    headers = request["headers"]
    return {
        "method": request["method"],
        "path": request["path"],
        "query": request["query"],
        "content_type": headers["Content-Type"],
        "headers": {name: value for name, value in headers.items() if name not in OF_THE_LIBRARY},
        "content_length": int(headers["Content-Length"]),
        "body": request["body_text"],
    }


def responses_of(vector: dict[str, Any]) -> list[Response]:
    """What came back with a status."""
    return recorded.responses_of(vector)
