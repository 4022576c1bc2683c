"""Wire `ramen`: one message a request, for servers of infi.ramen_client (ramen.md).

    POST /ramen/v1/{category}/{system_serial}/{sender}.{data_type}.{data_version}/?version={...}&reqid={...}

A server takes two requests with one URL for the same message, so the idempotency key is made of the URL, and the URL
of the ids: a request id is ``{trace_id}-{span_id}`` unless the caller gives one. Differences from the original client,
each one a defect of its own (ramen.md section 11): the request id never is a row number, nothing in it or in a name can
change the URL, and only the documented yes counts as delivered.

    END     category `events`, data type: the last part of the function's name, or the name of the run
    EVENT   the same, with the event's name
    COUNT   category `metrics`: how many uses there were that nothing else tells of
    START   left out: ramen knows whole spans only

Extra fields replace what is derived: ``ramen.category``, ``ramen.data_type``, ``ramen.data_version``,
``ramen.sender``, ``ramen.system_version`` (names; a record with a word that is none is left out), ``ramen.reqid`` (any
text), and the body, one of

    ramen.data          a text goes out as its UTF-8 bytes, unchanged and not checked; anything else as compact JSON
    ramen.data_base64   base64 of the very bytes, for bodies that are no text

Without either, the body is an object with the fields of `FIELDS`; any other ``ramen.<field>`` stands in its place or
is added, and None takes a field out, as a name in `Usage.drop` does.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import math
import re
import zlib
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Final, Literal, cast

from footfall import attributes
from footfall.errors import ConfigurationError
from footfall.usage import ADDRESSED, Kind, Outcome, Usage
from footfall.wire import ramen_answers as answers
from footfall.wire import ramen_names as names
from footfall.wire.base import Request, Response, Verdict, key_of
from footfall.wire.text import as_text, clean

CONTENT_TYPE: Final = "application/json"
"""Also of bodies that are not JSON, as the original says it."""

HEADERS: Final = (("Content-Encoding", "gzip"),)
"""Untrue: the body is zlib, not gzip. Servers sniff; an honest header would make us another client to them."""

MAX_RULE_SECONDS: Final = 86400.0

FIELDS: Final = (
    *("name", "start", "end", "function", "session", "user", "service", "service_version", "runtime"),
    *("runtime_version", "os", "status", "error_type", "error", "trace", "span", "parent", "attributes"),
)
"""Of the object that tells of a use, in this order; what is not known is left out (ramen.md section 12)."""

_CONTROL: Final = frozenset(
    ("category", "data_type", "data_version", "sender", "system_version", "reqid", "data", "data_base64")
)
_SAID: Final = ("category", "sender", "data_type", "data_version", "system_version")
_IN_FIELDS: Final = frozenset(
    (attributes.PROCESS_RUNTIME_NAME, attributes.PROCESS_RUNTIME_VERSION, attributes.OS_TYPE, "user.hash", "user.id")
)
_IDS: Final = re.compile(r"[0-9a-f]{32}-[0-9a-f]{16}")


class RamenWire:
    """Messages for one ramen server, on behalf of one system.

    Args:
        system_serial: Agreed with the server, at least 0. Never derived: two machines with the same would be one.
        sender: A name; "" takes the repository part of the project.
        system_version: "" takes the version of the project.
        rule_ttl: Seconds for which a drop rule of the server holds; the original's ``blacklist_ttl``.

    Raises:
        ConfigurationError: An option has a value that the server could not be told.
    """

    name: str = "ramen"
    in_doubt: Literal["retry", "drop"] = "retry"
    batch_records: int = 256
    tells_starts: bool = False
    sample_options: ClassVar[Mapping[str, Any]] = {"system_serial": 0}
    """For whoever looks at the wire without a server (`load.sample`)."""

    def __init__(
        self, *, system_serial: int, sender: str = "", system_version: str = "", rule_ttl: float = 3600.0
    ) -> None:
        # Options come from files, too, so their types are not to be trusted.
        serial, seconds = cast("object", system_serial), cast("object", rule_ttl)
        if isinstance(serial, bool) or not isinstance(serial, int) or not 0 <= serial < 2**63:
            msg = f"ramen: system_serial {serial!r} must be an integer from 0, as agreed with the server"
            raise ConfigurationError(msg)
        if sender and names.name(sender) != sender:
            msg = f"ramen: sender {sender!r} must be made of letters, digits, '_' and '-'"
            raise ConfigurationError(msg)
        if system_version and names.system_version(system_version) is None:
            msg = f"ramen: system_version {system_version!r} must be made of letters, digits, '_', '-' and '.'"
            raise ConfigurationError(msg)
        if isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or not 1 <= seconds <= MAX_RULE_SECONDS:
            msg = f"ramen: rule_ttl {seconds!r} must be seconds from 1 to {MAX_RULE_SECONDS:.0f}"
            raise ConfigurationError(msg)
        self.system_serial = str(serial)
        self.sender = sender
        self.system_version = system_version
        self.rule_seconds = float(seconds)

    def base_url(self, endpoint: str) -> str:
        """Return *endpoint* without final slashes and without one final ``/ramen/v1``."""
        return endpoint.rstrip("/").removesuffix("/ramen/v1").rstrip("/")

    def translate(self, batch: Sequence[Usage]) -> list[Request]:
        """Return one request a record; STARTs, and records whose own words are no names, are left out."""
        requests: list[Request] = []
        for usage in batch:
            own = usage.of_wire("ramen")
            labels = None if usage.kind is Kind.START else self._labels_of(usage, own)
            body = None if labels is None else _body(usage, own)
            if labels is None or body is None:
                continue
            requests.append(_request(labels, _request_id(usage, own), zlib.compress(body)))
        return requests

    def judge(self, response: Response) -> Verdict:
        """Say what *response* means; `ramen_answers` has the table."""
        return answers.judge(response, rule_seconds=self.rule_seconds)

    def labels(self, request: Request) -> Mapping[str, str]:
        """Return what a drop rule may ask of *request*: the parts of its URL but for the request id."""
        return names.labels(request.path)

    def split(self, request: Request) -> list[Request]:
        """Return nothing: a message is one request, and only its writer knows what could be left out."""
        del request
        return []

    def probe(self, request_id: str) -> Request:
        """Return the request with which the original asks whether a server takes our messages: ``{}``, unpacked.

        Raises:
            ConfigurationError: The wire was made without a sender or a system version, which it takes from no record.
        """
        if not self.sender or not self.system_version:
            msg = "ramen: a probe needs a sender and a system_version; nothing was sent"
            raise ConfigurationError(msg)
        labels = {
            "category": "metrics",
            "system_serial": self.system_serial,
            "sender": self.sender,
            "data_type": "test",
            "data_version": "v1",
            "system_version": self.system_version,
        }
        return _request(labels, request_id, b"{}")

    def _labels_of(self, usage: Usage, own: Mapping[str, Any]) -> dict[str, str] | None:
        """Return the parts of the URL, or None where the record's own word for one is no name."""
        if usage.drop:
            dropped = {name.removeprefix("ramen.") for name in usage.drop}
            own = {key: value for key, value in own.items() if key not in dropped}
        category, sender, data_type, data_version, system_version = map(own.get, _SAID)
        found = {
            "category": _category(usage) if category is None else names.name(category),
            "system_serial": self.system_serial,
            "sender": self._sender(usage) if sender is None else names.name(sender),
            "data_type": _data_type(usage) if data_type is None else names.name(data_type),
            "data_version": "v1" if data_version is None else names.data_version(data_version),
            "system_version": (
                self._system_version(usage) if system_version is None else names.system_version(system_version)
            ),
        }
        if None in found.values():
            return None
        return cast("dict[str, str]", found)

    def _sender(self, usage: Usage) -> str:
        return self.sender or names.derived(usage.project.rpartition("/")[2], fallback="unknown")

    def _system_version(self, usage: Usage) -> str:
        return self.system_version or names.derived(usage.project_version, allowed="A-Za-z0-9_.-", fallback="0")


def _request(labels: Mapping[str, str], request_id: str, body: bytes) -> Request:
    path = names.path(labels, request_id)
    return Request(
        path=path,
        body=body,
        content_type=CONTENT_TYPE,
        headers=HEADERS,
        # A server takes two requests with one URL for one message, so the outbox does too.
        idempotency_key=key_of("ramen", path),
        order_key=f"{labels['category']}/{labels['data_type']}",
    )


def _category(usage: Usage) -> str:
    return "metrics" if usage.kind is Kind.COUNT else "events"


def _data_type(usage: Usage) -> str:
    return names.derived(_last_part(usage), fallback="unknown")


def _last_part(usage: Usage) -> str:
    """Return the last part of the function's name, or the whole name of what is no function."""
    if usage.kind is Kind.EVENT or ":" not in usage.name:
        return usage.name
    return usage.name.rpartition(":")[2].rpartition(".")[2] or usage.name


def _request_id(usage: Usage, own: Mapping[str, Any]) -> str:
    """Return the caller's own request id, else the ids, else (a log record without any) a digest of what is told."""
    given = own.get("reqid")
    if given is not None and given != "":
        return as_text(given)
    ids = f"{usage.trace_id}-{usage.span_id}"
    if _IDS.fullmatch(ids):
        return ids
    told = f"{ids}\n{usage.kind.value}\n{usage.project}\n{usage.name}\n{usage.time_ns}\n{usage.session_id}"
    return hashlib.sha256(told.encode("utf-8", "surrogatepass")).hexdigest()[:48]


def _body(usage: Usage, own: Mapping[str, Any]) -> bytes | None:
    """Return the body before compression, or None where what should be base64 is not."""
    packed, data = own.get("data_base64"), own.get("data")
    if packed is not None:
        try:
            return base64.b64decode(packed, validate=True)
        except (binascii.Error, TypeError, ValueError):
            return None
    if isinstance(data, str):
        try:
            return data.encode()
        except UnicodeEncodeError:  # lone surrogates, which no UTF-8 can hold
            return clean(data).encode()
    return _json(_plain(data) if data is not None else object_of(usage))


def object_of(usage: Usage) -> dict[str, Any]:
    """Return the object that tells of *usage*: `FIELDS` in their order, without those that are not known."""
    where, failed = usage.resource, usage.outcome not in {None, Outcome.OK}
    is_span = usage.kind is Kind.END
    is_function = usage.kind is not Kind.EVENT and ":" in usage.name
    values: dict[str, Any] = {
        "name": usage.name,
        "start": usage.time_ns // 10**6,
        "end": usage.end_ns // 10**6 if is_span else None,
        "function": usage.name.replace(":", ".", 1) if is_function else None,
        "session": usage.session_id or None,
        "user": where.get("user.hash") or where.get("user.id"),
        "service": usage.project.rpartition("/")[2],
        "service_version": usage.project_version or None,
        "runtime": where.get(attributes.PROCESS_RUNTIME_NAME),
        "runtime_version": where.get(attributes.PROCESS_RUNTIME_VERSION),
        "os": where.get(attributes.OS_TYPE),
        "status": None if usage.outcome is None else "error" if failed else "ok",
        "error_type": _error_type(usage),
        "error": usage.message if failed and usage.message else None,
        "trace": usage.trace_id or None,
        "span": usage.span_id or None,
        "parent": usage.parent_span_id or None,
        "attributes": _attributes(usage) or None,
    }
    values.update((key, value) for key, value in usage.of_wire("ramen").items() if key not in _CONTROL)
    for name in usage.drop:
        values.pop(name.removeprefix("ramen."), None)
    return {clean(key): _plain(value) for key, value in values.items() if value is not None}


def _error_type(usage: Usage) -> str | None:
    if usage.outcome in {None, Outcome.OK}:
        return usage.error_type or None
    return usage.error_type or ("ProcessKilled" if usage.outcome is Outcome.KILLED else "_OTHER")


def _attributes(usage: Usage) -> dict[str, Any]:
    """Return all that has no field of its own, under OpenTelemetry's names."""
    values: dict[str, Any] = {
        **{key: value for key, value in sorted(usage.resource.items()) if key not in _IN_FIELDS},
        attributes.PROJECT: usage.project,
        attributes.SERVICE: usage.service or None,
        attributes.KIND: None if usage.kind is Kind.END else usage.kind.value,
        attributes.OUTCOME: usage.outcome.value if usage.outcome else None,
        attributes.COUNT: usage.count if usage.count != 1 or usage.kind is Kind.COUNT else None,
        attributes.ITEMS: usage.items if usage.items >= 0 else None,
        attributes.SESSION_PREVIOUS_ID: usage.previous_session_id or None,
        attributes.APP_INSTALLATION_ID: usage.installation_id or None,
        "message": usage.message if usage.message and usage.outcome in {None, Outcome.OK} else None,
    }
    values.update((attributes.ARGUMENT_PREFIX + key, value) for key, value in usage.arguments.items())
    values.update(
        (attributes.EXTRA_PREFIX + key, value) for key, value in usage.extra.items() if not key.startswith(ADDRESSED)
    )
    for name in usage.drop:
        for prefix in ("", attributes.ARGUMENT_PREFIX, attributes.EXTRA_PREFIX):
            values.pop(prefix + name.removeprefix("ramen."), None)
    return {key: value for key, value in values.items() if value is not None}


def _plain(value: Any) -> Any:
    """Return *value* as JSON holds it: no NaN, no lone surrogates, no integer that other parsers would not read."""
    match value:
        case None | bool():
            return value
        case int():
            return value if -(2**63) <= value < 2**64 else as_text(value)
        case float():
            return value if math.isfinite(value) else None
        case Mapping():
            pairs = cast("Mapping[Any, Any]", value)  # type: ignore[redundant-cast]  # not so for pyright
            return {as_text(key): _plain(item) for key, item in pairs.items()}
        case list() | tuple():
            return [_plain(item) for item in cast("Sequence[Any]", value)]
        case _:
            return as_text(value)


def _json(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":"), allow_nan=False).encode()
