"""Wire `insights`: uses as CSV tables in a tarball, uploaded like the packages of insights-analytics-collector.

    POST <base>/upload    multipart/form-data with one part, ``file`` (insights.md sections 9 and 13)

A table for each function, run or event; a row for each END and EVENT, and for each COUNT, whose number stands in column
``footfall.count``. STARTs are left out: the END tells of the same use. Extra fields replace what is derived:

    insights.key              of the table; letters, digits, ``_`` and ``-``
    insights.version          of the table in the manifest; else ``1.0``
    insights.shipping_group   uses of different groups are never in one tarball
    insights.<any other>      a column, like fields for all wires and captured arguments

**Runs.** A server of this kind makes an object and a message of each upload, so it wants one for many uses. What
`translate` returns is whole, small, and *held*: it lies in the outbox under its own key from the moment that its
journal lines are behind the offset, and is not sent for `run_seconds`. When the oldest has waited so long (timer), when
what is held reaches `run_bytes` (size), or when somebody drains or the process ends, `join` makes one package of all
of them, and the outbox puts it in their place in one transaction (`footfall.export.runs`). So nothing new has to
survive a kill: a record is in a journal, in a small package, or in a large one, never in two and never in memory
alone; keys are made of keys; the books carry over the same records; and if nobody ever joins, the small ones are sent
as they are.

``since`` and ``until`` are the first and last moment of a run's own records, for a wire knows no run before.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any, BinaryIO, Final, Literal, cast, get_args
from urllib.parse import urlsplit

import msgspec

from footfall import attributes
from footfall.errors import ConfigurationError
from footfall.usage import Kind, Outcome, Usage
from footfall.wire import insights_answers as answers
from footfall.wire import insights_package as packages
from footfall.wire.base import Attachment, Request, Response, Verdict, key_of
from footfall.wire.insights_parts import Make, split_tarball
from footfall.wire.text import as_text, clean

Auth = Literal["headers", "user-pass", "identity", "mutual-tls", "s3"]
"""What the credentials are; see `footfall.wire.destinations.Insights`."""

CONTENT_TYPE: Final = "application/vnd.redhat.footfall.spans+tgz"
REQUEST_ID: Final = "x-rh-insights-request-id"
DEFAULT_PREFIX: Final = "/api/ingress/v1"
RUN_SECONDS: Final = 300.0
RUN_BYTES: Final = 256 * 1024
"""Packed: some 3 500 uses, which take a few MiB while they are joined."""

MAX_RUN_SECONDS: Final = 86400.0
MAX_KEY_CHARACTERS: Final = 64

CONFIG_FIELDS: Final = (
    *(attributes.SERVICE_NAME, attributes.SERVICE_VERSION),
    *(attributes.TELEMETRY_DISTRO_NAME, attributes.TELEMETRY_DISTRO_VERSION),
    *(attributes.PROCESS_RUNTIME_NAME, attributes.PROCESS_RUNTIME_VERSION),
    *(attributes.OS_TYPE, attributes.OS_VERSION, attributes.HOST_ARCH),
)
"""Of the resource; ``install_uuid`` and ``footfall.project`` follow."""

_CONTENT_TYPE: Final = re.compile(r"application/vnd\.redhat\.[a-z0-9-]+\.[a-z0-9-]+(?:\+[a-z0-9]+)?|application/gzip")
_ANY_CONTENT_TYPE: Final = re.compile(r"[!-~]+(?: ?; ?[!-~]+)*")
_FILE_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,199}")
_NAMED: Final = re.compile(rb'filename="(?P<name>[^"]*)"\r\nContent-Type: (?P<type>[^\r]*)\r\n')
_CONTROL: Final = frozenset(("key", "version", "shipping_group"))
_RESERVED: Final = frozenset(("config", "manifest", "data_collection_status"))
_VERSION: Final = re.compile(r"[0-9A-Za-z][0-9A-Za-z.+_-]{0,63}")


class InsightsWire:
    """Uploads for one insights server.

    Args:
        content_type: Of the uploaded file; names service and category: ``application/vnd.redhat.<service>.<category>``.
        path: What the endpoint ends in, and is posted to.
        run_seconds: How long uses wait for more of them; 0 uploads what each look at the journals finds.
        run_bytes: Size of a package that is not waited for.
        auth: What the credentials are.
        certificate: Path of a client certificate (PEM), also beside other credentials.
        private_key: Path of its key, where that is not in the same file.
        ca_file: Path of further certificates to trust for this server (PEM).
        region: For ``s3``.

    Raises:
        ConfigurationError: An option has a value that is not offered.
    """

    name: str = "insights"
    in_doubt: Literal["retry", "drop"] = "retry"
    batch_records: int = 512
    tells_starts: bool = False

    def __init__(
        self,
        *,
        content_type: str = CONTENT_TYPE,
        path: str = "/upload",
        run_seconds: float = RUN_SECONDS,
        run_bytes: int = RUN_BYTES,
        auth: Auth = "headers",
        certificate: str = "",
        private_key: str = "",
        ca_file: str = "",
        region: str = "us-east-1",
    ) -> None:
        if not isinstance(cast("object", content_type), str) or not _CONTENT_TYPE.fullmatch(content_type):
            msg = f"insights: content_type {content_type!r} must be application/vnd.redhat.<service>.<category>+tgz"
            raise ConfigurationError(msg)
        if not isinstance(cast("object", path), str) or not re.fullmatch(r"/[!-~]+", path) or {"?", "#"} & set(path):
            msg = f"insights: path {path!r} must be the last part of a URL, such as '/upload'"
            raise ConfigurationError(msg)
        if auth not in get_args(Auth):
            msg = f"insights: auth {auth!r} is not offered; say {', '.join(map(repr, get_args(Auth)))}"
            raise ConfigurationError(msg)
        if auth == "mutual-tls" and not certificate:
            msg = "insights: auth 'mutual-tls' needs certificate='/path/to/cert.pem'"
            raise ConfigurationError(msg)
        self.content_type = content_type
        self.path = path
        self.run_seconds = _number("run_seconds", run_seconds, 0, MAX_RUN_SECONDS)
        self.run_bytes = int(_number("run_bytes", run_bytes, 1024, 64 * 2**20))
        self.auth: Auth = auth
        self.certificate = certificate
        self.private_key = private_key or certificate
        self.ca_file = ca_file
        self.region = region

    def base_url(self, endpoint: str) -> str:
        """Return *endpoint* without final slashes and its `path`; a bare host gets the path of the public service.

        For ``s3`` it is bucket and prefix, of which nothing is taken away.
        """
        base = endpoint.rstrip("/")
        if self.auth == "s3":
            return base
        if base.endswith(self.path):
            return base.removesuffix(self.path).rstrip("/")
        return base if urlsplit(base).path else base + DEFAULT_PREFIX

    def translate(self, batch: Sequence[Usage]) -> list[Request]:
        """Return a held package for each shipping group and each place where uses happened.

        Left out is a use from a time that no calendar has.
        """
        groups: dict[tuple[bytes, str], list[Usage]] = {}
        for usage in batch:
            if usage.kind is not Kind.START and 0 <= usage.time_ns <= usage.end_ns < 2**63:
                group = as_text(usage.of_wire("insights").get("shipping_group") or "default")
                groups.setdefault((_config(usage), group), []).append(usage)
        found: list[Request] = []
        for (config, group), usages in groups.items():
            joins = key_of("insights joins", config.decode(), group)
            found += self._requests(config, usages, joins)
        return found

    def join(self, requests: Sequence[Request]) -> list[Request]:
        """Return one request with the rows of all *requests*.

        Raises:
            ValueError: One of them is none of ours.
        """
        # In the order of their keys, so that the order in which they were found makes no difference.
        ordered = sorted(requests, key=lambda request: request.idempotency_key)
        package = packages.joined([packages.unpack(self._tarball(request)) for request in ordered])
        key = key_of("insights run", *(request.idempotency_key for request in ordered))
        return [self._request(package, key)]

    def judge(self, response: Response) -> Verdict:
        """Say what *response* means; `insights_answers` has the table."""
        return answers.judge_object(response) if self.auth == "s3" else answers.judge(response)

    def split(self, request: Request) -> list[Request]:
        """Return two requests with half of the rows each, or an empty list for a single row."""
        try:
            package = packages.unpack(self._tarball(request))
        except ValueError:
            return []
        if package.rows < 2:
            return []
        return [
            self._request(half, key_of(f"{request.idempotency_key}:{number}"))
            for number, half in enumerate(packages.halves(package))
        ]

    def split_file(self, request: Request, source: BinaryIO, make: Make) -> list[Request]:
        """Return two requests with half of the tarball in *source* each, or an empty list; see `insights_parts`."""
        attached = request.attachment
        try:
            number = split_tarball(source, make) if attached is not None else 0
        except ValueError:
            number = 0
        found = _NAMED.search(request.body)
        name = found["name"].decode() if found else f"{attached.name if attached else ''}"
        content_type = found["type"].decode() if found else request.content_type
        stem = re.sub(r"(-\d+)?\.tar\.gz$", "", name)
        parts: list[Request] = []
        for part in range(number):
            key = key_of(f"{request.idempotency_key}:{part}")
            parts.append(self.request_for(f"{stem}-{int(key[:8], 16)}.tar.gz", content_type, key))
        return parts

    def request_for(self, name: str, content_type: str, key: str) -> Request:
        """Return the request that uploads file *name*, its bytes still to be attached.

        Raises:
            ConfigurationError: The name or the content type cannot be written into it.
        """
        if not _FILE_NAME.fullmatch(name) or not _ANY_CONTENT_TYPE.fullmatch(content_type):
            msg = f"insights: file name {name!r:.80} or content type {content_type!r:.80} holds what no header may hold"
            raise ConfigurationError(msg)
        method, path, sent_type, head, tail = self.around(name, content_type, key)
        return Request(
            method=method,
            path=path,
            body=head + tail,
            content_type=sent_type,
            headers=headers(key),
            idempotency_key=key,
            attachment=Attachment(name="", size=0, crc32=0, at=len(head), parcel=key),
        )

    def _requests(self, config: bytes, usages: Sequence[Usage], joins: str) -> list[Request]:
        package = packages.Package(config, _tables(usages))
        ids = sorted(f"{usage.trace_id} {usage.span_id} {usage.kind.value}" for usage in usages)
        request = self._request(package, key_of("insights", *ids), hold_seconds=self.run_seconds, joins=joins)
        if len(request.body) > self.run_bytes and len(usages) > 1:
            half = len(usages) // 2
            return self._requests(config, usages[:half], joins) + self._requests(config, usages[half:], joins)
        return [request]

    def _request(self, package: packages.Package, key: str, *, hold_seconds: float = 0.0, joins: str = "") -> Request:
        name, tarball = packages.pack(package, key)
        method, path, content_type, head, tail = self.around(name, self.content_type, key)
        return Request(
            method=method,
            path=path,
            body=head + tarball + tail,
            content_type=content_type,
            headers=headers(key),
            idempotency_key=key,
            records=package.rows,
            hold_seconds=hold_seconds,
            joins=joins if hold_seconds else "",
        )

    def around(self, name: str, content_type: str, key: str) -> tuple[str, str, str, bytes, bytes]:
        """Return how file *name* is sent: method, path, content type, and what stands before and behind it.

        An object store gets the file itself under a name of its own, everybody else a multipart body.
        """
        if self.auth == "s3":
            return "PUT", f"/{key}-{name.replace('+', '')}", content_type, b"", b""
        head, tail = packages.multipart(name, content_type, boundary=key)
        return "POST", self.path, f"multipart/form-data; boundary={key}", head, tail

    def _tarball(self, request: Request) -> bytes:
        return request.body if self.auth == "s3" else packages.in_multipart(request.body)


def headers(key: str) -> tuple[tuple[str, str], ...]:
    """Return the header that makes a repeated upload overwrite itself: *key* as a UUID."""
    return ((REQUEST_ID, f"{key[:8]}-{key[8:12]}-{key[12:16]}-{key[16:20]}-{key[20:]}"),)


def _number(option: str, given: object, low: float, high: float) -> float:
    # Options come from files, too, so their types are not to be trusted.
    if isinstance(given, bool) or not isinstance(given, (int, float)) or not low <= given <= high:
        msg = f"insights: {option} {given!r} must be a number from {low} to {high:.0f}"
        raise ConfigurationError(msg)
    return float(given)


def _config(usage: Usage) -> bytes:
    values: dict[str, Any] = {name: usage.resource.get(name) for name in CONFIG_FIELDS}
    values[attributes.SERVICE_NAME] = usage.project.rpartition("/")[2]
    values[attributes.SERVICE_VERSION] = usage.project_version or None
    values["install_uuid"] = usage.installation_id or None
    values[attributes.PROJECT] = usage.project
    for name in usage.drop:
        values.pop(name.removeprefix("insights."), None)
    said = {name: as_text(value) for name, value in values.items() if value is not None}
    return msgspec.json.encode(said)


def _tables(usages: Iterable[Usage]) -> dict[str, packages.Table]:
    rows: dict[str, list[dict[str, str]]] = {}
    versions: dict[str, str] = {}
    for usage in usages:
        own = usage.of_wire("insights")
        key = table_key(own.get("key"), usage.name)
        version = as_text(own.get("version") or "")
        versions[key] = version if _VERSION.fullmatch(version) else packages.OWN_VERSION
        rows.setdefault(key, []).append(_row(usage))
    return {key: packages.table(versions[key], rows[key]) for key in sorted(rows)}


def table_key(wish: object, name: str) -> str:
    """Return the key of a table: *wish*, else *name*, as a file may be called."""
    text = wish if isinstance(wish, str) and wish else name
    key = re.sub(r"[^A-Za-z0-9_-]", "_", text.replace(":", "."), flags=re.ASCII).lstrip("_-") or "uses"
    if len(key) > MAX_KEY_CHARACTERS:
        key = f"{key[: MAX_KEY_CHARACTERS - 9]}_{key_of(key)[:8]}"
    return f"{key}_uses" if key in _RESERVED else key


def _row(usage: Usage) -> dict[str, str]:
    where = usage.resource
    values: dict[str, Any] = {
        "start": packages.moment(usage.time_ns),
        "end": packages.moment(usage.end_ns),
        "name": usage.name.replace(":", ".", 1),
        "status": "" if usage.outcome is None else "ok" if usage.outcome is Outcome.OK else "error",
        "error_type": usage.error_type or ("ProcessKilled" if usage.outcome is Outcome.KILLED else ""),
        "session_id": usage.session_id,
        "user": where.get("user.hash") or where.get("user.id") or "",
        "trace_id": usage.trace_id,
        "span_id": usage.span_id,
        "parent_span_id": usage.parent_span_id,
        **_attributes(usage),
    }
    dropped = {name.removeprefix("insights.") for name in usage.drop}
    kept = {name: value for name, value in values.items() if name not in dropped or name in {"start", "end"}}
    return {clean(name): _cell(value) for name, value in kept.items() if value is not None}


def _attributes(usage: Usage) -> dict[str, Any]:
    """Return the columns of what a project lets be told of a use, and of what has no other place."""
    outcome = usage.outcome
    values: dict[str, Any] = {
        attributes.SERVICE: usage.service or None,
        attributes.KIND: None if usage.kind is Kind.END else usage.kind.value,
        attributes.OUTCOME: outcome.value if outcome and outcome not in {Outcome.OK, Outcome.ERROR} else None,
        attributes.COUNT: usage.count if usage.count != 1 or usage.kind is Kind.COUNT else None,
        attributes.ITEMS: usage.items if usage.items >= 0 else None,
        "message": usage.message or None,
    }
    values.update((attributes.ARGUMENT_PREFIX + name, value) for name, value in usage.arguments.items())
    own = usage.of_wire("insights")
    told = {
        name: value for name, value in usage.extra_for("insights").items() if name not in _CONTROL or name not in own
    }
    values.update((attributes.EXTRA_PREFIX + name, value) for name, value in told.items())
    dropped = {name.removeprefix("insights.") for name in usage.drop}
    prefixes = ("", attributes.ARGUMENT_PREFIX, attributes.EXTRA_PREFIX)
    gone = {prefix + name for name in dropped for prefix in prefixes}
    return {name: value for name, value in values.items() if name not in gone}


def _cell(value: Any) -> str:
    """Return *value* as a cell: only a text can be a formula."""
    text = as_text(value)
    return text if isinstance(value, (int, float)) else packages.cell(text)
