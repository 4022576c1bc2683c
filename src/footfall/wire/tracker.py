"""Wire `tracker`: progress of jobs, for backends of trackerapi (tracker.md).

    POST /job_configurations    what steps a job has
    POST /jobs                  a job of a customer begins
    POST /events                a step is done, a note, a failure, the end

A job's id is ours to choose, so that nothing of an answer is needed: all requests of a job carry its id, and have it as
order key. Ids that nobody chose come from ``cicd.pipeline.run.id``, else the session, else the trace.

    START of a job      opens it (an EVENT with ``tracker.job`` does so too)
    END of a job        `complete`; `error` where it failed, was interrupted, or was killed
    END of another use  `step`, or `error`
    EVENT               `info`, or the kind that ``tracker.kind`` says
    EVENT with ``tracker.configuration``: registers a job configuration
    COUNT, other STARTs left out: the format has no word for them

What is a job, and what belongs to one, is said by fields addressed to this wire:

    tracker.job              tag of the job configuration; makes the use a job
    tracker.customer_id      whose it is; default: the option
    tracker.provider_job_id  on the job and on all that belongs to it, in whatever process
    tracker.kind             of the event, in place of the derived one; null for a record that is no event of any job
    tracker.tag              step of the event
    tracker.event_metadata   an object; takes the place of captured arguments and of extra fields for all wires
    tracker.duration         name under which the duration in seconds goes into the metadata
    tracker.configuration    an object as in a file of job configurations
    tracker.<any other>      goes into the metadata

With the option `job`, runs (`footfall.track`) are jobs without further words, events belong to the job of their
session, and so do uses of functions whose step is declared in `steps`; other uses are left out. A project that says
`tracker.customer_id` for all its uses has the same; the tag is then the repository part of its name.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Final, Literal, cast

import msgspec

from footfall import attributes
from footfall.errors import ConfigurationError
from footfall.usage import ADDRESSED, Kind, Outcome, Usage
from footfall.wire import tracker_answers as answers
from footfall.wire import tracker_fields as fields
from footfall.wire.base import Request, Response, Verdict, key_of
from footfall.wire.text import clean, cut

CONTENT_TYPE: Final = "application/json"
CONFIGURATIONS: Final = "/job_configurations"
JOBS: Final = "/jobs"
EVENTS: Final = "/events"
PROBE: Final = "/api-keys/protected"

KINDS: Final = ("step", "error", "info", "complete")

CONTROL: Final = frozenset(
    ("job", "customer_id", "provider_job_id", "kind", "tag", "event_metadata", "duration", "configuration")
)
"""Words of this wire that are no metadata."""

MIN_CUT_CHARACTERS: Final = 64
"""Texts up to this length are not shortened when a request is too large."""

_RANK: Final = {CONFIGURATIONS: 0, JOBS: 1, EVENTS: 2}


class TrackerWire:
    """Jobs of one provider.

    Args:
        customer_id: Of jobs that do not say theirs; an existing user of the backend. -1: each job says it.
        job: Tag of the job configuration of runs that do not say theirs; "": only uses that say so are jobs.
        steps: Tags of declared steps, with commas between them. A use of a function is the step of its own name
            (``module.qualname``, or the last part of it). An event's step that is not among them goes out as an event
            without step, since the backend fails at unknown ones; "": the steps that uses name are trusted.

    Raises:
        ConfigurationError: An option has a value that the backend could not be told.
    """

    name: str = "tracker"
    in_doubt: Literal["retry", "drop"] = "drop"
    """Events have no identity of the client's, so a second copy is a second event."""
    batch_records: int = 256
    tells_starts: bool = True
    sample_options: ClassVar[Mapping[str, Any]] = {"customer_id": 1, "job": "job", "steps": "function"}
    """For whoever looks at the wire without a server (`load.sample`): with options that make runs jobs."""
    sample_extra: ClassVar[Mapping[str, Any]] = {"tracker.tag": "function", "tracker.duration": "seconds"}
    """Fields of a use that is told whatever the options are, for whoever asks what of a use is read."""

    def __init__(self, *, customer_id: int = -1, job: str = "", steps: str = "") -> None:
        # Options come from files, too, so their types are not to be trusted.
        owner, texts = cast("object", customer_id), cast("dict[str, object]", {"job": job, "steps": steps})
        if isinstance(owner, bool) or not isinstance(owner, int) or not -1 <= owner <= fields.MAX_CUSTOMER:
            msg = f"tracker: customer_id {owner!r:.80} must be the number of a user of the backend, such as 142"
            raise ConfigurationError(msg)
        for option, text in texts.items():
            if not isinstance(text, str) or clean(text) != text:
                msg = f"tracker: {option} {text!r:.80} must be a text without control characters, such as 'my_job'"
                raise ConfigurationError(msg)
        self.customer_id = None if owner == -1 else owner
        self.job = job
        self.steps = frozenset(filter(None, (step.strip() for step in steps.split(","))))

    def base_url(self, endpoint: str) -> str:
        """Return *endpoint* without final slashes: the backend routes no path that begins with two."""
        return endpoint.rstrip("/")

    def translate(self, batch: Sequence[Usage]) -> list[Request]:
        """Return one request a record, configurations first and jobs before events, else in the order of *batch*.

        Several processes may take part in a job, and their journals are read one after the other.
        """
        found = (self._request_of(usage) for usage in batch)
        return sorted((request for request in found if request is not None), key=lambda request: _RANK[request.path])

    def judge(self, response: Response) -> Verdict:
        """Say what *response* means; `tracker_answers` has the table."""
        return answers.judge(response)

    def split(self, request: Request) -> list[Request]:
        """Return the event with shorter texts, then without metadata; an empty list when that is not enough."""
        if request.path != EVENTS:
            return []
        try:
            body = msgspec.json.decode(request.body, type=dict[str, Any])
        except msgspec.MsgspecError:  # no body of ours
            return []
        given = cast("dict[str, Any]", body.get("event_metadata") or {})
        if not given:
            return []
        body["event_metadata"] = {
            key: cut(value, len(value) // 2) if isinstance(value, str) and len(value) > MIN_CUT_CHARACTERS else value
            for key, value in given.items()
        }
        made = _json(body)
        if len(made) >= len(request.body):
            body["event_metadata"] = {}
            made = _json(body)
        key = key_of("tracker", "shorter", request.idempotency_key)
        return [msgspec.structs.replace(request, body=made, idempotency_key=key)]

    def may_repeat(self, request: Request) -> bool:
        """Whether *request* is a configuration, which the backend takes twice, or a job, whose second copy it refuses.

        Without them all that is behind them would be refused. A second copy of an event is a second event.
        """
        return request.path != EVENTS

    def probe(self) -> Request:
        """Return the request that asks whether the key is good; `tracker_answers.judge_probe` reads the answer."""
        key = key_of("tracker", "probe")
        return Request(method="GET", path=PROBE, body=b"", content_type=CONTENT_TYPE, idempotency_key=key, records=0)

    def _request_of(self, usage: Usage) -> Request | None:
        own = usage.of_wire("tracker")
        for name in usage.drop:
            own.pop(name.removeprefix("tracker."), None)
        job_id = fields.job_id(own["provider_job_id"]) if "provider_job_id" in own else _derived_id(usage)
        if usage.kind is Kind.EVENT and "configuration" in own:
            return _configuration(own, job_id if "provider_job_id" in own else None)
        tag = fields.tag(own["job"]) if "job" in own else self._tag_of_run(usage, own)
        if job_id is None or (tag is None and usage.kind is Kind.START) or usage.kind is Kind.COUNT:
            return None
        if tag is not None:
            customer = fields.customer(own.get("customer_id", self.customer_id))
            if customer is None:
                return None
            if usage.kind is not Kind.END:
                body = {"provider_job_id": job_id, "customer_id": customer, "tag": tag}
                # Not of the ids of the use: a program that was started again goes on with the job that waits already.
                return _request(JOBS, body, job_id, key_of("tracker", "job", job_id))
        return self._event(usage, own, job_id, is_job=tag is not None)

    def _tag_of_run(self, usage: Usage, own: Mapping[str, Any]) -> str | None:
        """Return the tag of a run that is a job without saying which; None for any other use."""
        if usage.name != usage.project or usage.kind not in {Kind.START, Kind.END}:
            return None
        return self.job or (fields.tag(usage.project.rpartition("/")[2]) if "customer_id" in own else None)

    def _event(self, usage: Usage, own: Mapping[str, Any], job_id: str, *, is_job: bool) -> Request | None:
        """Return the event that *usage* is in the job *job_id*, or None where it is in none."""
        step = self._step_of(usage, own)
        says_so = "provider_job_id" in own or "kind" in own or "tag" in own
        in_session = bool(self.job or "customer_id" in own) and (usage.kind is Kind.EVENT or step is not None)
        failed = usage.outcome not in {None, Outcome.OK}
        derived = "error" if failed else "info" if usage.kind is Kind.EVENT else "complete" if is_job else "step"
        kind = own.get("kind", derived)
        if not (is_job or says_so or in_session) or kind not in KINDS:
            return None
        body = {
            "kind": kind,
            "tag": step,
            "provider_job_id": job_id,
            "event_metadata": fields.metadata(_metadata(usage, own, failed=failed)),
        }
        return _request(EVENTS, body, job_id, key_of("tracker", usage.trace_id, usage.span_id, usage.kind.value))

    def _step_of(self, usage: Usage, own: Mapping[str, Any]) -> str | None:
        """Return the tag of the step; None for one that was not declared, at which the backend would fail."""
        if "tag" in own:
            said = fields.tag(own["tag"])
            return said if not self.steps or said in self.steps else None
        function = usage.name.replace(":", ".")
        names = (function, function.rpartition(".")[2])
        return next((name for name in names if name in self.steps), None)


def _derived_id(usage: Usage) -> str | None:
    """Return the id of the job that *usage* takes part in, where nobody said it."""
    run_id = usage.resource.get(attributes.CICD_PIPELINE_RUN_ID)
    return fields.job_id(run_id) or fields.job_id(usage.session_id) or fields.job_id(usage.trace_id)


def _configuration(own: Mapping[str, Any], job_id: str | None) -> Request | None:
    """Return the request that registers a configuration, before the job *job_id* where one is said."""
    body = fields.configuration(own["configuration"])
    if body is None:
        return None
    # In its key, too: the same configuration may wait before two jobs, and must stay before each.
    order_key = job_id or body["tag"]
    return _request(
        CONFIGURATIONS, body, order_key, key_of("tracker", "configuration", order_key, _json(body).decode())
    )


def _metadata(usage: Usage, own: Mapping[str, Any], *, failed: bool) -> dict[Any, Any]:
    """Return what goes into the metadata of an event, not yet as the backend takes it."""
    given = own.get("event_metadata")
    if isinstance(given, Mapping):
        values: dict[Any, Any] = dict(cast("Mapping[Any, Any]", given))  # type: ignore[redundant-cast]  # not so for pyright
    else:
        values = dict(usage.arguments)
        values.update((key, value) for key, value in usage.extra.items() if not key.startswith(ADDRESSED))
        if usage.message and not failed:
            values["message"] = usage.message
    if failed:
        killed = usage.outcome is Outcome.KILLED
        values["exception.type"] = usage.error_type or ("ProcessKilled" if killed else "_OTHER")
        if usage.message:
            values["exception.message"] = usage.message
    duration = own.get("duration")
    if isinstance(duration, str) and duration and usage.kind is Kind.END:
        values[duration] = usage.duration_ns / 10**9
    values.update((key, value) for key, value in own.items() if key not in CONTROL)
    for name in usage.drop:
        values.pop(name.removeprefix("tracker."), None)
    return values


def _request(path: str, body: Mapping[str, Any], order_key: str, key: str) -> Request:
    return Request(path=path, body=_json(body), content_type=CONTENT_TYPE, order_key=order_key, idempotency_key=key)


def _json(body: Mapping[str, Any]) -> bytes:
    """Return *body* in the original's own layout: blanks after ``,`` and ``:``, ASCII only."""
    return json.dumps(body, allow_nan=False).encode()
