"""Wire `migas`: crumbs for a migas server, in its REST and its GraphQL dialect (migas.md).

One record is one crumb and one request. The server takes at most 2500 bytes and no compression, so texts are cut here,
never there. Differences from the original clients, each one a defect of theirs (migas.md section 7): no value is ever
pasted into a GraphQL document, a request target always begins with "/", texts are texts, ids are UUIDs, long errors
are shortened instead of lost, and every answer counts.

    START   R                       `proc.status_desc` is the caller's message, else for a run of the whole project
    END     C, F, S (S if killed)   Started, Completed, Errored, Suspended or Killed, else the registered name
    EVENT   R, or as its outcome
    COUNT   left out: migas has no word for uses without detail

An extra field ``migas.<field>`` replaces a field of the crumb, None there removes it, and a name in `Usage.drop`
removes it whatever else says. Three more of them are about the crumb as a whole: ``migas.wait`` true asks a REST server
to store this one before it answers, ``migas.in_order`` true sends it after all earlier ones of its process that say so,
and with ``migas.start`` false the server is told of a run's end only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal, cast

import msgspec

from footfall.errors import ConfigurationError
from footfall.usage import Kind, Usage
from footfall.wire import migas_answers as answers
from footfall.wire import migas_fields as fields
from footfall.wire.base import Request, Response, Verdict, key_of
from footfall.wire.migas_answers import Dialect
from footfall.wire.text import ELLIPSIS, json_object

MAX_BODY_BYTES: Final = 2500
"""2500 passes and 2501 does not (vectors 149 and 150)."""

CONTENT_TYPE: Final = "application/json; charset=utf-8"

DOCUMENT: Final = (
    "mutation($p:String!,$v:String!,$l:String!,$w:String!,$c:ContextInput!,$q:ProcessInput!)"
    "{add_breadcrumb(project:$p,project_version:$v,language:$l,language_version:$w,ctx:$c,proc:$q){success,message}}"
)
"""The same for every crumb: values travel as variables only (reliability.md S7)."""

# What the GraphQL schema demands gets what the REST server fills in by itself.
_REQUIRED_BY_GRAPHQL: Final[Mapping[str, str]] = {"language": "python", "language_version": "0.0.0"}

_VARIABLES: Final[Mapping[str, str]] = {
    "p": "project",
    "v": "project_version",
    "l": "language",
    "w": "language_version",
    "c": "ctx",
    "q": "proc",
}

_WAITING: Final = "/api/breadcrumb?wait=true"
_CONTEXT: Final = ("user_id", "session_id", "user_type", "platform", "container", "is_ci")
_PROCESS: Final = ("status", "status_desc", "error_type", "error_desc")
_CUT_FIRST_TO_LAST: Final = ("error_desc", "status_desc", "error_type")


class MigasWire:
    """Crumbs for one migas server.

    Args:
        dialect: ``rest`` (``/api/breadcrumb``) or ``graphql`` (``/graphql``), which older servers speak.
        wait: REST only: ask the server to store before it answers. Without it a crumb that the database refuses is
            lost in silence after a 202; with it each request takes longer.

    Raises:
        ConfigurationError: An option has a value that is not offered.
    """

    name: str = "migas"
    in_doubt: Literal["retry", "drop"] = "retry"
    batch_records: int = 256
    tells_starts: bool = True

    def __init__(self, *, dialect: Dialect = "rest", wait: bool = False) -> None:
        if dialect not in ("rest", "graphql"):
            msg = f"migas: dialect {dialect!r} is not offered; say 'rest' or 'graphql'"
            raise ConfigurationError(msg)
        # Options come from files, too, so their types are not to be trusted.
        if cast("object", wait) not in (True, False):
            msg = f"migas: wait {wait!r} must be true or false"
            raise ConfigurationError(msg)
        self.dialect: Dialect = dialect
        self.path = "/graphql" if dialect == "graphql" else _WAITING if wait else "/api/breadcrumb"
        self._may_wait = dialect == "rest"

    def base_url(self, endpoint: str) -> str:
        """Return *endpoint* without final slashes and without one final ``/graphql``, as in old settings."""
        return endpoint.rstrip("/").removesuffix("/graphql").rstrip("/")

    def translate(self, batch: Sequence[Usage]) -> list[Request]:
        """Return one request a record; COUNT records and projects that no server can know are left out."""
        requests: list[Request] = []
        # A crumb has neither time nor ids, so the uses of one function in one process mostly have one body. Making it
        # once a batch takes a record from 15 us to 2.
        bodies: dict[tuple[object, ...], bytes | None] = {}
        for usage in batch:
            content = _content_of(usage)
            if content not in bodies:
                crumb = crumb_of(usage)
                bodies[content] = None if crumb is None else fit(crumb, self.dialect)
            body = bodies[content]
            if body is not None:
                path = _WAITING if self._may_wait and usage.extra.get("migas.wait") is True else self.path
                key = key_of("migas", usage.trace_id, usage.span_id, usage.kind.value)  # the same in either dialect
                requests.append(self._request(body, path=path, key=key, order_key=_order_key(usage)))
        return requests

    def judge(self, response: Response) -> Verdict:
        """Say what *response* means; `migas_answers` has the tables."""
        return answers.judge(response, self.dialect)

    def split(self, request: Request) -> list[Request]:
        """Return the same crumb with its free texts cut to half, or an empty list when there are none left.

        `translate` keeps to the limit of the server as published; this is for one with a lower limit, or for something
        in between that has its own.
        """
        crumb = _crumb_in(request.body)
        given = crumb.get("proc")
        process = dict(cast("dict[str, Any]", given)) if isinstance(given, dict) else {}
        texts = {key: text for key in _CUT_FIRST_TO_LAST if isinstance(text := process.get(key), str) and text}
        if not texts:
            return []
        for key, text in texts.items():
            bare = text.removesuffix(ELLIPSIS)
            half = bare[: len(bare) // 2]
            # The ellipsis has three bytes; in place of fewer it would make the body longer.
            process[key] = half + ELLIPSIS if half and len(bare) - len(half) > 3 else half
            if not half:
                del process[key]
        crumb = {**crumb, "proc": process}
        key = key_of(f"{request.idempotency_key}:half")
        return [self._request(fit(crumb, self.dialect), path=request.path, key=key, order_key=request.order_key)]

    def _request(self, body: bytes, *, path: str, key: str, order_key: str) -> Request:
        return Request(
            path=path,
            body=body,
            content_type=CONTENT_TYPE,
            idempotency_key=key,
            order_key=order_key,
        )


def crumb_of(usage: Usage) -> dict[str, Any] | None:
    """Return the crumb for *usage* in the server's field names and order, or None where migas has no word for it.

    `migas_fields` makes each value acceptable; what is absent or cannot be made so is left out.
    """
    project = fields.project(usage.project)
    if project is None or usage.kind is Kind.COUNT:
        return None
    if usage.kind is Kind.START and usage.extra.get("migas.start") is False:
        return None
    values = fields.derived(usage)
    values.update((key, value) for key, value in usage.of_wire("migas").items() if key in values)
    for name in usage.drop:
        values[name.removeprefix("migas.")] = None
    accepted: dict[str, str | bool] = {}
    for name, accept in fields.ACCEPT.items():
        value = values[name]
        taken = None if value is None else accept(value)
        if taken is not None:
            accepted[name] = taken
    if values["user_id"] is not None:
        user = fields.user_id(values["user_id"], installation_id=usage.installation_id)
        if user is not None:
            accepted["user_id"] = user
    version = fields.version(usage.project_version) or fields.UNKNOWN_VERSION
    crumb: dict[str, Any] = {"project": project, "project_version": version}
    crumb.update((name, accepted[name]) for name in ("language", "language_version") if name in accepted)
    for part, names in (("ctx", _CONTEXT), ("proc", _PROCESS)):
        content = {name: accepted[name] for name in names if name in accepted}
        if content:
            crumb[part] = content
    return crumb


def _content_of(usage: Usage) -> tuple[object, ...]:
    """Return everything that `crumb_of` looks at; mappings by identity, which holds while the batch does."""
    return (
        usage.project,
        usage.project_version,
        usage.name,
        usage.kind,
        usage.outcome,
        usage.error_type,
        usage.message,
        usage.drop,
        usage.session_id,
        usage.installation_id,
        id(usage.resource),
        id(usage.extra),
    )


def fit(crumb: Mapping[str, Any], dialect: Dialect) -> bytes:
    """Return the body for *crumb*, at most `MAX_BODY_BYTES`.

    Texts give way one after the other, the description of the error first; each is cut between characters, or removed
    when not one character fits. Without its texts the largest crumb has about 2000 bytes.
    """
    body = _encode(crumb, dialect)
    process: dict[str, Any] = dict(crumb.get("proc") or {})
    for name in _CUT_FIRST_TO_LAST:
        excess = len(body) - MAX_BODY_BYTES
        if excess <= 0:
            break
        text = process.pop(name, None)
        if not isinstance(text, str):
            continue
        shorter = _shorten(text, excess)
        if shorter:
            process[name] = shorter
        body = _encode({**crumb, "proc": {key: process[key] for key in _PROCESS if key in process}}, dialect)
    return body


def _shorten(text: str, excess_bytes: int) -> str:
    """Return the longest beginning of *text* with an ellipsis that takes *excess_bytes* less as JSON, or ""."""
    room = len(msgspec.json.encode(text)) - 2 - excess_bytes - len(ELLIPSIS.encode())
    end = 0
    for character in text:
        room -= len(msgspec.json.encode(character)) - 2
        if room < 0:
            break
        end += 1
    return text[:end] + ELLIPSIS if end else ""


def _encode(crumb: Mapping[str, Any], dialect: Dialect) -> bytes:
    # Raw UTF-8: the server takes it as well as \u escapes, and it is half as long and less (migas.md section 2.1).
    if dialect == "rest":
        return msgspec.json.encode({key: value for key, value in crumb.items() if value})
    complete: dict[str, Any] = {"ctx": {}, "proc": {}, **_REQUIRED_BY_GRAPHQL, **crumb}
    variables = {letter: complete[name] for letter, name in _VARIABLES.items()}
    return msgspec.json.encode({"query": DOCUMENT, "variables": variables})


def _crumb_in(body: bytes) -> dict[str, Any]:
    """Return the crumb in a *body* of ours."""
    crumb = json_object(body) or {}
    variables = crumb.get("variables")
    if isinstance(variables, dict):
        given = cast("dict[str, Any]", variables)
        return {name: given.get(letter) for letter, name in _VARIABLES.items()}
    return crumb


def _order_key(usage: Usage) -> str:
    """The ids that START and END of one use share, so that its R is never stored after its end.

    The server knows arrival times only, and its dashboard takes the last crumb of a session as its status. Whether an
    END had a START cannot be seen from the END, so each END has the key; alone under it, it waits for nobody.
    """
    if usage.extra.get("migas.in_order") is True and usage.session_id:
        return usage.session_id
    return usage.trace_id + usage.span_id if usage.kind in {Kind.START, Kind.END} else ""
