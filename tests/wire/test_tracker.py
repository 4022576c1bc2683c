"""The tracker wire beyond what was recorded: which use is which request, ids, versions, metadata, options."""

from __future__ import annotations

import json
import re
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from packaging.version import InvalidVersion, Version

from footfall.destination import Destination
from footfall.errors import ConfigurationError
from footfall.semver import is_semver
from footfall.usage import Kind, Outcome, Usage
from footfall.wire import tracker_fields as fields
from footfall.wire.base import Request
from footfall.wire.destinations import Tracker
from footfall.wire.load import load
from footfall.wire.readable import as_lines
from footfall.wire.tracker import TrackerWire

SAYING = TrackerWire()
"""Each use says what it is."""
DERIVING = TrackerWire(customer_id=142, job="my_job", steps="say_hello, pkg.greet.bye")
"""Runs are jobs, and functions of these names are steps."""

JOB = Usage(
    project="nipreps/fmriprep",
    project_version="24.1.0",
    name="nipreps/fmriprep",
    kind=Kind.START,
    trace_id="a" * 32,
    span_id="b" * 16,
    time_ns=1_700_000_000_000_000_000,
    extra={"tracker.job": "my_job", "tracker.customer_id": 142, "tracker.provider_job_id": "job-1"},
    session_id="5d1a3f2e-9b4c-3e21-8a77-0c2f5e6d7a81",
)
END = msgspec.structs.replace(JOB, kind=Kind.END, duration_ns=1_500_000_000, outcome=Outcome.OK)
STEP = msgspec.structs.replace(
    END,
    name="pkg.greet:say_hello",
    span_id="c" * 16,
    parent_span_id="b" * 16,
    extra={"tracker.provider_job_id": "job-1", "tracker.tag": "say_hello"},
)
NOTE = msgspec.structs.replace(
    STEP, kind=Kind.EVENT, name="note", span_id="d" * 16, duration_ns=0, outcome=None, extra={"colour": "red"}
)
RUN = msgspec.structs.replace(JOB, extra={})


def but(usage: Usage, **changes: Any) -> Usage:
    """The same use but for some fields."""
    return msgspec.structs.replace(usage, **changes)


def saying(usage: Usage, **own: Any) -> Usage:
    """The same use with further fields for this wire."""
    return but(usage, extra={**usage.extra, **{f"tracker.{name}": value for name, value in own.items()}})


def one(usage: Usage, wire: TrackerWire = SAYING) -> Request | None:
    """The only request, or None."""
    (found,) = wire.translate([usage]) or [None]
    return found


def body(usage: Usage, wire: TrackerWire = SAYING) -> dict[str, Any]:
    """The body of the only request."""
    request = one(usage, wire)
    assert request is not None
    decoded: dict[str, Any] = json.loads(request.body)
    return decoded


def test_a_job_is_opened_at_its_start() -> None:
    """Not at its end, although an exporter sees the root last: a job must be open before its first event."""
    request = one(JOB)
    assert request is not None
    assert (request.path, request.order_key, request.records) == ("/jobs", "job-1", 1)
    assert json.loads(request.body) == {"provider_job_id": "job-1", "customer_id": 142, "tag": "my_job"}
    assert SAYING.tells_starts


@pytest.mark.parametrize(
    ("usage", "kind", "tag", "metadata"),
    [
        (END, "complete", None, {}),
        (but(END, outcome=Outcome.ERROR, error_type="KeyError"), "error", None, {"exception.type": "KeyError"}),
        (but(END, outcome=Outcome.ERROR), "error", None, {"exception.type": "_OTHER"}),
        (
            but(END, outcome=Outcome.KILLED, error_type="ProcessKilled"),
            *("error", None, {"exception.type": "ProcessKilled"}),
        ),
        (but(END, outcome=Outcome.KILLED), "error", None, {"exception.type": "ProcessKilled"}),
        (but(END, outcome=Outcome.INTERRUPTED, error_type="KeyboardInterrupt"), "error", None, None),
        (STEP, "step", "say_hello", {}),
        (
            but(STEP, outcome=Outcome.ERROR, error_type="OSError", message="no room"),
            *("error", "say_hello", {"exception.type": "OSError", "exception.message": "no room"}),
        ),
        (but(STEP, arguments={"n": 3, "names": ["a", "b"]}), "step", "say_hello", {"n": 3, "names": "a, b"}),
        (saying(STEP, duration="Duration"), "step", "say_hello", {"Duration": 1.5}),
        (saying(STEP, value=7, event_metadata={"x": 1}), "step", "say_hello", {"x": 1, "value": 7}),
        (saying(NOTE, provider_job_id="job-1"), "info", None, {"colour": "red"}),
        (saying(but(NOTE, message="half way"), provider_job_id="job-1", event_metadata={}), "info", None, {}),
        (saying(NOTE, provider_job_id="job-1", kind="step", tag="bye"), "step", "bye", {"colour": "red"}),
        (saying(but(NOTE, drop=("colour",)), provider_job_id="job-1"), "info", None, {}),
    ],
)
def test_which_event_a_use_is(usage: Usage, kind: str, tag: str | None, metadata: dict[str, Any] | None) -> None:
    """tracker.md section 8; a killed run ends as an error, since there is no failed end of a job."""
    told = body(usage)
    assert (told["kind"], told["tag"], told["provider_job_id"]) == (kind, tag, "job-1")
    assert metadata is None or told["event_metadata"] == metadata


@pytest.mark.parametrize(
    "usage",
    [
        but(STEP, kind=Kind.COUNT, count=9),
        but(STEP, kind=Kind.START),
        but(STEP, extra={}),
        RUN,
        but(END, extra={}),
        NOTE,
        saying(JOB, customer_id=None),
        saying(JOB, customer_id=-5),
        saying(JOB, customer_id=True),
        saying(JOB, customer_id="x"),
        saying(JOB, customer_id=2**31),
        saying(JOB, provider_job_id=None),
        saying(JOB, provider_job_id=""),
        saying(JOB, provider_job_id=["a"]),
        saying(JOB, job=""),
        saying(END, customer_id=None),
        saying(STEP, kind="start"),
        saying(STEP, kind=["step"]),
        saying(STEP, kind=None),
        saying(NOTE, kind=None),
        saying(END, kind=None),
    ],
)
def test_what_is_left_out(usage: Usage) -> None:
    """Counts, starts of steps, whatever is in no job, and what the backend would refuse or fail at."""
    assert one(usage) is None


def test_runs_are_jobs_where_the_destination_says_so() -> None:
    """Then nothing in the program but `track` speaks of jobs: the id comes from the run of the pipeline, or session."""
    assert body(RUN, DERIVING) == {"provider_job_id": JOB.session_id, "customer_id": 142, "tag": "my_job"}
    ended = body(but(END, extra={}), DERIVING)
    assert (ended["kind"], ended["provider_job_id"]) == ("complete", JOB.session_id)
    assert body(NOTE, DERIVING)["event_metadata"] == {"colour": "red"}
    for name, tag in (("pkg.greet:say_hello", "say_hello"), ("pkg.greet:bye", "pkg.greet.bye")):
        assert body(but(STEP, name=name, extra={}), DERIVING)["tag"] == tag
    assert one(but(STEP, name="pkg.greet:other", extra={}), DERIVING) is None
    assert body(saying(STEP, tag="nope"), DERIVING)["tag"] is None
    assert one(but(RUN, extra={"tracker.job": None}), DERIVING) is None
    in_ci = but(RUN, resource={"cicd.pipeline.run.id": "987"})
    assert body(in_ci, DERIVING)["provider_job_id"] == "987"
    assert body(but(RUN, session_id=""), DERIVING)["provider_job_id"] == "a" * 32


def test_runs_of_a_project_that_names_its_customer_are_jobs() -> None:
    """The tag is `service.name` then; what no run has to do with stays out."""
    extra = {"tracker.customer_id": 7}
    assert body(but(RUN, extra=extra)) == {"provider_job_id": JOB.session_id, "customer_id": 7, "tag": "fmriprep"}
    assert body(but(END, extra=extra))["kind"] == "complete"
    assert body(but(NOTE, extra=extra))["kind"] == "info"
    assert one(but(STEP, extra=extra)) is None
    assert body(but(RUN, extra=extra), DERIVING)["tag"] == "my_job"


def test_a_restarted_program_goes_on_with_its_job() -> None:
    """Its job is the request that may be waiting already; its events are new."""
    again = [but(usage, trace_id="f" * 32, span_id="e" * 16) for usage in (JOB, STEP)]
    first, second = SAYING.translate([JOB, STEP]), SAYING.translate(again)
    assert first[0] == second[0]
    assert first[1].idempotency_key != second[1].idempotency_key
    assert {each.order_key for each in (*first, *second)} == {"job-1"}


def test_jobs_come_before_their_events_whatever_was_read_first() -> None:
    """The journal of a child process may be read before that of the process which opened the job."""
    paths = [each.path for each in SAYING.translate([STEP, END, JOB])]
    assert paths == ["/jobs", "/events", "/events"]


def test_one_configuration_before_two_jobs_waits_before_each() -> None:
    """With one key for both, the second would be a duplicate, and its job would not be known."""
    config = {"tag": "my_job", "name": "My Job", "version": "24.1", "step_configurations": []}
    requests = SAYING.translate([saying(NOTE, configuration=config, provider_job_id=name) for name in ("a", "b")])
    assert [each.order_key for each in requests] == ["a", "b"]
    assert requests[0].idempotency_key != requests[1].idempotency_key
    alone = one(saying(NOTE, configuration=config))
    assert alone is not None
    assert alone.order_key == "my_job"


def test_too_large_events_get_shorter_and_then_lose_their_metadata() -> None:
    """413 comes from something in front, and says nothing of how much is too much."""
    request = one(saying(STEP, event_metadata={"message": "x" * 1000, "n": 5}))
    sizes = []
    while request is not None:
        sizes.append(len(request.body))
        last = json.loads(request.body)
        (request,) = SAYING.split(request) or [None]
    assert sizes == sorted(sizes, reverse=True)
    assert len(sizes) > 4
    assert last == {"kind": "step", "tag": "say_hello", "provider_job_id": "job-1", "event_metadata": {}}
    opened = one(JOB)
    assert opened is not None
    assert SAYING.split(opened) == []


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("24.1.0rc1", "24.1.0-rc1"),
        ("24.1", "24.1.0"),
        ("24", "24.0.0"),
        ("1.0.0", "1.0.0"),
        ("2.15.3-alpha+12345", "2.15.3-alpha+12345"),
        ("v1.2", "1.2.0"),
        ("1.0a2", "1.0.0-a2"),
        ("1.0.dev7", "1.0.0-dev7"),
        ("1.0rc1.dev7", "1.0.0-rc1.dev7"),
        ("1.0.post2", "1.0.0+post2"),
        ("1.0-2", "1.0.0+post2"),
        ("1!2.0", "2.0.0+epoch1"),
        ("1.2.3.4", "1.2.3+release4"),
        ("2024.01.05", "2024.1.5"),
        ("24.1.0+dirty.5", "24.1.0+dirty.5"),
        ("main", "0.0.0+main"),
        ("", "0.0.0"),
    ],
)
def test_versions_become_semver(given: str, expected: str) -> None:
    """tracker.md section 8: PEP 440 is not SemVer."""
    assert fields.version_of(given) == expected


PEP440 = st.builds(
    "".join,
    st.tuples(
        st.sampled_from(["", "1!", "v"]),
        st.lists(st.integers(0, 99999), min_size=1, max_size=5).map(lambda parts: ".".join(map(str, parts))),
        st.sampled_from(["", "a1", "b", ".rc2", "-alpha.3", "c4", "_preview5"]),
        st.sampled_from(["", ".post1", "-7", "rev3", ".post"]),
        st.sampled_from(["", ".dev1", "dev", "-dev0"]),
        st.sampled_from(["", "+local.1", "+Ubuntu-2", "+007"]),
    ),
)


@settings(max_examples=300, deadline=None)
@given(PEP440 | st.text(max_size=40))
def test_every_version_becomes_semver(version: str) -> None:
    """Whatever it was, always the same for the same, and never changed a second time."""
    made = fields.version_of(version)
    assert is_semver(made)
    assert fields.version_of(made) == made
    try:
        known = Version(version)
    except InvalidVersion:
        return
    if not is_semver(version) and len(version) <= fields.MAX_VERSION_CHARACTERS:
        assert [int(part) for part in re.split(r"[-+]", made)[0].split(".")] == [*known.release, 0, 0][:3]
        before = known.pre is not None or (known.dev is not None and known.post is None)
        assert ("-" in made.partition("+")[0]) == before


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.integers(2**1020, 2**1030) | st.floats() | st.text(),
    lambda children: st.lists(children, max_size=4) | st.dictionaries(st.text(), children, max_size=4),
    max_leaves=10,
)


@settings(max_examples=300, deadline=None)
@given(
    st.text(st.characters(), max_size=600) | st.integers() | st.integers(10**300, 10**310),
    st.dictionaries(st.text(st.characters()), JSON_VALUES, max_size=5),
    st.text(st.characters()),
)
def test_whatever_is_said_is_something_the_backend_stores(job_id: Any, metadata: Any, tag: str) -> None:
    """No null, nothing nested, no NaN, no U+0000, no lone surrogate, no id too long for an index; the same bytes."""
    usage = saying(STEP, provider_job_id=job_id, event_metadata=metadata, tag=tag)
    request = one(usage)
    if request is None:
        assert not str(job_id).replace("\x00", "")
        return
    assert one(usage) == request
    text = request.body.decode()
    told = json.loads(text, parse_constant=pytest.fail)
    assert "\\u0000" not in text.replace("\\\\", "")
    text.encode("ascii")
    json.dumps(told, ensure_ascii=False).encode()  # raises at a lone surrogate
    assert 0 < len(told["provider_job_id"]) <= fields.MAX_ID_CHARACTERS
    assert told["provider_job_id"] == request.order_key
    assert told["tag"] is None or told["tag"]
    assert all(isinstance(value, (str, int, float)) for value in told["event_metadata"].values())


def test_long_ids_stay_apart() -> None:
    """Two that differ only at their end are two."""
    made = {fields.job_id("x" * 300 + end) for end in "ab"}
    assert len(made) == 2
    assert all(each is not None and len(each) <= 255 for each in made)


STEP_CONFIGURATION = {"tag": "s", "points": 1, "name": "S", "metadata_configurations": [{"name": "m"}]}
CONFIGURATION = {"tag": "j", "name": "J", "version": "1.0", "step_configurations": [STEP_CONFIGURATION]}


def test_a_configuration_gets_its_defaults() -> None:
    """A kind of text, and units that are sent as null; the order of the original's fields."""
    made = fields.configuration({"$schema": "x", **CONFIGURATION})
    assert made is not None
    assert list(made) == ["tag", "name", "step_configurations", "version"]
    assert made["version"] == "1.0.0"
    declared = made["step_configurations"][0]["metadata_configurations"]
    assert declared == [{"name": "m", "kind": "text", "units": None}]


@pytest.mark.parametrize(
    "given",
    [
        *(None, [], "x", {}, {**CONFIGURATION, "tag": ""}, {**CONFIGURATION, "name": 5}),
        *({**CONFIGURATION, "version": 1}, {**CONFIGURATION, "step_configurations": {}}),
        {**CONFIGURATION, "step_configurations": [STEP_CONFIGURATION, STEP_CONFIGURATION]},
        {**CONFIGURATION, "step_configurations": ["s"]},
        *(
            {**CONFIGURATION, "step_configurations": [{**STEP_CONFIGURATION, **wrong}]}
            for wrong in (
                *({"points": 1.5}, {"points": True}, {"points": 2**31}, {"name": None}, {"tag": 1}),
                *({"metadata_configurations": None}, {"metadata_configurations": ["m"]}),
                *({"metadata_configurations": [{"name": "m", **each}]} for each in ({"kind": "bool"}, {"units": 1})),
                {"metadata_configurations": [{"kind": "text"}]},
            )
        ),
    ],
)
def test_what_is_no_configuration(given: Any) -> None:
    """The backend would refuse it, or fail at it."""
    assert fields.configuration(given) is None
    assert one(saying(NOTE, configuration=given)) is None


def test_the_destination() -> None:
    """Defaults are not written down, options can be loaded again, and what the wire refuses is refused here."""
    url = "https://tracker.example.org"
    assert Tracker(url) == Destination(wire="tracker", endpoint=url)
    full = Tracker(url, customer_id=142, job="my_job", steps=["a", "b"], credentials="env:TRACKER", in_doubt="retry")
    assert (full.options, full.in_doubt) == ({"customer_id": 142, "job": "my_job", "steps": "a,b"}, "retry")
    made = vars(load("tracker", full.options))
    assert (made["customer_id"], made["job"], made["steps"]) == (142, "my_job", {"a", "b"})
    for wrong in ({"customer_id": -2}, {"customer_id": True}, {"customer_id": "142"}, {"job": "a\x00"}, {"job": 5}):
        with pytest.raises(ConfigurationError, match="tracker: "):
            Tracker(url, **wrong)  # type: ignore[arg-type]  # the mistakes under test
    with pytest.raises(ConfigurationError, match="plain http"):
        Tracker("http://tracker.example.org")


def test_it_can_be_read_before_it_is_sent() -> None:
    """`footfall show` has the body and where the key comes from, and not the key."""
    request = one(JOB)
    assert request is not None
    lines = list(as_lines("tracker", request, Tracker("https://t.example.org/", credentials="env:TRACKER")))
    assert "POST https://t.example.org/jobs" in lines
    assert "(and the credentials in env:TRACKER)" in lines
    assert '  {"provider_job_id": "job-1", "customer_id": 142, "tag": "my_job"}' in lines
