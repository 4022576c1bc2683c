"""The original client and the facade, side by side: the same calls, the same things said.

Every recorded call is made here. Those of release 0.4.0 are made with the real client too, now, against the same sink;
of the development version, which cannot be had, the recordings stand in its place.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any

import pytest

import footfall
from footfall.facade import migas
from footfall.facade.migas.config import Config, gen_uuid
from footfall.testing.sink.client import Sink
from tests.facade import migashelp
from tests.process.harness import GUARD_SECONDS, Observation
from tests.wire import recorded
from tests.wire.recorded import REPAIRS, VECTORS

RELEASE = "migas 0.4.0"

BY_DESIGN = {
    "session_id": "sent in any case: dashboards do not count crumbs without one (migas.md section 4)",
}
"""Fields that the facade says where the original says nothing."""

NOTHING_SENT = {
    20: "no server can know a project without a slash",
    42: "an endpoint with a query is refused by setup: no server of this kind reads one",
    43: "nobody speaks that scheme",
    44: "opted out",
    46: "not set up",
    103: "opted out",
}

KEPT = {41: "nobody listens: the crumb waits for the next run", 102: "as 041"}

SHORTENED = {16, 79}

NOT_TEXT_OF_EXCEPTION = "the text of an exception stays at home (reliability.md S5)"

CALLS = {number: vector for number, vector in VECTORS.items() if vector["call"] is not None}


def numbers(*functions: str, client: str = "") -> list[int]:
    """The recordings of some functions."""
    return [
        number
        for number, vector in CALLS.items()
        if vector["call"]["function"] in functions and vector["client"].startswith(client)
    ]


CRUMBS = numbers("migas.add_breadcrumb")
QUESTIONS = numbers("migas.check_project", "migas.get_usage")
DEPRECATED = numbers("migas.operations.add_project")
IDENTITIES = numbers("migas.config.gen_uuid")
CI = numbers("ci_info.is_ci")
PROGRAMS = numbers("(whole process)")
RUNS = numbers("migas.track (context manager)")


def named(chosen: list[int]) -> list[Any]:
    return [pytest.param(number, id=VECTORS[number]["name"]) for number in chosen]


def test_every_recorded_call_is_made() -> None:
    """Nothing recorded of a client is left out, and no table names what is not there."""
    made = [*CRUMBS, *QUESTIONS, *DEPRECATED, *IDENTITIES, *CI, *PROGRAMS, *RUNS]
    assert sorted(made) == sorted(CALLS) == list(range(1, 123))
    defective = {number for number in CRUMBS if VECTORS[number]["defect"]}
    assert defective - {40} == set(REPAIRS)
    assert set(ANSWERED_LATER) | set(RETURNED_INSTEAD) <= set(CRUMBS)
    assert set(PROGRAM_ENDS) == set(PROGRAMS)
    assert set(BODIES) == set(RUNS)


@pytest.fixture(scope="module")
def originals(shared_sink: Sink, tmp_path_factory: pytest.TempPathFactory) -> dict[int, dict[str, Any]]:
    """What the real client said and returned, for each call of the release but whole programs."""
    chosen = [number for number in (*CRUMBS, *QUESTIONS, *DEPRECATED) if VECTORS[number]["client"] == RELEASE]
    return migashelp.original_calls(shared_sink, tmp_path_factory.mktemp("original"), chosen)


def said(number: int, sink: Sink, monkeypatch: pytest.MonkeyPatch) -> tuple[Any, list[Any]]:
    """Make a recorded call with the facade; return what it returned, and the requests that followed from it."""
    call = migashelp.call_for(number, sink)
    for name, value in call["env"].items():
        monkeypatch.setenv(name, value)
    before = len(sink.requests())
    migashelp.set_up(call["config"])
    returned = migashelp.FUNCTIONS[call["function"]](*call["args"], **call["kwargs"])
    return returned, migashelp.requests_after(sink, before)


def expected_meaning(number: int, originals: dict[int, dict[str, Any]]) -> dict[str, Any]:
    """What the original said, or the stated repair of it."""
    vector = VECTORS[number]
    if number == 40:
        return recorded.recorded_meaning(VECTORS[22]["request"])
    bodies = originals[number]["bodies"] if vector["client"] == RELEASE else []
    bodies = bodies or [request["body_json"] for request in recorded.requests_of(vector)]
    meaning = migashelp.meaning_of(bodies[0]) if bodies and number != 19 else {}
    repair = REPAIRS.get(number)
    return repair(meaning) if repair is not None else meaning


@pytest.mark.usefixtures("footfall_on")
@pytest.mark.parametrize("number", named([each for each in CRUMBS if each not in {*NOTHING_SENT, *KEPT}]))
def test_a_crumb_says_the_same(
    number: int, sink: Sink, originals: dict[int, dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One request with the same meaning, to the right place; the stated repair where the original is defective."""
    call = migashelp.call_for(number, sink)
    _, (received,) = said(number, sink, monkeypatch)
    ours = migashelp.meaning_of(json.loads(received.body))
    expected = expected_meaning(number, originals)
    for name in BY_DESIGN:
        if name not in call["kwargs"] and not call["config"][name]:
            uuid.UUID(ours["ctx"].pop(name))
    if not ours["ctx"]:
        del ours["ctx"]
    if number in SHORTENED:
        text = ours["proc"].pop("error_desc")
        assert text == "E" * (len(text) - 1) + "\N{HORIZONTAL ELLIPSIS}"
        assert len(received.body.encode()) <= 2500
        del expected["proc"]["error_desc"]
    if number == 82:
        expected["ctx"]["user_id"] = str(uuid.uuid3(uuid.UUID(gen_uuid() or ""), "not-a-uuid"))
    assert ours == expected
    base = "" if number not in {84, 85} else call["config"]["endpoint"].rpartition(str(sink.port))[2].rstrip("/")
    wait = "?wait=true" if call["kwargs"].get("wait") else ""
    assert received.path == base + (
        "/graphql" if recorded.dialect_of(VECTORS[number]) == "graphql" else "/api/breadcrumb" + wait
    )
    assert received.accepted is not bool(base), "the sink knows no server below a path"


@pytest.mark.usefixtures("footfall_on")
@pytest.mark.parametrize("number", named(list(NOTHING_SENT)))
def test_what_cannot_be_sent_is_not_tried(number: int, sink: Sink, monkeypatch: pytest.MonkeyPatch) -> None:
    """No request and no exception; the caller is told why."""
    returned, requests = said(number, sink, monkeypatch)
    assert requests == []
    assert returned["success"] is False


@pytest.mark.usefixtures("footfall_on")
@pytest.mark.parametrize("number", named(list(KEPT)))
def test_a_crumb_that_nobody_takes_is_kept(number: int, sink: Sink, monkeypatch: pytest.MonkeyPatch) -> None:
    """The original loses it (defect D3); here it is pending."""
    call = migashelp.call_for(number, sink)
    migashelp.set_up(call["config"])
    migas.add_breadcrumb(*call["args"], **call["kwargs"])
    assert footfall.drain(0.1).pending == 1


ANSWERED_LATER = {
    **dict.fromkeys((7, 8, 16, 21), "repaired before the server could refuse it"),
    **dict.fromkeys((22, *range(23, 34), 36, 37, 38, 39, 41), "the server is asked later, and its no is counted"),
    40: "a wrong MIGAS_TIMEOUT is logged, not raised",
    **dict.fromkeys((71, 78, 79, 80, 82, 83), "repaired before the server could refuse it"),
    **dict.fromkeys((86, *range(88, 96), 97, 99, 100, 101, 102), "the server is asked later, and its no is counted"),
}
"""Where the original returns a server's no, or raises: the facade says that the crumb is kept."""

RETURNED_INSTEAD = {
    20: "must be owner/name",
    42: "has a query or fragment",
    43: "must begin with https://",
}
"""Where the facade refuses what the original tried: the words in its answer."""


@pytest.mark.parametrize("number", named(CRUMBS))
def test_a_crumb_returns_the_same(number: int, sink: Sink, monkeypatch: pytest.MonkeyPatch) -> None:
    """The recorded return value, or another one for a stated reason. No server is asked, so none need be there."""
    call = migashelp.call_for(number, sink)
    for name, value in call["env"].items():
        monkeypatch.setenv(name, value)
    migashelp.set_up(call["config"])
    returned = migas.add_breadcrumb(*call["args"], **call["kwargs"])
    if number in RETURNED_INSTEAD:
        assert returned is not None
        assert returned.keys() == {"success", "message"}
        assert (returned["success"], RETURNED_INSTEAD[number] in returned["message"]) == (False, True)
    elif number in ANSWERED_LATER:
        is_rest = recorded.dialect_of(VECTORS[number]) == "rest"
        assert returned == ({"success": True, "message": ""} if is_rest else {"success": True})
        assert returned != VECTORS[number]["client_returned"], "not a difference: take it out of the table"
    else:
        assert returned == VECTORS[number]["client_returned"]


QUESTION_REPAIRS = {48: {"language", "is_ci"}, 52: {"unique"}}
"""Arguments that the server refuses, and that are not sent."""


@pytest.mark.usefixtures("footfall_on")
@pytest.mark.parametrize("number", named(QUESTIONS))
def test_a_question_asks_the_same(
    number: int, sink: Sink, originals: dict[int, dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same operation with the same arguments, at once, and no crumb beside it."""
    _, (received,) = said(number, sink, monkeypatch)
    operation, arguments = migashelp.question_in(json.loads(received.body))
    if number in originals:
        (body,) = originals[number]["bodies"]
    else:
        body = VECTORS[number]["request"]["body_json"]
    expected_operation, expected = migashelp.question_in(body)
    for name in QUESTION_REPAIRS.get(number, ()):
        del expected[name]
    assert (operation, arguments) == (expected_operation, expected)
    assert received.path == "/graphql"


@pytest.mark.usefixtures("footfall_on")
@pytest.mark.parametrize("number", named(QUESTIONS))
def test_a_question_returns_the_same(number: int, sink: Sink) -> None:
    """The recorded answer gives the recorded return value."""
    call = migashelp.call_for(number, sink)
    with migashelp.replaying(VECTORS[number]["response_given"]) as url:
        migas.setup(endpoint=url + "/graphql")
        returned = migashelp.FUNCTIONS[call["function"]](*call["args"], **call["kwargs"])
    assert returned == VECTORS[number]["client_returned"]


@pytest.mark.usefixtures("footfall_on")
@pytest.mark.parametrize("number", named(DEPRECATED))
def test_the_deprecated_operation_does_both(
    number: int, sink: Sink, originals: dict[int, dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """053: a crumb and a question in place of an operation that is not to be sent; the same keys come back."""
    sink.set_project("nipreps/fmriprep", latest="24.1.1")
    with pytest.warns(DeprecationWarning, match="add_breadcrumb"):
        returned, (question, crumb) = said(number, sink, monkeypatch)
    # Whether the server had it in its cache, its newer question does not tell.
    assert returned == {**VECTORS[number]["client_returned"], "cached": False}
    (body,) = originals[number]["bodies"] or [VECTORS[number]["request"]["body_json"]]
    flat = migashelp.question_in(body)[1]["p"]
    ours = migashelp.meaning_of(json.loads(crumb.body))
    del ours["ctx"]["session_id"]
    assert {**ours.pop("ctx"), **ours.pop("proc"), **ours} == flat
    asked = {name: flat[name] for name in ("project", "project_version")}
    assert migashelp.question_in(json.loads(question.body)) == ("check_project", asked)


@pytest.mark.usefixtures("footfall_on")
@pytest.mark.parametrize("number", named(IDENTITIES))
def test_an_identity_is_random(number: int, sink: Sink, monkeypatch: pytest.MonkeyPatch) -> None:
    """054 to 056, 114 to 118: never the recorded hash of a name (defect D11); None under opt-out, as recorded."""
    call = migashelp.call_for(number, sink)
    for name, value in call["env"].items():
        if value is not None:
            monkeypatch.setenv(name, value.replace("<CONFIG_HOME>", str(Path.home())))
    returned = VECTORS[number]["client_returned"]
    recorded_id = returned["user_id"] if isinstance(returned, dict) else returned
    ours = gen_uuid(**call["kwargs"])
    if recorded_id is None:
        assert ours is None
    else:
        assert uuid.UUID(ours or "").version == 4
        assert ours == gen_uuid() == Config.user_id


CI_DIFFERENCES = {
    ("CI", "true"): True,
    ("CI", "1"): True,
    ("CONTINUOUS_INTEGRATION", "true"): True,
    ("GITHUB_ACTIONS", ""): False,
}
"""A system that nobody listed is CI all the same, and a variable without value says nothing (`resource.ci`)."""


@pytest.mark.usefixtures("footfall_on")
@pytest.mark.parametrize("number", named(CI))
def test_ci_is_seen_where_the_original_sees_it(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """057: row by row, but for the stated differences."""
    for row in VECTORS[number]["client_returned"]:
        with monkeypatch.context() as environment:
            for name, value in row["env"].items():
                environment.setenv(name, value)
            (variable,) = list(row["env"].items())[:1] or [("", "")]
            assert Config.is_ci is CI_DIFFERENCES.get(variable, row["is_ci"]), row


@pytest.mark.usefixtures("footfall_on")
def test_what_is_found_out_is_the_same(sink: Sink, tmp_path: Path) -> None:
    """Language, version, platform and CI of one machine, without anything fixed; user and session differ by design.

    The container does too: footfall looks at more than the two files that the original knows.
    """
    program = f"import migas\nmigas.setup(endpoint={sink.url + '/graphql'!r})\nmigas.add_breadcrumb('a/b', '1')\n"
    before = len(sink.requests())
    environment = migashelp.original_environment(tmp_path)
    subprocess.run([sys.executable, "-c", program], env=environment, check=True, timeout=GUARD_SECONDS)
    migas.setup(endpoint=sink.url + "/graphql")
    migas.add_breadcrumb("a/b", "1")
    bodies = [json.loads(received.body) for received in migashelp.requests_after(sink, before)]
    original, ours = (migashelp.meaning_of(body) for body in bodies)
    for crumb in (original, ours):
        for name in ("user_id", "session_id", "container"):
            crumb["ctx"].pop(name, None)
    assert ours == original


STARTED = {"status": "R", "status_desc": "Started"}
COMPLETED = {"status": "C", "status_desc": "Completed"}
SUSPENDED = {"status": "S", "status_desc": "Suspended"}
KILLED = {"status": "S", "status_desc": "Killed", "error_type": "ProcessKilled"}


def failed(error_type: str) -> dict[str, str]:
    return {"status": "F", "status_desc": "Errored", "error_type": error_type}


PROGRAM_ENDS: dict[int, tuple[dict[str, Any], str]] = {
    58: (COMPLETED, ""),
    59: (failed("ValueError"), NOT_TEXT_OF_EXCEPTION),
    60: (failed("SystemExit"), "a status that is not 0 is a failure (defect D8)"),
    61: (COMPLETED, ""),
    62: (SUSPENDED, ""),
    63: (KILLED, "the next courier finds a start without an end"),
    64: (COMPLETED, "once: the child of a fork is not the run"),
    119: (COMPLETED, ""),
    120: (failed("SystemExit"), "as 060"),
    121: (KILLED, "no handler is installed (defect D9); the next courier tells"),
    122: (SUSPENDED, "Python's own handler raises KeyboardInterrupt, and nothing else is known of the signal"),
}
"""How each recorded program ends, and why where the original says something else."""


@pytest.mark.parametrize("number", named(PROGRAMS))
def test_a_program_ends_the_same(number: int, observation: Observation) -> None:
    """The recorded program with its imports changed: the same exit status, and the same crumbs or the stated ones."""
    vector = VECTORS[number]
    before = len(observation.sink.requests())
    (text,) = vector["call"]["args"]
    process = migashelp.run_program(observation, migashelp.with_sink(text, observation.sink))
    if number in {121, 122}:
        observation.sink.wait_for(lambda requests: len(requests) > before)
        process.send_signal(signal.SIGTERM if number == 121 else signal.SIGINT)
    out, _ = process.communicate(timeout=GUARD_SECONDS)
    assert (process.returncode, out) == (vector["client_returned"]["exit_status"], "")
    observation.send_everything()

    # A signal may come between an answer and the note of it; then the request is sent again, under the same key.
    requests = {request.key: request for request in observation.sink.requests()[before:]}
    ours = [migashelp.meaning_of(json.loads(request.body)) for request in requests.values()]
    end, why = PROGRAM_ENDS[number]
    starts = [] if vector["client"] == RELEASE else [STARTED]
    assert [crumb["proc"] for crumb in ours] == [*starts, end]
    recordings = [recorded.recorded_meaning(request) for request in recorded.requests_of(vector)]
    assert (ours != recordings) is bool(why), "a difference has a reason, and a reason a difference"
    for crumb in ours:
        assert {**crumb, "proc": {}} == {**(recordings or [ours[0]])[0], "proc": {}}


@pytest.mark.parametrize("number", named([number for number in PROGRAMS if VECTORS[number]["client"] == RELEASE]))
def test_the_original_still_ends_as_recorded(number: int, sink: Sink, tmp_path: Path) -> None:
    """The real client, now: what the programs above are compared with is still so."""
    vector = VECTORS[number]
    before = len(sink.requests())
    (text,) = vector["call"]["args"]
    done = subprocess.run(
        [sys.executable, "-c", migashelp.with_sink(text, sink)],
        env=migashelp.original_environment(tmp_path),
        capture_output=True,
        timeout=GUARD_SECONDS,
        check=False,
    )
    assert done.returncode == vector["client_returned"]["exit_status"]
    meanings = [migashelp.meaning_of(json.loads(each.body)) for each in sink.requests()[before:]]
    assert meanings == [recorded.recorded_meaning(request) for request in recorded.requests_of(vector)]


class NodeExecutionError(Exception):
    """As the workflow engine names it; the handler is found by this name."""


def nested(arguments: list[str]) -> None:
    with migas.track(*arguments):
        pass


NODE = VECTORS[113]["client_raised"]["message"]
UNSAYABLE = ValueError(object())
BODIES: dict[int, tuple[BaseException | None, dict[str, Any], str]] = {
    105: (None, COMPLETED, ""),
    106: (ValueError('bad "value"'), failed("ValueError"), NOT_TEXT_OF_EXCEPTION),
    107: (RuntimeError(), failed("RuntimeError"), NOT_TEXT_OF_EXCEPTION),
    108: (KeyboardInterrupt(), SUSPENDED, ""),
    109: (SystemExit(0), COMPLETED, "sys.exit(0) is no failure (defect D8)"),
    110: (UNSAYABLE, failed("ValueError"), "the user's exception passes, and the end is told (defect D4)"),
    111: (None, COMPLETED, ""),
    112: (None, COMPLETED, ""),
    113: (NodeExecutionError(NODE), VECTORS[113]["requests"][1]["body_json"]["proc"], ""),
}
"""What each tracked block raised, how it is told, and why where the original says something else."""


@pytest.mark.usefixtures("footfall_on")
@pytest.mark.parametrize("number", named(RUNS))
def test_a_block_is_told_the_same(number: int, sink: Sink) -> None:
    """Start and end as recorded, or as stated; what the block raised comes out of it as the same object."""
    vector = VECTORS[number]
    call = migashelp.call_for(number, sink)
    error, end, why = BODIES[number]
    before = len(sink.requests())
    migashelp.set_up(call["config"])
    caught: BaseException | None = None
    try:
        with migas.track(*call["args"], **call["kwargs"]):
            if number == 111:
                nested(call["args"])
            if error is not None:
                raise error
    except BaseException as raised:
        caught = raised
    assert caught is error
    bodies = [json.loads(received.body) for received in migashelp.requests_after(sink, before)]
    ours = [migashelp.meaning_of(body) for body in bodies]
    recordings = [recorded.recorded_meaning(request) for request in recorded.requests_of(vector)]
    starts = [] if number == 112 else [recordings[0]]
    assert ours == [*starts, {**recordings[0], "proc": end}]
    assert (ours != recordings) is bool(why)
