"""What an account is told: configurations and jobs at once, as far as the server answers, and events later.

A question that got no usable answer is kept like an event: it goes into the journal, and the courier sends it, a job
before its events. Nothing here raises, and only `register`, `open_job` and `refusal` wait.
"""

from __future__ import annotations

from typing import Any, Final, cast

import msgspec

from footfall import runtime
from footfall.errors import ChangedJobError, trouble
from footfall.facade.tracker.accounts import REFUSED, WIRE, Account, Answer
from footfall.facade.tracker.known import configurations, step_of
from footfall.facade.tracker.schemas import Fields, plain
from footfall.facade.tracker.under_way import Job
from footfall.jobs import JobConfig
from footfall.jobs import registered as registrations
from footfall.registry.model import quote
from footfall.registry.nearest import hint
from footfall.scrub import TRUNCATED, bounded, scrub
from footfall.wire import tracker_fields
from footfall.wire.text import as_text, clean
from footfall.wire.tracker import KINDS

MAX_METADATA_BYTES: Final = 32 * 1024
"""Of an event's metadata: a line of the journal has 64 KiB. Values from there on are left out."""

CONFIGURATION: Final = "job_configuration"
JOB: Final = "job"
"""Names of the events that other destinations see; an event of a job is called by its kind."""

UNKNOWN_TAG: Final = 400
"""How a backend answers to the tag of a configuration that it does not have."""


def refusal(account: Account, *, ends_at: float) -> Answer | None:
    """Ask whether the key is good; return the answer where the server refuses it, None where it does not say so."""
    known = account.instrumented()
    if known is None or not account.may_ask(known):
        return None
    answer = account.ask(WIRE.probe(), ends_at=ends_at)
    return answer if answer is not None and answer.response.status in REFUSED else None


def register(account: Account, job: JobConfig, *, ends_at: float) -> None:
    """Tell the server which steps *job* has."""
    configurations.remember(job)
    known = account.instrumented()
    if known is None:
        return
    answer = _ask_to_register(account, job, ends_at=ends_at) if account.may_ask(known) else None
    _record(account, CONFIGURATION, {"configuration": job.tag, **_fields_of(job)}, answer)


def open_job(account: Account, job_id: Any, customer: Any, tag: Any, *, ends_at: float) -> None:
    """Tell the server that a job begins."""
    known = account.instrumented()
    if known is None:
        return
    declared = configurations.find(tag)
    said = tracker_fields.job_id(job_id), tracker_fields.customer(customer), tracker_fields.tag(tag)
    own = said[0] or ""
    if None in said:
        trouble.note("tracker job", "footfall: a job is not reported: %s", _wrong(job_id, customer, said))
        account.jobs.put(own, Job(declared, is_refused=True))
        account.record(JOB, {"job": own}, is_refused=True)
        return
    words = {"provider_job_id": own, "customer_id": said[1], "job": declared.tag if declared else said[2]}
    fields = {f"tracker.{name}": value for name, value in words.items()}
    account.jobs.put(own, Job(declared))
    if declared is not None and account.may_ask(known) and not account.is_settled(declared):
        # The original's manual loads a configuration and never registers it. The server takes the same one any number
        # of times, and a job has the steps of the newest.
        _ask_to_register(account, declared, ends_at=ends_at)
    answer = account.ask_about(fields, ends_at=ends_at) if account.may_ask(known) else None
    if answer is not None and answer.is_no:
        status = answer.response.status
        why = _unknown(words["job"]) if status == UNKNOWN_TAG else "check base_url and the job's fields"
        trouble.note("tracker job refused", "footfall: a job is not reported, tracker answered %d: %s", status, why)
        account.jobs.put(own, Job(declared, is_refused=True))
    is_final = answer is not None and (answer.is_yes or answer.is_no)
    if not (is_final or declared is None or account.is_settled(declared)):
        # Under the job's id, so that it goes before the job.
        ahead = {**_fields_of(declared), "tracker.provider_job_id": own}
        account.record(CONFIGURATION, {"configuration": declared.tag, **ahead})
    _record(account, JOB, {"job": own, **fields}, answer)


def send_event(account: Account, kind: Any, step: Any, job_id: Any, metadata: Any) -> None:
    """Tell, later, that something happened in a job."""
    own = tracker_fields.job_id(job_id) or ""
    job = account.jobs.get(own)
    kind = clean(kind).lower() if isinstance(kind, str) else kind
    if kind not in KINDS:
        shown = as_text(bounded(kind))
        trouble.note("tracker kind", "footfall: an event is not reported: kind %s%s", quote(shown), hint(shown, KINDS))
    if not own and not job.is_refused:
        trouble.note("tracker event", "footfall: an event is not reported: %s", _wrong(job_id, 0, (None, 0, 0)))
    step = _step(job.declared, step)
    fields = {
        "tracker.kind": bounded(kind),
        "tracker.tag": step,
        "tracker.provider_job_id": own,
        "tracker.event_metadata": told(metadata),
        "job": own,
    }
    if step is not None:
        fields["step"] = step
    account.record(kind if kind in KINDS else "event", fields, is_refused=job.is_refused)


def told(metadata: Any) -> Fields:
    """Return *metadata* as it is written and sent: scalars only, scrubbed, at most `MAX_METADATA_BYTES`."""
    if metadata is None:
        return {}
    # Lone surrogates first: scrubbing would make question marks of them.
    given = _as_dict(metadata, otherwise={"metadata": metadata})
    scrubbed = scrub({key: clean(value) if type(value) is str else value for key, value in given.items()})
    left, found = MAX_METADATA_BYTES, Fields()
    for key, value in tracker_fields.metadata(_as_dict(scrubbed, otherwise={})).items():
        left -= len(msgspec.json.encode({key: value}))
        if left < 0:
            found[TRUNCATED] = True
            break
        found[key] = value
    return found


def _as_dict(value: object, *, otherwise: dict[Any, Any]) -> dict[Any, Any]:
    if not isinstance(value, dict):
        return otherwise
    return cast("dict[Any, Any]", value)  # type: ignore[redundant-cast]  # not so for pyright


def _ask_to_register(account: Account, job: JobConfig, *, ends_at: float) -> Answer | None:
    """Register *job* now; return the answer, and say in the log why where it is a no."""
    answer = account.ask_about(_fields_of(job), ends_at=ends_at)
    places = runtime.current().find_places()
    if answer is not None and (answer.is_yes or answer.is_no):
        account.settled[job.tag] = job
    if answer is not None and answer.is_yes and places is not None:
        registrations.remember(places.state, account.server, job)
    if answer is not None and answer.is_no:
        why = f"the server has other content under version {job.version}; give it a new one"
        try:
            if places is not None:
                registrations.check(places.state, account.server, job)
        except ChangedJobError as error:
            why = str(error)
        status = answer.response.status
        trouble.note(
            "tracker configuration", "footfall: job %s is not registered (%d): %s", quote(job.tag), status, why
        )
    return answer


def _record(account: Account, name: str, fields: Fields, answer: Answer | None) -> None:
    is_told, is_refused = answer is not None and answer.is_yes, answer is not None and answer.is_no
    account.record(name, fields, is_told=is_told, is_refused=is_refused)


def _fields_of(job: JobConfig) -> Fields:
    return {"tracker.configuration": plain(job)}


def _step(declared: JobConfig | None, step: Any) -> str | None:
    """Return the tag of *step*; None for one that the job does not have, at which the backend would fail."""
    if step is None:
        return None
    tag = tracker_fields.tag(step)
    if tag is not None and declared is None:
        return tag
    found = step_of(declared, tag) if declared is not None and tag is not None else None
    if found is not None:
        return found.tag
    shown, tags = as_text(bounded(step)), [each.tag for each in declared.step_configurations] if declared else []
    near = hint(shown, tags) if tags else ""
    trouble.note("tracker step", "footfall: an event is reported without step: %s is none%s", quote(shown), near)
    return None


def _unknown(tag: Any) -> str:
    tags = configurations.tags
    return f"no configuration {quote(tag)} is registered{hint(tag, tags) if tags else '; register it first'}"


def _wrong(job_id: Any, customer: Any, said: tuple[object, object, object]) -> str:
    if said[0] is None:
        return f"provider_job_id must be a text, not {quote(as_text(bounded(job_id)))}"
    if said[1] is None:
        return f"customer_id must be the number of a user of the backend, not {quote(as_text(bounded(customer)))}"
    return "tag must be the tag of a job configuration"
