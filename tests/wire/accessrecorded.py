"""The recorded exchanges of the ACCESS-NRI client, and the uses that footfall would see in its place."""

from __future__ import annotations

import datetime as dt
import re
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from tests import vectors
from tests.wire import recorded

from footfall.courier.credentials import Secret
from footfall.courier.credentials import headers as credential_headers
from footfall.usage import Kind, Outcome, Usage
from footfall.wire.access import AccessWire
from footfall.wire.base import Request, Response

VECTORS = vectors.by_name("access")

OF_THE_LIBRARY = {"Accept", "Accept-Encoding", "User-Agent", "Content-Length", "Content-Type"}
"""Headers that say nothing of the wire; content type and length are compared by themselves."""

NOT_JSON = {
    "datetime.date(2024, 1, 1)": dt.date(2024, 1, 1),
    "PurePosixPath('a/b')": PurePosixPath("a/b"),
    "b'abc'": b"abc",
    "<object object at 0x<ADDR>>": object(),
}

CATALOG = "/api/intake/catalog/"

REPAIRS: dict[str, list[tuple[str, dict[str, Any]]]] = {
    # 5 000 characters pass; 8 KiB a text is the limit: test_a_longer_argument_is_cut
    "009-record-long-argument": [(CATALOG, {})],
    # what a capture lets through goes through the scrubber first, as here
    "010-record-secret-in-arguments": [
        (CATALOG, {"kwargs": {"token": "<redacted:key>", "password": "<redacted:key>"}})
    ],
    "011-record-int-keys": [(CATALOG, {})],
    # a value that JSON cannot hold is a text, or the name of its type; the record is not lost
    "012-record-datetime-argument": [(CATALOG, {"args": ["2024-01-01"]})],
    "013-record-path-argument": [(CATALOG, {"args": ["a/b"]})],
    "014-record-bytes-argument": [(CATALOG, {"args": ["<bytes>"]})],
    "053-decorator-object-argument": [(CATALOG, {"args": ["<object>"]})],
    # extra fields add up; a field to remove that is not there is no trouble
    "019-record-extra-fields-replaced-not-merged": [(CATALOG, {"a": 1, "b": 2})],
    "023-record-remove-missing-field": [(CATALOG, {})],
    "052-decorator-pop-missing-breaks-the-function": [(CATALOG, {})],
    # the request was right; what became of it was not: kept, sent later, or judged in test_access_answers.py
    "033-answer-301": [(CATALOG, {})],
    "039-answer-500": [(CATALOG, {})],
    "040-answer-500-staging": [(CATALOG, {})],
    "043-answer-timeout": [(CATALOG, {})],
    "044-answer-timeout-default": [(CATALOG, {})],
    "055-running-loop-ends-at-once": [(CATALOG, {})],
    # one way to join a URL, whoever calls; the service's headers with it (051)
    "048-decorator-url-with-slash": [(CATALOG, {})],
    "049-decorator-url-without-slash": [(CATALOG, {})],
    "050-decorator-default-url-shape": [("/intake/catalog/", {})],
    "051-decorator-ignores-headers": [(CATALOG, {})],
    # cells: the values with which the functions were called, not their source text
    "056-cell-method-call": [(CATALOG, {"args": ["tas", 3, 1.5], "kwargs": {"variable": "x", "n": 2}})],
    "057-cell-expression-argument": [(CATALOG, {"args": ["a", 2, "b"], "kwargs": {}})],
    "058-cell-dict-argument": [(CATALOG, {"args": [{"a": "b", "n": 1}], "kwargs": {}})],
    "059-cell-subscript": [(CATALOG, {"args": ["tas"], "kwargs": {}, "function": "DfFileCatalog.__getitem__"})],
    "060-cell-chain": [
        (CATALOG, {"args": [], "kwargs": {"a": "x"}, "function": "DfFileCatalog.search"}),
        (CATALOG, {"args": [], "kwargs": {"b": "y"}, "function": "DfFileCatalog.search"}),
    ],
    "062-cell-magic-line": [(CATALOG, {"args": ["q"], "kwargs": {}})],
}
"""Path and changed fields of each record that goes out in place of what a defect sent; the rest is that of the call. A
test that is named after the defect says more where this table cannot."""

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
