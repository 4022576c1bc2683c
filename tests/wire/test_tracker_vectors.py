"""Every recorded exchange of the tracker client and backend: what footfall says and understands in its place.

Where the original is right, method, path, headers and body are the same, byte for byte. Where it is defective
(tracker.md section 9), or the backend refuses or fails, the repair is written here for that one exchange, so that the
original's behaviour would fail.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
import tracker_recorded as recorded
from tracker_recorded import VECTORS

from footfall.courier import credentials
from footfall.errors import ConfigurationError
from footfall.ledger import Reason
from footfall.wire import tracker_answers
from footfall.wire.base import Action, Response
from footfall.wire.tracker import TrackerWire

PROBES = {1, 2, 3, 4, 5, 55, 56, 57, 58}
"""`GET /api-keys/protected`."""

KEYS = {6, 7}
"""A key that the original raises at."""

CHECKED_BEFORE = {12, 13, 14, 15, 16, 17}
"""Configurations that the client looks at without a server; what reaches the wire is asked here."""

WITHOUT_ANSWER = {51, 52, 53}
"""Nothing with a status came back: dropped where it is in doubt, kept where nobody took the connection."""

LEFT_OUT: Any = None

REPAIRED: dict[int, Any] = {
    11: {"tag": "my_job", "name": "My Job", "step_configurations": [], "version": "1.0.0"},  # 1.0 is 422
    20: LEFT_OUT,  # a job without a customer is 422
    33: {},  # metadata that is null is 422
    34: {"n": '{"a":[1,2]}'},  # nested metadata is 422
    35: {"n": "nan"},  # the original raises and sends nothing
    39: {"message": "a\N{REPLACEMENT CHARACTER}b"},  # 500
    61: {"version": "1.0.0"},
    62: LEFT_OUT,  # steps with one tag are 500
    63: LEFT_OUT,  # a kind of metadata that there is not is 422
    64: LEFT_OUT,  # fields that are missing are 422
    68: LEFT_OUT,
    69: LEFT_OUT,
    77: LEFT_OUT,  # a kind of event that there is not is 422
    78: {"n": '{"a":1}'},
    81: {"m": "a\N{REPLACEMENT CHARACTER}b"},
    83: LEFT_OUT,
}
"""What is sent in place of the recorded body: all of it, or only the metadata or version that differs."""

AS_RECORDED = {
    *(8, 9, 10, 18, 19, 21, 22, 23, 24, 28, 29, 30, 31, 32, 36, 37, 38, 40, 41, 42, 43, 44, 45, 46, 47, 48, 49, 50),
    *(27, 51, 52),
}
"""Calls of the client whose request is ours, byte for byte; many are defective only in what follows."""

PATHS_REPAIRED = {25: "/jobs", 26: "/jobs", 84: "/events", 85: "/events"}
"""The base URL's own part, or its slash, is not in the path."""

DECLARED = {42, 79}
"""A step that the configuration does not have is 500; where steps are declared it goes out as an event without one."""

SERVER_BODIES = {59, 60, 65, 66, 67, 71, 72, 73, 75, 76, 79, 80}
"""Plain requests to the real backend, said by us."""

NOT_SAID = {70, 74, 82, 86}
"""Malformed JSON, an absent metadata object, a time of the client's, a GET: we say none of these."""

WHOLE = {54}

YES: tuple[Action, Reason | None, int] = (Action.DELIVERED, None, 0)
LATER: tuple[Action, Reason | None, int] = (Action.RETRY, None, 0)
A_FEW: tuple[Action, Reason | None, int] = (Action.RETRY, Reason.REFUSED, 5)
PAUSE: tuple[Action, Reason | None, int] = (Action.HALT, None, 0)
NO: tuple[Action, Reason | None, int] = (Action.DROP, Reason.REFUSED, 0)
SHORTER: tuple[Action, Reason | None, int] = (Action.SPLIT, None, 0)

ANSWERS: dict[int, list[tuple[Action, Reason | None, int]]] = {
    **{n: [YES] for n in (1, 4, 5, 55)},
    **{n: [PAUSE] for n in (2, 56, 57, 58, 69)},
    3: [A_FEW],
    **{n: [YES] for n in (8, 9, 10, 18, 19, 26, 28, 29, 30, 31, 32, 35, 36, 37, 38, 40, 41)},
    11: [NO],
    20: [NO],
    21: [NO],
    22: [A_FEW],  # perhaps our own first try: a few more, then on with the events
    23: [A_FEW],
    24: [YES],  # nothing of the answer is needed; the original raises a KeyError
    25: [NO],
    27: [PAUSE, YES],  # a redirection, which the original follows with its key; the second answer is the stranger's
    33: [NO],
    34: [NO],
    39: [A_FEW],
    42: [A_FEW],
    43: [LATER],  # half of an object
    44: [LATER],  # 204 is not what the backend says
    45: [NO],
    46: [PAUSE],  # the key, whatever the words: kept until somebody looks at it
    47: [PAUSE],
    48: [SHORTER],
    49: [NO],
    50: [LATER],
    54: [YES] * 5,
    **{n: [YES] for n in (59, 65, 71, 72, 73, 74, 75, 76, 82)},
    **{n: [NO] for n in (60, 61, 63, 64, 66, 68, 70, 77, 78, 83, 85, 86)},
    **{n: [A_FEW] for n in (62, 67, 79, 80, 81)},
    84: [PAUSE],
}
"""What each answer means, written down apart from the wire's own table."""


def named(numbers: Any) -> list[Any]:
    """Vectors as parameters."""
    return [pytest.param(number, id=VECTORS[number]["file"]) for number in sorted(numbers)]


def test_every_vector_is_asked() -> None:
    """One that is added shows up here, and nothing is named that is not there."""
    said = [PROBES, KEYS, CHECKED_BEFORE, WHOLE, AS_RECORDED, SERVER_BODIES, NOT_SAID, {53}]
    named_once = set().union(*said, REPAIRED, PATHS_REPAIRED)
    assert named_once == VECTORS.keys()
    answered = {number for number in VECTORS if recorded.responses_of(VECTORS[number])}
    # No request was made where the original raised at the key.
    assert answered - KEYS == ANSWERS.keys()
    assert {number for number in VECTORS if VECTORS[number]["defect"]} <= (
        REPAIRED.keys() | PATHS_REPAIRED.keys() | KEYS | DECLARED | WITHOUT_ANSWER | ANSWERS.keys()
    )


@pytest.mark.parametrize("number", named(AS_RECORDED | WITHOUT_ANSWER - {53}))
def test_a_call_gives_the_recorded_request(number: int) -> None:
    """Method, path, headers and the very bytes."""
    vector = VECTORS[number]
    ours, theirs = recorded.one(recorded.usage_of(vector)), recorded.requests_of(vector)[0]
    assert ours is not None
    assert (ours.method, ours.path) == (theirs["method"], theirs["path"])
    assert ours.content_type == theirs["headers"]["Content-Type"]
    assert (ours.headers, theirs["query"]) == ((), "")
    assert ours.body.decode() == theirs["body_text"]


@pytest.mark.parametrize("number", named(SERVER_BODIES))
def test_we_say_what_the_real_backend_was_told(number: int) -> None:
    """Path and decoded body of the plain requests; defaults of a configuration are written out."""
    theirs = recorded.requests_of(VECTORS[number])[0]
    ours = recorded.one(recorded.usage_of_body(theirs["path"], theirs["body_json"]))
    assert ours is not None
    assert (ours.method, ours.path) == (theirs["method"], theirs["path"])
    expected = theirs["body_json"]
    if number in {59, 60}:
        for step in expected["step_configurations"]:
            step.setdefault("metadata_configurations", [])
    assert recorded.body(ours) == expected


@pytest.mark.parametrize("number", named(REPAIRED))
def test_a_repair(number: int) -> None:
    """What the backend would refuse or fail at goes out in a form that it takes, or not at all."""
    vector = VECTORS[number]
    theirs = (recorded.requests_of(vector) or [{"path": "/events", "body_json": {}}])[0]
    if vector["call"] is None:
        ours = recorded.one(recorded.usage_of_body(theirs["path"], theirs["body_json"]))
    else:
        ours = recorded.one(recorded.usage_of(vector))
    if REPAIRED[number] is LEFT_OUT:
        assert ours is None
        return
    body = recorded.body(ours)
    if number == 61:
        assert body["version"] == "1.0.0"
    elif number == 11:
        assert body == REPAIRED[number]
    else:
        assert body["event_metadata"] == REPAIRED[number]
        assert {**body, "event_metadata": 0} == {**(theirs["body_json"] or body), "event_metadata": 0}


@pytest.mark.parametrize("number", named(PATHS_REPAIRED))
def test_slashes_at_the_join(number: int) -> None:
    """025, 026, 084, 085: base and path meet in one slash, whatever the base ends in."""
    body = recorded.requests_of(VECTORS[number])[0]["body_json"]
    ours = recorded.one(recorded.usage_of_body(PATHS_REPAIRED[number], body))
    assert ours is not None
    assert ours.path == PATHS_REPAIRED[number]
    for base in ("https://t.example.org", "https://t.example.org/tracker"):
        assert {recorded.WIRE.base_url(base + end) + ours.path for end in ("", "/", "//")} == {base + ours.path}


@pytest.mark.parametrize("number", named(DECLARED))
def test_a_step_that_was_not_declared(number: int) -> None:
    """042, 079: sent as an event without step where the destination says which steps there are."""
    body = VECTORS[number]["request"]["body_json"]
    wire = TrackerWire(steps="say_hello,say_bye")
    ours = recorded.one(recorded.usage_of_body("/events", body), wire)
    assert recorded.body(ours) == {**body, "tag": None}


def test_the_whole_job() -> None:
    """054: configuration, job, events, in this order and as one chain, byte for byte."""
    vector = VECTORS[54]
    theirs = recorded.requests_of(vector)[1:]
    uses = [recorded.usage_of_body(each["path"], each["body_json"], n) for n, each in enumerate(theirs)]
    # Whoever opens a job right after registering says so, and all of it becomes one chain.
    uses[0] = recorded.usage(0, configuration=theirs[0]["body_json"], provider_job_id="job-1")
    for batch in (uses, uses[2:] + uses[1::-1]):
        ours = recorded.WIRE.translate(batch)
        assert [(each.method, each.path, each.body.decode()) for each in ours] == [
            (each["method"], each["path"], each["body_text"]) for each in theirs
        ]
        assert {each.order_key for each in ours} == {"job-1"}
    probe = recorded.WIRE.probe()
    assert (probe.method, probe.path, probe.body) == ("GET", "/api-keys/protected", b"")


@pytest.mark.parametrize("number", named(CHECKED_BEFORE))
def test_a_configuration_of_the_wrong_form_is_not_sent(number: int) -> None:
    """012 to 017: the client's own checks hold here, too."""
    call = VECTORS[number]["call"]
    given = call["kwargs"]
    if call["function"] == "StepConfig":
        given = {"name": "J", "tag": "j", "version": "1.0.0", "step_configurations": [given]}
    for each in given.get("configurations_file", {"job_configs": [given]})["job_configs"]:
        ours = recorded.one(recorded.usage(0, configuration=each))
        if number in {15, 17}:
            expected = [{"metadata_configurations": [], **step} for step in each["step_configurations"]]
            assert recorded.body(ours) == {**each, "step_configurations": expected}
        else:
            assert ours is None


@pytest.mark.parametrize("number", named(KEYS))
def test_a_key_that_is_none(number: int) -> None:
    """006, 007: a line end after the key does no harm, and a key that cannot be sent is a configuration error."""
    key = VECTORS[number]["call"]["kwargs"]["api_key"]
    secret = credentials.resolve("env:TRACKER", {"TRACKER": f"x-api_key: {key}"})
    assert secret is not None
    if number == 6:
        assert dict(credentials.headers(secret)) == {"x-api_key": "abc"}
    else:
        with pytest.raises(ConfigurationError) as caught:
            credentials.headers(secret)
        assert key not in str(caught.value)


def judge(number: int, response: Response) -> Any:
    """Our verdict, of the function that the request calls for."""
    verdict = tracker_answers.judge_probe(response) if number in PROBES else recorded.WIRE.judge(response)
    return verdict.action, verdict.reason, verdict.max_attempts


@pytest.mark.parametrize("number", named(ANSWERS))
def test_an_answer_is_judged_as_the_table_says(number: int) -> None:
    """Action, reason and number of attempts of each recorded answer."""
    assert [judge(number, each) for each in recorded.responses_of(VECTORS[number])] == ANSWERS[number]


@pytest.mark.parametrize("number", named(ANSWERS.keys() - PROBES))
def test_an_answer_cut_off_anywhere_is_never_a_yes(number: int) -> None:
    """043 and every other answer, cut where a connection may break."""
    for whole in recorded.responses_of(VECTORS[number]):
        for length in range(len(whole.body)):
            cut = Response(status=whole.status, headers=whole.headers, body=whole.body[:length])
            assert recorded.WIRE.judge(cut).action is not Action.DELIVERED


def test_nothing_personal_of_an_answer_is_kept() -> None:
    """D5: the body of a job holds the provider's address; no verdict repeats it, nor metadata that was refused."""
    for vector in VECTORS.values():
        for response in recorded.responses_of(vector):
            detail = recorded.WIRE.judge(response).detail
            assert "example.org" not in detail
            assert "values_changed" not in detail
    (refused,) = recorded.responses_of(VECTORS[78])
    assert recorded.WIRE.judge(refused).detail == "422 about event_metadata"
    (reused,) = recorded.responses_of(VECTORS[60])
    assert "already existing version" in recorded.WIRE.judge(reused).detail


def test_what_nobody_answered() -> None:
    """051 to 053: a second copy of an event is a second event, so what may have arrived is not sent again."""
    assert recorded.WIRE.in_doubt == "drop"
    assert all(not recorded.responses_of(VECTORS[number]) for number in WITHOUT_ANSWER)
    assert json.loads(recorded.WIRE.translate([recorded.usage_of(VECTORS[53])])[0].body)["tag"] == "say_hello"
