"""How a tracker backend answers, as recorded from the real one with its PostgreSQL (tracker.md sections 1 to 6).

Its faults are answered, too: 500 in plain text to a repeated job, an unknown job, step or customer, equal steps, U+0000
and lone surrogates. Nothing is kept before `State.keep`: a request that a mode refuses leaves no job behind.

There are customers 1 to `MAX_CUSTOMER`. Every key is known but those of `REFUSED_KEYS`.
"""

from __future__ import annotations

import itertools
import json
import re
import threading
from dataclasses import replace
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, Final, cast

from footfall.testing.sink.exchange import JSON, Answer, Asked, as_object, json_answer, text_answer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

KEY_HEADER: Final = "x-api_key"
REFUSED_KEYS: Final = frozenset({"expired", "unknown", "wrong"})
MAX_CUSTOMER: Final = 899

PROBE: Final = "/api-keys/protected"
CONFIGURATIONS: Final = "/job_configurations"
JOBS: Final = "/jobs"
EVENTS: Final = "/events"
PATHS: Final = {PROBE: "GET", CONFIGURATIONS: "POST", JOBS: "POST", EVENTS: "POST"}

KINDS: Final = ("step", "error", "info", "complete")
METADATA_KINDS: Final = ("text", "number", "link")

_SEMVER: Final = re.compile(
    r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(-[0-9A-Za-z-]+(\.[0-9A-Za-z-]+)*)?(\+[0-9A-Za-z-]+(\.[0-9A-Za-z-]+)*)?",
    re.ASCII,
)
_NOT_STORED: Final = re.compile("[\x00\ud800-\udfff]")
_FAILURE: Final = "Internal Server Error"

Trouble = dict[str, Any]


class State:
    """What the one provider of a sink has stored."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ids = itertools.count(1)
        self._configurations: dict[str, dict[str, Mapping[str, Any]]] = {}
        self._jobs: dict[str, Mapping[str, Any]] = {}

    def next_id(self) -> int:
        """Return the number of a new row."""
        with self._lock:
            return next(self._ids)

    def configuration(self, tag: str, version: str = "") -> Mapping[str, Any] | None:
        """Return the configuration of *tag* with *version*, or the one that was created last."""
        with self._lock:
            versions = self._configurations.get(tag, {})
            return versions.get(version) if version else next(reversed(versions.values()), None)

    def job(self, job_id: str) -> Mapping[str, Any] | None:
        """Return the configuration that the job was opened with, or None for an unknown job."""
        with self._lock:
            return self._jobs.get(job_id)

    def keep(self, records: Sequence[Mapping[str, Any]]) -> None:
        """Store what was taken."""
        for record in records:
            fields = record["fields"]
            with self._lock:
                if record["type"] == "configuration":
                    self._configurations.setdefault(fields["tag"], {}).setdefault(fields["version"], fields)
                elif record["type"] == "job":
                    versions = self._configurations[fields["tag"]]
                    self._jobs[fields["provider_job_id"]] = next(reversed(versions.values()))


def is_path(path: str) -> bool:
    """Whether *path* is the backend's, or one of the slips at it: a final slash, two slashes, or a base with a path."""
    return f"/{path.removeprefix('/tracker').strip('/')}" in PATHS


def answer(asked: Asked, state: State) -> Answer:
    """Answer a request; `Answer.records` is the configuration, job or event it carried, with its ``fields`` as sent."""
    path = asked.path.removeprefix("/tracker")
    if path.startswith("//"):
        return json_answer(404, {"detail": "Not Found"})
    if path.endswith("/"):
        return Answer(307, (("location", f"http://{asked.headers.get('host', '')}{asked.path.rstrip('/')}"),))
    if asked.method != PATHS[path]:
        return json_answer(405, {"detail": "Method Not Allowed"}, ("allow", PATHS[path]))
    key = asked.headers.get(KEY_HEADER)
    if not key or key in REFUSED_KEYS:
        why = "Unauthorized" if key else "Missing x-api_key header"
        return json_answer(403, {"detail": f"Invalid credentials. {why}"})
    if path == PROBE:
        return json_answer(200, "Authorized!", accepted=True)
    return _posted(asked, path, state)


def too_many(asked: Asked, *headers: tuple[str, str]) -> Answer:
    """Answer beyond a rate limit, of something in front: the backend itself has none."""
    del asked
    return json_answer(429, {"detail": "slow down"}, *headers)


def _posted(asked: Asked, path: str, state: State) -> Answer:
    if asked.content_type != JSON:
        return _unprocessable([_trouble("value is not a valid dict", "type_error.dict")])
    try:
        given = json.loads(asked.body)
    except (ValueError, RecursionError) as error:
        place = getattr(error, "pos", 0)
        return _unprocessable([{"loc": ["body", place], "msg": str(error), "type": "value_error.jsondecode"}])
    if not isinstance(given, dict):
        return _unprocessable([_trouble("value is not a valid dict", "type_error.dict")])
    kind, check, store = _KINDS_OF_PATH[path]
    fields = cast("dict[str, Any]", given)
    record = {"type": kind, "fields": fields}
    troubles = check(fields)
    if troubles:
        refused = _unprocessable(troubles)
        return replace(refused, records=[record | {"refused": "; ".join(str(each["msg"]) for each in troubles)}])
    if _NOT_STORED.search(json.dumps(fields, ensure_ascii=False)) or "\\u0000" in json.dumps(fields):
        return replace(text_answer(500, _FAILURE), records=[record | {"refused": "text that is not stored"}])
    found = store(fields, state)
    return replace(found, records=[record if found.accepted else record | {"refused": f"{found.status}"}])


def _configure(fields: dict[str, Any], state: State) -> Answer:
    tags = [step["tag"] for step in fields["step_configurations"]]
    known = state.configuration(fields["tag"], fields["version"])
    if known is not None and _whole(known) != _whole(fields):
        msg = "You are attempting to create a job configuration with an already existing version, please update"
        changed = sorted(name for name in known.keys() | fields.keys() if known.get(name) != fields.get(name))
        return json_answer(400, {"detail": {"msg": msg, "changes": str(changed)}})
    if len(set(tags)) < len(tags):
        return text_answer(500, _FAILURE)
    return _stored(fields, state, provider_id=4)


def _whole(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return a configuration with its defaults written out."""
    given: list[dict[str, Any]] = fields["step_configurations"]
    steps = [{**step, "metadata_configurations": list(map(_declared, _metadata_of(step)))} for step in given]
    return {**fields, "step_configurations": steps}


def _declared(given: Mapping[str, Any]) -> dict[str, Any]:
    return {"kind": "text", "units": None, **given}


def _metadata_of(step: Mapping[str, Any]) -> list[dict[str, Any]]:
    return step.get("metadata_configurations") or []


def _open(fields: dict[str, Any], state: State) -> Answer:
    configuration = state.configuration(fields["tag"])
    if configuration is None:
        return json_answer(400, {"detail": "Invalid job configuration tag"})
    job_id, customer = str(fields["provider_job_id"]), int(fields["customer_id"])
    if state.job(job_id) is not None or not 1 <= customer <= MAX_CUSTOMER:
        return text_answer(500, _FAILURE)
    provider = {"email": "provider@example.org", "first_name": "Provider", "last_name": "", "role": "provider", "id": 4}
    told: dict[str, Any] = {
        "provider_job_id": job_id,
        "customer_id": customer,
        "provider_id": 4,
        "provider": provider,
        "events": [],
    }
    return _stored(told | {"job_configuration": dict(configuration) | {"version": {}}}, state)


def _happen(fields: dict[str, Any], state: State) -> Answer:
    configuration, tag = state.job(str(fields["provider_job_id"])), fields.get("tag")
    if configuration is None:
        return text_answer(500, _FAILURE)
    step = next((step for step in configuration["step_configurations"] if step["tag"] == tag), None)
    if tag is not None and step is None:
        return text_answer(500, _FAILURE)
    values = fields.get("event_metadata")
    stored = None if values is None else {name: str(value) for name, value in values.items()}
    told = {"name": fields.get("name"), "kind": fields["kind"], "event_metadata": stored, "job_id": 5}
    return _stored(told | {"step_configuration": step}, state)


def _stored(fields: Mapping[str, Any], state: State, **more: Any) -> Answer:
    row = {"id": state.next_id(), "created_at": datetime.now(timezone.utc).isoformat(), "updated_at": None}
    return json_answer(200, {**fields, **more, **row}, accepted=True)


def _check_configuration(fields: dict[str, Any]) -> list[Trouble]:
    troubles = [*_texts(fields, "tag", "name", "version"), *_missing(fields, "step_configurations")]
    version, steps = fields.get("version"), cast("object", fields.get("step_configurations", []))
    if isinstance(version, str) and not _SEMVER.fullmatch(version):
        troubles.append(_trouble(f"{version} is not valid SemVer string", "value_error", "version"))
    if not isinstance(steps, list):
        return [*troubles, _trouble("value is not a valid list", "type_error.list", "step_configurations")]
    for number, step in enumerate(cast("list[object]", steps)):
        place = ("step_configurations", number)
        step_fields = as_object(step)
        troubles += _texts(step_fields, "tag", "name", place=place)
        if type(step_fields.get("points")) is not int:
            troubles.append(_trouble("value is not a valid integer", "type_error.integer", *place, "points"))
        for index, each in enumerate(_metadata_of(step_fields)):
            inner = (*place, "metadata_configurations", index)
            troubles += _texts(as_object(each), "name", place=inner)
            if as_object(each).get("kind", "text") not in METADATA_KINDS:
                troubles.append(_not_among(METADATA_KINDS, *inner, "kind"))
    return troubles


def _check_job(fields: dict[str, Any]) -> list[Trouble]:
    troubles = [*_texts(fields, "tag"), *_missing(fields, "customer_id", "provider_job_id")]
    customer, job_id = fields.get("customer_id", 0), fields.get("provider_job_id", "")
    if customer is None:
        troubles.append(_trouble("none is not an allowed value", "type_error.none.not_allowed", "customer_id"))
    elif not re.fullmatch(r"-?[0-9]+", str(customer)):
        troubles.append(_trouble("value is not a valid integer", "type_error.integer", "customer_id"))
    return troubles + _job_id_troubles(job_id)


def _check_event(fields: dict[str, Any]) -> list[Trouble]:
    troubles = _missing(fields, "kind", "provider_job_id")
    if "kind" in fields and fields["kind"] not in KINDS:
        troubles.append(_not_among(KINDS, "kind"))
    if not isinstance(fields.get("tag"), (str, type(None))):
        troubles.append(_trouble("str type expected", "type_error.str", "tag"))
    values = cast("object", fields.get("event_metadata"))
    if values is not None and not isinstance(values, dict):
        troubles.append(_trouble("value is not a valid dict", "type_error.dict", "event_metadata"))
    for name, value in as_object(fields.get("event_metadata")).items():
        if value is None:
            kind = "type_error.none.not_allowed"
            troubles.append(_trouble("none is not an allowed value", kind, "event_metadata", name))
        elif isinstance(value, (dict, list)):
            troubles.append(_trouble("str type expected", "type_error.str", "event_metadata", name))
    return troubles + _job_id_troubles(fields.get("provider_job_id", ""))


def _job_id_troubles(value: object) -> list[Trouble]:
    fits = isinstance(value, (str, int, float))
    return [] if fits else [_trouble("str type expected", "type_error.str", "provider_job_id")]


def _texts(fields: Mapping[str, Any], *names: str, place: tuple[str | int, ...] = ()) -> list[Trouble]:
    wrong = [name for name in names if name in fields and not isinstance(fields[name], str)]
    expected = [_trouble("str type expected", "type_error.str", *place, name) for name in wrong]
    return _missing(fields, *names, place=place) + expected


def _missing(fields: Mapping[str, Any], *names: str, place: tuple[str | int, ...] = ()) -> list[Trouble]:
    return [_trouble("field required", "value_error.missing", *place, name) for name in names if name not in fields]


def _not_among(permitted: Sequence[str], *place: str | int) -> Trouble:
    words = ", ".join(repr(word) for word in permitted)
    trouble = _trouble(f"value is not a valid enumeration member; permitted: {words}", "type_error.enum", *place)
    return trouble | {"ctx": {"enum_values": list(permitted)}}


def _trouble(msg: str, kind: str, *place: str | int) -> Trouble:
    return {"loc": ["body", *place], "msg": msg, "type": kind}


def _unprocessable(troubles: Sequence[Trouble]) -> Answer:
    return json_answer(422, {"detail": list(troubles)})


_KINDS_OF_PATH: Final[
    Mapping[str, tuple[str, Callable[[dict[str, Any]], list[Trouble]], Callable[[dict[str, Any], State], Answer]]]
] = {
    CONFIGURATIONS: ("configuration", _check_configuration, _configure),
    JOBS: ("job", _check_job, _open),
    EVENTS: ("event", _check_event, _happen),
}
