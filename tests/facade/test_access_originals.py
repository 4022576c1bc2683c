"""The ACCESS-NRI client and the facade, side by side: the same calls, the same records.

Every recorded call is made with the facade. Those that can be made from a script are made with the real client too,
now, against the same sink. Where the original is defective, what is said instead is stated here.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import footfall
from footfall.testing.sink.client import Received, Sink
from tests.facade import accesshelp
from tests.facade.accesshelp import CELL, DECORATED, FAILURE, IN_LOOP, SEND
from tests.wire import accessrecorded
from tests.wire.accessrecorded import VECTORS

NOTHING_SENT = {
    "027-record-unknown-service-staging": "no endpoint; said in the log, and nothing raised in the program",
    "047-failure-record": "the text of a cell is never sent (D6)",
    "061-cell-syntax-error": "the text of a cell is never sent (D6)",
}

KEPT = "042-connection-refused"
"""Nobody listens: the original loses the record (D4)."""

REPAIRS = {**accessrecorded.REPAIRS, "031-url-with-query": [(accessrecorded.CATALOG, {})]}

CELL_FUNCTION = "esm_datastore.search"

SCRIPTED = [name for name, vector in VECTORS.items() if vector["call"]["function"] in {SEND, DECORATED, *IN_LOOP}]
"""Calls that a script can make; cells need a kernel."""

NOT_NOW = {"042-connection-refused", "043-answer-timeout", "044-answer-timeout-default"}
"""What the original makes of a server that is not there is recorded; it takes up to five seconds."""


def test_every_recorded_call_is_made() -> None:
    """No recorded call is left out, and no table names what is not there."""
    known = {SEND, FAILURE, DECORATED, CELL, *IN_LOOP}
    assert {vector["call"]["function"] for vector in VECTORS.values()} == known
    defects = {name for name, vector in VECTORS.items() if vector["defect"]}
    assert defects == REPAIRS.keys() | NOTHING_SENT.keys() | {KEPT}
    assert len(VECTORS) >= 62


@pytest.fixture(scope="module")
def originals(shared_sink: Sink, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """What the real client sends now, for each call that a script can make."""
    names = [name for name in SCRIPTED if name not in NOT_NOW]
    return accesshelp.original_calls(shared_sink, tmp_path_factory.mktemp("original"), names)


def said(name: str, sink: Sink, monkeypatch: pytest.MonkeyPatch) -> tuple[Any, list[Received]]:
    """Make a recorded call with the facade; return what it returned, and the requests that followed from it."""
    call = accesshelp.call_of(name, sink)
    for variable in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(variable, raising=False)
    for variable, value in call["env"].items():
        if value is not None:
            monkeypatch.setenv(variable, value)
    monkeypatch.setenv("FOOTFALL_SESSION_ID", call["config"]["session_id"])
    before = len(sink.requests())
    accesshelp.configure(call["config"])
    returned = accesshelp.make(call)
    return returned, accesshelp.requests_after(sink, before)


def expected(name: str) -> list[tuple[str, dict[str, Any]]]:
    """Path and record of each request: those recorded, or the stated repair."""
    vector = VECTORS[name]
    if not vector["defect"]:
        requests = vector.get("requests") or [vector["request"]]
        return [(request["path"], request["body_json"]) for request in requests]
    call, session = vector["call"], vector["call"]["config"]["session_id"]
    function, args, kwargs = CELL_FUNCTION, call["args"], call["kwargs"]
    if call["function"] in {SEND, *IN_LOOP}:
        _, function, args, kwargs = call["args"]
    elif call["function"] == DECORATED:
        function = "my_func"
    whole = {"name": "alice", "function": function, "args": args, "kwargs": kwargs, "session_id": session}
    return [(path, {**whole, **changes}) for path, changes in REPAIRS[name]]


@pytest.mark.usefixtures("footfall_on")
@pytest.mark.parametrize("name", [name for name in VECTORS if name not in NOTHING_SENT and name != KEPT])
def test_a_call_says_the_same(name: str, sink: Sink, monkeypatch: pytest.MonkeyPatch) -> None:
    """The recorded record at the recorded place, or the stated repair; what the call returns is what it returned."""
    returned, requests = said(name, sink, monkeypatch)
    assert sorted(((each.path, json.loads(each.body)) for each in requests), key=str) == sorted(expected(name), key=str)
    assert all(each.accepted for each in requests)
    vector = VECTORS[name]
    assert returned == ("result" if "client_raised" in vector else vector["client_returned"])
    for service, given in vector["call"]["config"].get("headers", {}).items():
        assert service in {"*", "intake_catalog"}
        for header, value in given.items():
            (request,) = requests
            assert request.headers[header.lower()] == ("***" if header == "Authorization" else value)
            assert (header.lower() in request.auth_headers) is (header == "Authorization")


@pytest.mark.usefixtures("footfall_on")
@pytest.mark.parametrize("name", NOTHING_SENT)
def test_what_is_not_said_is_not_sent(name: str, sink: Sink, monkeypatch: pytest.MonkeyPatch) -> None:
    """No request, nothing raised, and nothing kept either."""
    returned, requests = said(name, sink, monkeypatch)
    assert requests == []
    assert returned == VECTORS[name]["client_returned"]
    assert footfall.drain(0.1).pending == 0


@pytest.mark.usefixtures("footfall_on")
def test_a_record_that_nobody_takes_is_kept(sink: Sink) -> None:
    """042: pending, where the original has lost it (D4)."""
    call = accesshelp.call_of(KEPT, sink)
    accesshelp.configure(call["config"])
    assert accesshelp.make(call) is None
    assert footfall.drain(0.1).pending == 1


@pytest.mark.parametrize("name", [name for name in SCRIPTED if name not in NOT_NOW])
def test_the_original_still_sends_as_recorded(name: str, originals: dict[str, dict[str, Any]]) -> None:
    """The real client, now: what the facade is compared with is still so."""
    vector, outcome = VECTORS[name], originals[name]
    requests = vector.get("requests") or ([vector["request"]] if vector["request"] else [])
    recorded = []
    for request in requests:
        query = f"?{request['query']}" if request["query"] else ""
        recorded.append([request["path"] + query, request["body_json"]])
    assert outcome["sent"] == recorded
    assert outcome.get("raised") == vector.get("client_raised", {}).get("type")


@pytest.mark.usefixtures("footfall_on")
def test_a_token_is_on_no_disk(sink: Sink, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """024, 051: the header arrives, and journal, outbox and status hold neither it nor a password."""
    for name in ("024-record-headers", "051-decorator-ignores-headers", "010-record-secret-in-arguments"):
        _, requests = said(name, sink, monkeypatch)
        assert len(requests) == 1
    files = [path for path in (tmp_path / "footfall-state").rglob("*") if path.is_file()]
    assert files
    for path in files:
        content = path.read_bytes()
        assert not [word for word in (accesshelp.TOKEN, "hunter2", "s3cr3t") if word.encode() in content], path
