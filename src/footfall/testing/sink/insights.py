"""How an insights server answers: the upload handler behind its identity check (insights.md section 10, vector 086).

The checks, their order, statuses and words are those recorded. Uploads are unpacked, in chunks and up to a limit, so
that a test can ask what was in them; the real server never opens one. In its place before the server stands a gateway,
which turns basic credentials into an identity; so does the sink unless `Setup.gateway` is off.
"""

from __future__ import annotations

import base64
import binascii
import csv
import io
import json
import re
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from email.parser import BytesParser
from typing import Any, Final

from footfall.testing.sink.exchange import Answer, Asked, as_object, json_answer, text_answer

PLAIN: Final = "text/plain; charset=utf-8"
UPLOAD_PATHS: Final = ("/api/ingress/v1/upload", "/r/insights/platform/ingress/v1/upload")
MAX_UNPACKED_BYTES: Final = 256 * 2**20
NO_ORG: Final = frozenset(("Associate", "X509"))

_LEGACY: Final = frozenset(
    ("application/gzip", "application/gzip; charset=binary", "application/x-gzip; charset=binary")
)
_KIND: Final = re.compile(r"application/vnd\.redhat\.([a-z0-9-]+)\.([a-z0-9-]+)")
_BASIC: Final[dict[str, Any]] = {"type": "User", "account_number": "0000001", "internal": {"org_id": "000001"}}
"""Whom basic credentials stand for."""


@dataclass(frozen=True)
class Setup:
    """How a server is set up.

    Attributes:
        most_bytes: Of a file.
        own_most_bytes: The same of single services.
        services: Those that it knows.
        denied: Organisations that may not upload.
        gateway: Whether basic credentials are turned into an identity before the server sees them.
    """

    most_bytes: int = 104_857_600
    own_most_bytes: Mapping[str, int] = field(default_factory=dict[str, int])
    services: frozenset[str] = frozenset(("advisor", "aap-billing-controller", "example", "footfall", "tower"))
    denied: frozenset[str] = frozenset()
    gateway: bool = True


DEFAULT: Final = Setup()


def answer(asked: Asked, setup: Setup = DEFAULT) -> Answer:
    """Answer an upload; `Answer.records` is the one package it carried, as far as it could be read."""
    honest, record = _judged(asked, setup)
    headers = (*honest.headers, ("x-rh-insights-request-id", _request_id(asked)))
    return replace(honest, headers=headers, records=[record] if record else [])


def _judged(asked: Asked, setup: Setup) -> tuple[Answer, dict[str, Any] | None]:  # noqa: PLR0911  the server's checks
    if asked.method != "POST":
        return Answer(405), None
    identity, trouble = _identity(asked.headers, gateway=setup.gateway)
    if identity is None:
        return text_answer(400, f"Bad Request: {trouble}\n", content_type=PLAIN), None
    if _is_test(asked):
        return _accepted(asked, identity, 200, yes=False), None
    if _org(identity) in setup.denied:
        return text_answer(403, "Upload denied. Please contact Red Hat Support.", content_type=PLAIN), None
    parts: dict[str, tuple[str, str, bytes]] = {}
    for name, each in _parts(asked):
        parts.setdefault(name, each)
    part = parts.get("file") or parts.get("upload")
    if part is None:
        return text_answer(400, "File or upload field not found", content_type=PLAIN), None
    name, content_type, content = part
    record = {
        "type": "package",
        "file_name": name,
        "content_type": content_type,
        "request_id": asked.headers.get("x-rh-insights-request-id", ""),
        "size": len(content),
        "members": members(content),
    }
    kind = _KIND.search(content_type)
    service = kind[1] if kind else "advisor" if content_type in _LEGACY else ""
    if service not in setup.services:
        return Answer(415), record
    if len(content) > setup.own_most_bytes.get(service, setup.most_bytes):
        words = f"File exceeds maximum file size ({setup.most_bytes}) for upload: {len(content)}"
        return text_answer(413, words, content_type=PLAIN), record
    return _accepted(asked, identity, 201 if service == "advisor" and "metadata" not in parts else 202), record


def members(tarball: bytes) -> dict[str, Any] | None:
    """Return what is in *tarball*: rows of tables, values of JSON, by name of member; None where it is no tarball."""
    found: dict[str, Any] = {}
    left = MAX_UNPACKED_BYTES
    try:
        with tarfile.open(fileobj=io.BytesIO(tarball), mode="r:gz") as tar:
            for member in tar:
                file = tar.extractfile(member)
                if file is None or member.size > left:
                    return None
                left -= member.size
                found[member.name] = _content(member.name, file.read())
    except (tarfile.TarError, OSError, EOFError, ValueError):
        return None
    return found


def _content(name: str, content: bytes) -> Any:
    if name.endswith(".json"):
        return json.loads(content)
    return list(csv.DictReader(io.StringIO(content.decode(), newline="")))


def _identity(headers: Mapping[str, str], *, gateway: bool) -> tuple[dict[str, Any] | None, str]:  # noqa: PLR0911  the same
    """Return who asks, or None and what is wrong."""
    given = headers.get("x-rh-identity", "")
    if not given:
        if gateway and headers.get("authorization", "").startswith("Basic "):
            return _BASIC, ""
        return None, "missing x-rh-identity header"
    try:
        text = base64.b64decode(given, validate=True)
    except binascii.Error:
        return None, "unable to b64 decode x-rh-identity header"
    wrong = "x-rh-identity header does not contain valid JSON"
    try:
        identity = as_object(as_object(json.loads(text)).get("identity"))
    except ValueError:
        return None, wrong
    own, inner = identity.get("org_id"), as_object(identity.get("internal")).get("org_id")
    if any(value is not None and not isinstance(value, str) for value in (own, inner, identity.get("type"))):
        return None, wrong
    if not own and not inner and identity.get("type") not in NO_ORG:
        return None, "x-rh-identity header has an invalid or missing org_id"
    if not identity.get("type"):
        return None, "x-rh-identity header is missing type"
    return identity, ""


def _is_test(asked: Asked) -> bool:
    if asked.content_type == "application/x-www-form-urlencoded":
        return asked.body == b"test=test"
    if asked.content_type != "application/json":
        return False
    try:
        return as_object(json.loads(asked.body)).get("test") == "test"
    except ValueError:
        return False


def _parts(asked: Asked) -> Iterator[tuple[str, tuple[str, str, bytes]]]:
    """Yield field name, and file name, content type and bytes, of each part of a multipart body."""
    if asked.content_type != "multipart/form-data":
        return
    boundary = re.search(r'boundary="?([^";]+)', asked.headers.get("content-type", ""))
    if boundary is None:
        return
    mark = b"--" + boundary[1].encode("latin-1")
    for piece in (b"\r\n" + asked.body).split(b"\r\n" + mark)[1:]:
        head, empty, content = piece.removeprefix(b"\r\n").partition(b"\r\n\r\n")
        if not empty:
            continue  # what stands behind the last mark
        headers = BytesParser().parsebytes(head + b"\r\n\r\n", headersonly=True)
        disposition = headers.get("content-disposition", "")
        field, name = (re.search(rf'\b{word}="([^"]*)"', str(disposition)) for word in ("name", "filename"))
        yield field[1] if field else "", (name[1] if name else "", str(headers.get("content-type", "")), content)


def _accepted(asked: Asked, identity: Mapping[str, Any], status: int, *, yes: bool = True) -> Answer:
    upload = {"account_number": identity.get("account_number"), "org_id": _org(identity)}
    said = {name: value for name, value in upload.items() if value}
    return json_answer(status, {"request_id": _request_id(asked), "upload": said}, accepted=yes)


def _org(identity: Mapping[str, Any]) -> Any:
    return identity.get("org_id") or as_object(identity.get("internal")).get("org_id")


def _request_id(asked: Asked) -> str:
    return asked.headers.get("x-rh-insights-request-id") or "sink/random-000001"
