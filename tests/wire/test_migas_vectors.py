"""Every recorded exchange of the migas clients and server: what footfall says in its place.

Where the original is right, the decoded request must mean the same. Where it is defective, the repair is stated here
for that one exchange. What answers mean is in test_migas_answers.py.
"""

from __future__ import annotations

import re
import uuid
from typing import Any

import msgspec
import pytest
import recorded
from recorded import REPAIRS, VECTORS

from footfall.errors import ConfigurationError
from footfall.usage import Kind, Outcome, Usage
from footfall.wire import migas_queries
from footfall.wire.base import Response
from footfall.wire.destinations import Migas
from footfall.wire.migas import MigasWire

PROCESSES = "tests/process/test_migas_processes.py::"

SHOWN_ELSEWHERE = {
    39: PROCESSES + "test_a_hanging_server_does_not_hold_up_the_caller",
    40: PROCESSES + "test_a_wrong_timeout_in_the_environment_does_not_raise",
    44: PROCESSES + "test_opt_out_sends_nothing",
    46: PROCESSES + "test_without_setup_nothing_is_sent",
    63: PROCESSES + "test_os_exit_is_reported_as_killed",
    64: PROCESSES + "test_a_forked_child_does_not_end_the_run_again",
    101: PROCESSES + "test_a_hanging_server_does_not_hold_up_the_caller",
    103: PROCESSES + "test_opt_out_sends_nothing",
    118: PROCESSES + "test_opt_out_makes_no_identity",
}
"""What only a whole process can show; those with a request or an identity are compared here as well."""

RUN_CALLS = {"(whole process)", "migas.track (context manager)"}
QUERY_CALLS = {"migas.check_project", "migas.get_usage", "migas.operations.add_project"}


def category(number: int) -> str:
    """Which question an exchange answers, by its content."""
    vector = VECTORS[number]
    if number in {40, 44, 46, 63, 103}:
        return "process"
    if vector["call"] is None:
        operation = str((vector["request"].get("body_json") or {}).get("query"))
        return "server query" if operation.startswith("query{") else "server"
    function = vector["call"]["function"]
    if function in RUN_CALLS:
        return "run"
    if function in QUERY_CALLS:
        return "query"
    if function == "migas.config.gen_uuid":
        return "identity"
    if function == "ci_info.is_ci":
        return "ci"
    if function == "migas.add_breadcrumb":
        return "repaired crumb" if vector["defect"] else "crumb"
    return "unknown"


def of(*categories: str) -> list[Any]:
    """The exchanges of some categories, as parameters."""
    return [pytest.param(number, id=VECTORS[number]["name"]) for number in VECTORS if category(number) in categories]


def test_every_exchange_is_asked() -> None:
    """No recorded exchange is left out: each has a category, and each that only a process can show names its test."""
    assert sorted(VECTORS) == list(range(1, 173))
    assert [number for number in VECTORS if category(number) == "unknown"] == []
    assert {number for number in VECTORS if category(number) == "process"} <= SHOWN_ELSEWHERE.keys()
    assert {number for number in VECTORS if category(number) == "repaired crumb"} == REPAIRS.keys()
    assert {number for number in VECTORS if category(number) == "run"} == RUNS.keys()


def crumb_request(number: int) -> Any:
    """Our request in place of the recorded crumb."""
    vector = VECTORS[number]
    wire = MigasWire(dialect=recorded.dialect_of(vector), wait=vector["call"]["kwargs"].get("wait", False))
    (request,) = wire.translate([recorded.usage_of_call(vector)])
    return request


@pytest.mark.parametrize("number", [param for param in of("crumb") if param.values[0] != 20])
def test_a_crumb_means_the_same(number: int) -> None:
    """The same call gives the same fields, at the same target."""
    vector = VECTORS[number]
    request = crumb_request(number)
    assert recorded.our_meaning(request) == recorded.recorded_meaning(vector["request"])
    base = MigasWire().base_url(vector["call"]["config"]["endpoint"])
    assert recorded.target_of(request, base) == recorded.recorded_target(vector["request"])
    assert (request.method, request.content_type) == ("POST", vector["request"]["headers"]["Content-Type"])


def test_a_project_without_slash_is_left_out() -> None:
    """020: a project that no server can know (136) is not sent; the empty texts go as the original sends them."""
    usage = recorded.usage_of_call(VECTORS[20])
    assert MigasWire(dialect="graphql").translate([usage]) == []
    named = msgspec.structs.replace(usage, project="nipreps/fmriprep")
    (request,) = MigasWire(dialect="graphql").translate([named])
    expected = recorded.recorded_meaning(VECTORS[20]["request"])
    # The server stores this word for the empty version.
    assert recorded.our_meaning(request) == {**expected, "project": "nipreps/fmriprep", "project_version": "unknown"}


@pytest.mark.parametrize("number", [param for param in of("repaired crumb") if REPAIRS[param.values[0]]])
def test_a_defective_crumb_is_repaired(number: int) -> None:
    """What goes out instead, whole; the target begins with a slash (083) and has no final one."""
    vector = VECTORS[number]
    repair = REPAIRS[number]
    assert repair is not None
    request = crumb_request(number)
    recorded_requests = recorded.requests_of(vector)
    meaning = recorded.recorded_meaning(recorded_requests[0]) if recorded_requests and number != 19 else {}
    assert recorded.our_meaning(request) == repair(meaning)
    base = MigasWire().base_url(vector["call"]["config"]["endpoint"])
    wait = "?wait=true" if vector["call"]["kwargs"].get("wait") else ""
    expected = "/graphql" if recorded.dialect_of(vector) == "graphql" else "/api/breadcrumb" + wait
    assert recorded.target_of(request, base) == expected
    # No answer, a hanging, refusing or mumbling server: the same request again, under the same key.
    assert MigasWire.in_doubt == "retry"
    assert crumb_request(number) == request


@pytest.mark.parametrize("number", [16, 79])
def test_long_texts_are_shortened(number: int) -> None:
    """A long error is cut to what the server takes, and nothing else of the crumb changes."""
    request = crumb_request(number)
    ours, original = recorded.our_meaning(request), recorded.recorded_meaning(VECTORS[number]["request"])
    text = ours["proc"].pop("error_desc")
    assert text == "E" * (len(text) - 1) + "\N{HORIZONTAL ELLIPSIS}"
    assert len(request.body) == 2500
    del original["proc"]["error_desc"]
    assert ours == original


def test_a_user_id_that_is_no_uuid_becomes_one() -> None:
    """082: always the same UUID on one installation, another one elsewhere, and none where there is no salt."""
    usage = recorded.usage_of_call(VECTORS[82])
    salt = uuid.UUID(usage.installation_id)
    elsewhere = msgspec.structs.replace(usage, installation_id="0f4b2c6e-51d2-4c0a-9f3a-7b1d2e3f4a5b")
    nowhere = msgspec.structs.replace(usage, installation_id="")
    ids = [recorded.our_meaning(r)["ctx"].get("user_id") for r in MigasWire().translate([usage, elsewhere, nowhere])]
    assert ids[0] == str(uuid.uuid3(salt, "not-a-uuid"))
    assert ids[1] not in {ids[0], None}
    assert ids[2] is None


@pytest.mark.parametrize("number", [42, 43])
def test_an_endpoint_is_checked_when_it_is_named(number: int) -> None:
    """A query that would be lost, or a scheme that nobody speaks, is refused while configuring, never while running."""
    endpoint = VECTORS[number]["call"]["config"]["endpoint"].replace("<HOST>:<PORT>", "127.0.0.1:8080")
    with pytest.raises(ConfigurationError):
        Migas(endpoint)


@pytest.mark.parametrize("number", [84, 85])
def test_old_endpoint_settings_still_work(number: int) -> None:
    """A final /graphql and final slashes do not count, with or without a path before them."""
    endpoint = VECTORS[number]["call"]["config"]["endpoint"].rstrip("/")
    for written in (endpoint, endpoint + "/", endpoint + "/graphql", endpoint + "/graphql/"):
        assert MigasWire().base_url(written) == endpoint


def run(vector: dict[str, Any], outcome: Outcome, *, span: str = recorded.SPAN, **fields: Any) -> list[Usage]:
    """Start and end of a run of the whole project."""
    config = vector["call"]["config"] or RECORDED_CONFIG
    start = recorded.usage_in(config, kind=Kind.START, span_id=span)
    return [start, recorded.usage_in(config, kind=Kind.END, outcome=outcome, span_id=span, **fields)]


# What the recorded programs set for themselves.
RECORDED_CONFIG = {
    "user_id": "5d1a3f2e-9b4c-3e21-8a77-0c2f5e6d7a81",
    "session_id": "0f4b2c6e-51d2-4c0a-9f3a-7b1d2e3f4a5b",
    "language_version": "3.11.9",
    "platform": "linux",
    "container": "unknown",
    "is_ci": False,
}

OK, ERROR, INTERRUPTED, KILLED = Outcome.OK, Outcome.ERROR, Outcome.INTERRUPTED, Outcome.KILLED
FAILED = {"status": "F", "status_desc": "Errored"}
NODE = {
    "migas.status_desc": "Exception raised from node bold_reg",
    "migas.error_desc": (
        'Traceback (most recent call last):    File "<redacted>", line 3, in run  ValueError: <redacted> bad <redacted>'
    ),
}

# How footfall sees each run, and what its end says instead where the original's end is wrong (None: the same).
RUNS: dict[int, tuple[Outcome, dict[str, Any], dict[str, Any] | None]] = {
    58: (OK, {}, None),
    59: (ERROR, {"error_type": "ValueError", "extra": {"migas.error_desc": "bad"}}, None),
    60: (ERROR, {"error_type": "SystemExit"}, {**FAILED, "error_type": "SystemExit"}),  # status 3 is a failure
    61: (OK, {}, None),
    62: (INTERRUPTED, {"error_type": "KeyboardInterrupt"}, None),
    64: (OK, {}, None),  # once: the child of a fork has not ended the run
    105: (OK, {}, None),
    106: (ERROR, {"error_type": "ValueError", "extra": {"migas.error_desc": 'bad "value"'}}, None),
    107: (ERROR, {"error_type": "RuntimeError", "extra": {"migas.error_desc": ""}}, None),
    108: (INTERRUPTED, {"error_type": "KeyboardInterrupt"}, None),
    109: (OK, {}, {"status": "C", "status_desc": "Completed"}),  # sys.exit(0) is no failure
    110: (ERROR, {"error_type": "ValueError"}, {**FAILED, "error_type": "ValueError"}),  # the end was lost
    111: (OK, {}, None),  # test_an_inner_run_does_not_end_the_outer_one
    112: (OK, {}, None),
    113: (ERROR, {"error_type": "__main__.t_nip.<locals>.NodeExecutionError", "extra": NODE}, None),
    119: (OK, {}, None),
    120: (ERROR, {"error_type": "SystemExit"}, {**FAILED, "error_type": "SystemExit"}),
    # No handler is installed in the host, so the adopter of the journal reports that the process died, not of what.
    121: (KILLED, {}, {"status": "S", "status_desc": "Killed", "error_type": "ProcessKilled"}),
    122: (INTERRUPTED, {"message": "Terminated (SIGINT)"}, None),
}
ENDS_ONLY = {58, 59, 60, 61, 62, 64, 112}  # the exit hook of 0.4.0, and a run that asked for no start


@pytest.mark.parametrize("number", of("run"))
def test_a_run_means_the_same(number: int) -> None:
    """Start and end of a run are the crumbs that the original sends for it, or the repaired ones."""
    vector = VECTORS[number]
    outcome, fields, repaired = RUNS[number]
    uses = run(vector, outcome, **fields)[1 if number in ENDS_ONLY else 0 :]
    requests = MigasWire(dialect=recorded.dialect_of(vector)).translate(uses)
    originals = [recorded.recorded_meaning(request) for request in recorded.requests_of(vector)][: len(uses)]
    if repaired is not None:
        originals = [*originals[: len(uses) - 1], {**originals[0], "proc": repaired}]
    assert [recorded.our_meaning(request) for request in requests] == originals
    assert len({request.idempotency_key for request in requests}) == len(requests)
    assert {request.order_key for request in requests} == {recorded.TRACE + recorded.SPAN}


def test_an_inner_run_does_not_end_the_outer_one() -> None:
    """111: two runs of one project, one inside the other, are two starts and two ends, each pair in its own order."""
    outer, inner = run(VECTORS[111], OK), run(VECTORS[111], OK, span="00f067aa0ba902b7")
    requests = MigasWire().translate([outer[0], inner[0], inner[1], outer[1]])
    started, completed = [recorded.recorded_meaning(request) for request in VECTORS[111]["requests"]]
    assert [recorded.our_meaning(request) for request in requests] == [started, started, completed, completed]
    order = [request.order_key for request in requests]
    assert order[0] == order[3] != order[1] == order[2]


@pytest.mark.parametrize("number", of("identity"))
def test_an_identity_passes_and_is_never_made_of_a_name(number: int) -> None:
    """The id of the installation goes out as it is; a name in its place gives nothing to be guessed back (D11)."""
    returned = VECTORS[number]["client_returned"]
    known = returned["user_id"] if isinstance(returned, dict) else returned
    wire = MigasWire()
    (request,) = wire.translate([recorded.usage_in({"user_id": known})])
    assert recorded.our_meaning(request)["ctx"].get("user_id") == known
    named = recorded.usage_in({"user_id": str(uuid.uuid4())}, extra={"migas.user_id": "alice@node17"})
    (request,) = wire.translate([named])
    guess = {str(uuid.uuid3(space, "alice@node17")) for space in (uuid.NAMESPACE_DNS, uuid.NAMESPACE_URL)}
    assert recorded.our_meaning(request)["ctx"]["user_id"] not in {*guess, known}


@pytest.mark.parametrize("number", of("ci"))
def test_is_ci_is_what_the_resource_says(number: int) -> None:
    """Each recorded environment is CI or not as its resource has attributes of a CI system or not."""
    for row in VECTORS[number]["client_returned"]:
        resource = {"footfall.cicd.system": row["name"]} if row["is_ci"] else {}
        (request,) = MigasWire().translate([recorded.usage_in({}, resource=resource)])
        assert recorded.our_meaning(request)["ctx"]["is_ci"] is row["is_ci"]


@pytest.mark.parametrize("number", of("query", "server query"))
def test_a_question_means_the_same(number: int) -> None:
    """The same arguments, as variables; what the server does not know, or is None, is not sent (048, 052)."""
    vector = VECTORS[number]
    operation, arguments = recorded.parse_document(vector["request"]["body_json"]["query"])
    if operation == "add_project":  # deprecated: its two halves are a crumb and a question
        crumb, operation = arguments["p"], "check_project"
        usage = recorded.usage_of_call(vector)
        (request,) = MigasWire(dialect="graphql").translate([usage])
        ours = recorded.our_meaning(request)
        assert {**ours.pop("ctx"), **ours.pop("proc"), **ours} == crumb
        arguments = {name: crumb[name] for name in ("project", "project_version")}
    if operation == "check_project":
        request = migas_queries.check_project(arguments["project"], arguments["project_version"])
        arguments = {name: arguments[name] for name in ("project", "project_version")}
    else:
        arguments = {name: value for name, value in arguments.items() if value != "None"}
        request = migas_queries.get_usage(**arguments)
    body = msgspec.json.decode(request.body)
    assert body["variables"] == arguments
    assert re.fullmatch(r"query\([^()]*\)\{" + operation + r"\([a-z_:$,]*\)(\{[a-z,]*\})?\}", body["query"])
    assert '"' not in body["query"]
    assert request.path == "/graphql"


@pytest.mark.parametrize("number", of("query"))
def test_an_answer_reads_the_same(number: int) -> None:
    """What the original client returns, the facade can return."""
    vector = VECTORS[number]
    operation = vector["call"]["function"].rpartition(".")[2]
    (response,) = recorded.responses_of(vector)
    assert migas_queries.read_answer(operation, response) == vector["client_returned"]


@pytest.mark.parametrize("number", of("crumb", "repaired crumb"))
def test_an_answer_to_a_crumb_reads_the_same(number: int) -> None:
    """Wherever the original returned a result from an answer, the same can be had; our words where it had none."""
    vector = VECTORS[number]
    returned = vector["client_returned"]
    responses = recorded.responses_of(vector)
    if returned is None or not responses or number == 97:  # 097: the original misses a content type, we do not
        responses = responses or [Response(status=200, body=b"NOT HTTP AT ALL")]
        assert isinstance(migas_queries.read_answer("add_breadcrumb", responses[0])["success"], bool)
        return
    ours = migas_queries.read_answer("add_breadcrumb", responses[0])
    if returned.get("message") == "[migas-py] An error occurred.":
        assert ours["success"] is False
        assert ours["message"]
    else:
        assert ours == returned
