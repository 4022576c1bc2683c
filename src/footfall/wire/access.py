"""Wire `access`: call records for the tracking services of ACCESS-NRI (access.md).

One record is one request, to the endpoint of its service. Differences from the original client, each one a defect of
theirs (access.md section 6): the URL is joined in one way, with exactly one slash between any two parts and at the end;
a value that JSON cannot hold becomes the name of its type and not the loss of the record; extra fields add up, and a
field to remove that is not there is no trouble; source text is never sent.

    END, EVENT   told, when the use has a service: the server's tables are per service
    START        left out: a record is a use, and its end tells of it
    COUNT        left out: a record has no place for a number of uses

The fields stand as the original has them: ``name`` (the installation, unless the project says otherwise), ``function``,
``args``, ``kwargs``, ``session_id``, then the extra fields. One with the name of a standard field replaces it in place.
Fields may be null here, so None in ``access.<field>`` sends null; what takes a field out is `Usage.drop` alone.
``access.endpoint`` is no field: it is the endpoint where that is not the service with ``/`` for ``_``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal, cast
from urllib.parse import quote, unquote

import msgspec

from footfall.scrub import MAX_CHARS, bounded
from footfall.usage import ENDPOINT, Kind, Usage
from footfall.wire import access_answers as answers
from footfall.wire import access_headers
from footfall.wire.base import Request, Response, Verdict, key_of
from footfall.wire.text import clean, cut

CONTENT_TYPE: Final = "application/json"

MAX_TEXT_CHARACTERS: Final = 255
"""Of `name`, `function` and `session_id`: columns of that size are usual (access.md section 4)."""

MAX_ENDPOINT_CHARACTERS: Final = 255

STANDARD: Final = ("name", "function", "args", "kwargs", "session_id")
"""Fields of every record, in their order."""

ANONYMOUS: Final = "anonymous"
"""Name of an installation without an id: an empty text is refused by the usual text field of such servers."""

TOLD: Final = frozenset({Kind.END, Kind.EVENT})

_TEXTS: Final = frozenset({"name", "function", "session_id"})
_FUNCTION: Final = re.compile(r"[^\s:/]+:([^\s:/]+)")

# Not msgspec: it writes 1e100 where Python, and so the recorded client, writes 1e+100 (vector 005). With the standard
# encoder every request is the original's byte for byte, at 4 us a record instead of 1.
_ENCODE: Final = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"), check_circular=False)

_FIELDS: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])


class AccessWire:
    """Call records for one tracking service.

    Args:
        headers: Further headers of each request, lines ``Name: value``; ``Content-Type`` replaces ``application/json``.
            Plain ones only: they are kept on disk. Secrets belong into the destination's credentials.

    Raises:
        ConfigurationError: A header that carries a secret, is one of the framing, or is none.
    """

    name: str = "access"
    in_doubt: Literal["retry", "drop"] = "retry"
    batch_records: int = 256
    tells_starts: bool = False

    def __init__(self, *, headers: str = "") -> None:
        given = access_headers.parse(headers)
        self.content_type = dict(given).get(access_headers.CONTENT_TYPE, CONTENT_TYPE)
        self.headers = tuple(header for header in given if header[0] != access_headers.CONTENT_TYPE)

    def base_url(self, endpoint: str) -> str:
        """Return *endpoint* without final slashes, and with single ones between the parts of its path (vector 030)."""
        scheme, separator, rest = endpoint.partition("://")
        host, *parts = rest.split("/")
        return scheme + separator + "/".join([host, *filter(None, parts)])

    def translate(self, batch: Sequence[Usage]) -> list[Request]:
        """Return one request a record; `TOLD` says which kinds, and only those with a service that can be a path."""
        requests: list[Request] = []
        for usage in batch:
            path = path_of(usage) if usage.kind in TOLD else None
            if path is not None:
                body = _ENCODE.encode(record_of(usage)).encode()
                key = key_of("access", usage.trace_id, usage.span_id, usage.kind.value)
                requests.append(self._request(path, body, key, self.content_type, self.headers))
        return requests

    def judge(self, response: Response) -> Verdict:
        """Say what *response* means; `access_answers` has the table."""
        return answers.judge(response)

    def split(self, request: Request) -> list[Request]:
        """Return the same record without its arguments, or an empty list when there are none left to take out."""
        try:
            record = _FIELDS.decode(request.body)
        except msgspec.MsgspecError:  # no body of ours
            return []
        empty = {name: text for name, text in (("args", b"[]"), ("kwargs", b"{}")) if name in record}
        if all(bytes(record[name]) == text for name, text in empty.items()):
            return []
        body = msgspec.json.encode({**record, **{name: msgspec.Raw(text) for name, text in empty.items()}})
        key = key_of(f"{request.idempotency_key}:bare")
        return [self._request(request.path, body, key, request.content_type, request.headers)]

    def _request(
        self, path: str, body: bytes, key: str, content_type: str, headers: tuple[tuple[str, str], ...]
    ) -> Request:
        return Request(path=path, body=body, content_type=content_type, headers=headers, idempotency_key=key)


def path_of(usage: Usage) -> str | None:
    """Return ``/intake/catalog/`` for the service ``intake_catalog``; None where *usage* has no service for a path."""
    if not usage.service:
        return None
    endpoint = usage.extra.get(ENDPOINT)
    return path(endpoint if isinstance(endpoint, str) and endpoint else usage.service.replace("_", "/"))


def path(endpoint: str) -> str | None:
    """Return the path of *endpoint* below the base URL, with one slash before and after each part.

    None where a part is one that a server or something before it could take for a step up or aside (reliability.md S7,
    S8), in plain or percent-encoded; where there is no part at all; and beyond `MAX_ENDPOINT_CHARACTERS`.
    """
    parts = [part for part in clean(endpoint).split("/") if part]
    if not parts or len(endpoint) > MAX_ENDPOINT_CHARACTERS:
        return None
    if any(map(_steps_aside, parts)):
        return None
    return "/" + "".join(quote(part, safe="") + "/" for part in parts)


def _steps_aside(part: str) -> bool:
    while (decoded := unquote(part)) != part:  # as often as a chain of proxies may decode it
        part = decoded
    return ".." in part or "." in re.split(r"[/\\]", part)


def record_of(usage: Usage) -> dict[str, Any]:
    """Return the call record for *usage*: values that JSON can hold, in the order of the fields."""
    args, kwargs = arguments_of(usage)
    record: dict[str, Any] = {
        "name": usage.installation_id or ANONYMOUS,
        "function": function_of(usage.name),
        "args": args,
        "kwargs": kwargs,
        "session_id": usage.session_id,
    }
    for name, value in _extra_of(usage).items():
        record[cut(clean(name), MAX_TEXT_CHARACTERS)] = _held(value)
    for name in usage.drop:
        record.pop(name.removeprefix("access."), None)
    for name in _TEXTS & record.keys():
        if isinstance(record[name], str):
            record[name] = cut(clean(record[name]), MAX_TEXT_CHARACTERS)
    return record


def function_of(name: str) -> str:
    """Return ``esm_datastore.search`` for ``intake_esm.core:esm_datastore.search``; any other name as it is."""
    registered = _FUNCTION.fullmatch(name)
    return registered[1] if registered else name


def arguments_of(usage: Usage) -> tuple[list[Any], dict[str, Any]]:
    """Return what was passed by position and what by name, told apart by `Usage.parameters`.

    Where several arguments are one value, such as the number of them that ``capture: len`` leaves, that value goes by
    the name of the parameter: among the positional ones it would look like an argument.
    """
    args: list[Any] = []
    kwargs: dict[str, Any] = {}
    marks = {parameter.lstrip("*/"): parameter for parameter in usage.parameters}
    values = {name: _held(value) for name, value in usage.arguments.items()}
    for name, parameter in marks.items():  # in the order of the signature
        if name not in values:
            continue
        if parameter.startswith("/"):
            args.append(values.pop(name))
        elif not parameter.startswith("**") and isinstance(values[name], list):
            args.extend(values.pop(name))
    for name, value in values.items():
        if isinstance(value, dict) and marks.get(name, "").startswith("**"):
            kwargs.update(cast("dict[str, Any]", value))
        else:
            kwargs[clean(name)] = value
    return args, kwargs


def _held(value: Any) -> Any:
    """Return *value* as JSON can hold it. Most values are short texts, and are spared the 8 us of `bounded`."""
    plain = type(value) is str and len(value) <= MAX_CHARS and value.isascii()
    return value if plain or value is None or value is True or value is False else bounded(value)


def _extra_of(usage: Usage) -> Mapping[str, Any]:
    """Return the extra fields for this wire; where one is said for all wires and for this one, the latter holds."""
    own = usage.of_wire("access")
    fields = {**usage.extra_for("access"), **own}
    if ENDPOINT in usage.extra:
        del fields["endpoint"]
        if "endpoint" in usage.extra:
            fields["endpoint"] = usage.extra["endpoint"]
    return fields
