"""How a migas server answers: the REST breadcrumb, and the state that both dialects share.

Observed on migas-server 0.9.0 with a database behind it; the recorded vectors are the specification, and
``tests/testing/test_sink_vectors.py`` holds this module to them. Answers are the server's own, byte for byte where the
server is deterministic.
"""

from __future__ import annotations

import json
import re
import threading
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from footfall.testing.sink import queries
from footfall.testing.sink.exchange import Answer, Asked, as_object, json_answer, text_answer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

MAX_BODY_BYTES: Final = 2500
"""2500 passes and 2501 does not."""

REST_PATH: Final = "/api/breadcrumb"
GRAPHQL_PATH: Final = "/graphql"
TOO_MANY: Final = "Too many requests, wait a minute."
BACKEND: Final = (
    ("x-backend-server", "migas@0.9"),
    ("x-backend-geolocation", "false"),
    ("x-backend-mode", "production"),
)

_TRUE: Final = frozenset({"1", "on", "t", "true", "y", "yes"})
_FALSE: Final = frozenset({"0", "off", "f", "false", "n", "no"})
_UUID: Final = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}|[0-9a-fA-F]{32}")
_MAX_CHARACTERS: Final = {"project": 140, "language": 32}
_USER_TYPES: Final = ("general", "dev", "ci")
_CONTAINERS: Final = ("unknown", "docker", "apptainer")
# The server's enumeration has aliases, and its message lists the value once for each name.
_STATUSES: Final = ("R", "R", "C", "C", "F", "F", "S", "S", "R", "C", "F")


@dataclass
class Project:
    """What the server knows of a registered project.

    Attributes:
        latest: Version that `check_project` names: None is the one it was asked about, "" makes it answer as when the
            list of releases cannot be reached.
        flagged: Versions that their developers flagged.
    """

    latest: str | None = None
    flagged: frozenset[str] = frozenset()
    message: str = ""
    crumbs: list[tuple[float, str | None]] = field(default_factory=list[tuple[float, "str | None"]])
    """Arrival (UTC seconds) and user id of each stored crumb."""


class State:
    """Projects and users of one server.

    Args:
        registered: Names ``owner/name``; empty registers every name that holds a slash.
    """

    def __init__(self, registered: Iterable[str] = ()) -> None:
        self._projects = {name: Project() for name in registered}
        self._open = not self._projects
        self._users: set[str] = set()
        self._lock = threading.Lock()

    def project(self, name: str) -> Project | None:
        """Return the project called *name*, or None when it is not registered."""
        with self._lock:
            if name not in self._projects and self._open and "/" in name:
                self._projects[name] = Project()
            return self._projects.get(name)

    def put_project(self, name: str, *, latest: str | None, flagged: Iterable[str], message: str) -> None:
        """Register *name*, and set what `check_project` says of it."""
        with self._lock:
            known = self._projects.setdefault(name, Project())
            self._projects[name] = replace(known, latest=latest, flagged=frozenset(flagged), message=message)

    def why_lost(self, crumb: dict[str, Any]) -> str:
        """Return why the database refuses *crumb*, or "": the server notices too late to tell, unless asked to wait."""
        context, process = as_object(crumb.get("ctx")), as_object(crumb.get("proc"))
        for name in ("user_id", "session_id"):
            if context.get(name) is not None and not _UUID.fullmatch(context[name]):
                return f"{name} is no UUID"
        for name, most in _MAX_CHARACTERS.items():
            if len(crumb.get(name) or "") > most:
                return f"{name} is longer than {most} characters"
        user = context.get("user_id")
        if user and len(context.get("platform") or "") > 64 and self._normal(user) not in self._users:
            return "platform is longer than 64 characters"
        texts = [value for part in (crumb, context, process) for value in part.values() if isinstance(value, str)]
        if any(re.search("[\x00\ud800-\udfff]", text) for text in texts):
            return "a text holds U+0000 or a lone surrogate"
        return ""

    def keep(self, crumbs: Iterable[dict[str, Any]]) -> None:
        """Store *crumbs*, leaving out those marked ``refused`` or ``lost``."""
        for crumb in crumbs:
            project = self.project(crumb["project"])
            if project is None or "lost" in crumb or "refused" in crumb:
                continue
            user = as_object(crumb.get("ctx")).get("user_id")
            with self._lock:
                project.crumbs.append((time.time(), self._normal(user) if user else None))
                if user:
                    self._users.add(self._normal(user))

    @staticmethod
    def _normal(user_id: str) -> str:
        return user_id.replace("-", "").lower()


def answer(asked: Asked, state: State) -> Answer:
    """Answer a request to either path, with or without a final slash; `Answer.records` are the crumbs it carried."""
    if asked.path.endswith("/"):
        location = f"http://{asked.headers.get('host', 'localhost')}{asked.path.rstrip('/')}"
        return Answer(307, (("location", location), *BACKEND))
    if asked.method != "POST":
        return json_answer(405, {"detail": "Method Not Allowed"}, ("allow", "POST"), *BACKEND)
    return rest(asked, state) if asked.path == REST_PATH else graphql(asked, state)


def not_found() -> Answer:
    """Answer a path that the server does not have."""
    return json_answer(404, {"detail": "Not Found"}, *BACKEND)


def too_many(asked: Asked, *headers: tuple[str, str]) -> Answer:
    """Answer beyond the rate limit; the real server sends no ``Retry-After``, so *headers* is normally empty."""
    if asked.path.startswith(GRAPHQL_PATH):
        return json_answer(429, {"data": None, "errors": [{"message": TOO_MANY}]}, *headers, *BACKEND)
    return json_answer(429, {"detail": TOO_MANY}, *headers, *BACKEND)


def graphql(asked: Asked, state: State) -> Answer:
    """Answer a ``POST`` to `GRAPHQL_PATH`. Nearly everything is a 200; the body decides."""
    try:
        given = json.loads(asked.body)
    except ValueError:
        return text_answer(400, "Unable to parse request body as JSON", *BACKEND)
    if isinstance(given, list):
        return text_answer(400, "Batching is not enabled", *BACKEND)
    document = as_object(given).get("query")
    if not isinstance(document, str):
        return text_answer(400, "No GraphQL query found in the request", *BACKEND)
    if len(asked.body) > MAX_BODY_BYTES:
        message = f"Request body ({len(asked.body)}) exceeds maximum size ({MAX_BODY_BYTES})"
        return json_answer(413, {"data": None, "errors": [{"message": message}]}, *BACKEND)
    ran = queries.run(document, as_object(as_object(given).get("variables")), state)
    taken = not ran.records or any("refused" not in record for record in ran.records)
    found = json_answer(200, ran.body, *BACKEND, accepted="errors" not in ran.body and taken)
    return replace(found, records=ran.records)


def rest(asked: Asked, state: State) -> Answer:
    """Answer a ``POST`` to `REST_PATH`."""
    try:
        given = _rest_body(asked)
    except UnicodeDecodeError:
        return _detail(400, "There was an error parsing the body")
    except json.JSONDecodeError as error:
        trouble: dict[str, Any] = {"type": "json_invalid", "loc": ["body", error.pos], "msg": "JSON decode error"}
        return _detail(422, [trouble | {"input": {}, "ctx": {"error": error.msg}}])
    if len(asked.body) > MAX_BODY_BYTES:
        return _detail(413, f"Request body ({len(asked.body)}) exceeds maximum size ({MAX_BODY_BYTES})")
    wait = asked.query.get("wait", "false").lower()
    troubles = [] if wait in _TRUE | _FALSE else [_bool_trouble(["query", "wait"], wait)]
    troubles += _crumb_troubles(given)
    if troubles:
        return _detail(422, troubles)
    return _rest_crumb(given, state, wait=wait in _TRUE)


def _rest_crumb(given: dict[str, Any], state: State, *, wait: bool) -> Answer:
    crumb = {"type": "crumb", **given}
    if "/" not in given["project"]:
        answer = _detail(400, "Invalid project format (expected owner/repo).")
    elif state.project(given["project"]) is None:
        answer = _detail(400, "Project is not registered.")
    else:
        lost = state.why_lost(given)
        if lost:
            crumb["lost"] = lost
        if lost and wait:
            answer = json_answer(500, {"success": False, "message": "Error during ingestion."}, *BACKEND)
        else:
            body = {"success": True, "message": ""}
            answer = json_answer(200 if wait else 202, body, *BACKEND, accepted=True)
    return replace(answer, records=[crumb])


def _rest_body(asked: Asked) -> Any:
    """Return the decoded body; text where the content type is not JSON, None where there is no body."""
    if not asked.body:
        return None
    text = asked.body.decode()
    kind = asked.content_type
    return json.loads(text) if not kind or re.fullmatch(r"application/(?:.+\+)?json", kind) else text


def _detail(status: int, detail: object) -> Answer:
    return json_answer(status, {"detail": detail}, *BACKEND)


def _crumb_troubles(given: Any) -> list[dict[str, Any]]:
    if given is None:
        return [{"type": "missing", "loc": ["body"], "msg": "Field required", "input": None}]
    fields: dict[str, _Check] = {
        "project": _text,
        "project_version": _text,
        "language": _text,
        "language_version": _text,
        "ctx": _context,
        "proc": _process,
    }
    return _model(given, ["body"], fields, required=("project", "project_version"))


def _context(value: Any, loc: list[Any]) -> list[dict[str, Any]]:
    fields: dict[str, _Check] = {
        "user_id": _text_or_null,
        "session_id": _text_or_null,
        "user_type": lambda given, place: _choice(given, place, _USER_TYPES),
        "platform": _text,
        "container": lambda given, place: _choice(given, place, _CONTAINERS),
        "is_ci": _bool,
    }
    return _model(value, loc, fields)


def _process(value: Any, loc: list[Any]) -> list[dict[str, Any]]:
    fields: dict[str, _Check] = dict.fromkeys(("status_desc", "error_type", "error_desc"), _text_or_null)
    fields["status"] = lambda given, place: _choice(given, place, _STATUSES)
    return _model(value, loc, fields)


def _model(
    value: Any, loc: list[Any], fields: dict[str, _Check], *, required: tuple[str, ...] = ()
) -> list[dict[str, Any]]:
    if not isinstance(value, dict):
        msg = "Input should be a valid dictionary or object to extract fields from"
        return [{"type": "model_attributes_type", "loc": loc, "msg": msg, "input": value}]
    troubles: list[dict[str, Any]] = []
    for name, check in fields.items():
        if name in value:
            troubles += check(value[name], [*loc, name])
        elif name in required:
            troubles.append({"type": "missing", "loc": [*loc, name], "msg": "Field required", "input": value})
    return troubles


def _text(value: Any, loc: list[Any]) -> list[dict[str, Any]]:
    if isinstance(value, str):
        return []
    return [{"type": "string_type", "loc": loc, "msg": "Input should be a valid string", "input": value}]


def _text_or_null(value: Any, loc: list[Any]) -> list[dict[str, Any]]:
    return [] if value is None else _text(value, loc)


def _choice(value: Any, loc: list[Any], choices: tuple[str, ...]) -> list[dict[str, Any]]:
    if value in choices:
        return []
    quoted = [f"'{choice}'" for choice in choices]
    expected = f"{', '.join(quoted[:-1])} or {quoted[-1]}"
    trouble = {"type": "enum", "loc": loc, "msg": f"Input should be {expected}", "input": value}
    return [trouble | {"ctx": {"expected": expected}}]


def _bool(value: Any, loc: list[Any]) -> list[dict[str, Any]]:
    if isinstance(value, bool) or value in (0, 1) or (isinstance(value, str) and value.lower() in _TRUE | _FALSE):
        return []
    return [_bool_trouble(loc, value)]


def _bool_trouble(loc: list[Any], value: Any) -> dict[str, Any]:
    if isinstance(value, str | int | float):
        msg = "Input should be a valid boolean, unable to interpret input"
        return {"type": "bool_parsing", "loc": loc, "msg": msg, "input": value}
    return {"type": "bool_type", "loc": loc, "msg": "Input should be a valid boolean", "input": value}


if TYPE_CHECKING:
    _Check = Callable[[Any, list[Any]], list[dict[str, Any]]]
