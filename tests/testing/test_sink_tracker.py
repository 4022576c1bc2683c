"""The sink as a tracker backend: recorded exchanges give the same; what a fault refuses is not kept."""

from __future__ import annotations

import contextlib
import http.client
import json
import re
import urllib.error
import urllib.request

import pytest
from sinkhelp import raw_exchange
from tests import vectors

from footfall.testing import Sink

VECTORS = vectors.files("tracker", "*-server-*.json")
NEW_JOBS = {"065", "066", "067", "068", "069"}
KEYS = {"<API_KEY>": "good", "<EXPIRED_API_KEY>": "expired"}
CONFIGURATION = {
    "tag": "my_job",
    "name": "My Job",
    "version": "1.0.0",
    "step_configurations": [
        {"tag": "say_hello", "points": 10, "name": "Say Hello", "metadata_configurations": []},
        {"tag": "say_bye", "points": 5, "name": "Say Bye"},
    ],
}
DURATION = {"name": "Duration", "kind": "number", "units": "s"}


def post(sink, path, body, *, key="good", method="POST", content_type="application/json"):
    """Send *body*; return status and decoded answer."""
    headers = {"Content-Type": content_type} | ({"x-api_key": key} if key else {})
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    request = urllib.request.Request(sink.url + path, data, headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            text = error.read().decode()
            return error.code, json.loads(text) if text.startswith(("{", '"')) else text


def job(sink, name, customer=142, tag="my_job"):
    """Open a job; return the status."""
    return post(sink, "/jobs", {"provider_job_id": name, "customer_id": customer, "tag": tag})[0]


def event(sink, name, kind="step", tag="say_hello", **more):
    """Send an event; return the status."""
    return post(sink, "/events", {"kind": kind, "tag": tag, "provider_job_id": name, "event_metadata": {}, **more})[0]


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """One sink for this file, with the configuration of the recordings and a job."""
    with Sink(tmp_path_factory.mktemp("tracker")) as sink:
        steps = [{**CONFIGURATION["step_configurations"][0], "metadata_configurations": [DURATION]}]
        recorded = {**CONFIGURATION, "step_configurations": steps + CONFIGURATION["step_configurations"][1:]}
        assert post(sink, "/job_configurations", recorded)[0] == 200
        assert job(sink, "open") == 200
        yield sink


def shape(value):
    """Return the names in an answer, and texts that are not of one run."""
    if isinstance(value, dict):
        return {name: shape(item) for name, item in value.items() if name not in ROWS}
    if isinstance(value, list):
        return [shape(item) for item in value]
    return None if value in {"<JOB_ID>", "open", "new-065"} else value


ROWS = {"id", "provider_id", "job_id", "job_configuration_id", "step_configuration_id", "created_at", "updated_at"}
ROWS |= {"metadata_configurations", "version", "step_configurations", "ctx", "changes", "msg", "units"}
"""What a database numbers, what is told in other words, and what the recordings told with more rows around it."""


def test_all_recordings_are_there():
    """No run passes because they were not found."""
    assert len(VECTORS) == 32


@pytest.mark.parametrize("path", VECTORS, ids=lambda path: path.stem)
def test_recorded_exchange(path, server):
    """Status, and what the body says; taken is the 200 and nothing else."""
    vector = json.loads(path.read_text(encoding="utf-8"))
    theirs, expected, number = vector["request"], vector["response_given"], path.name[:3]
    name = f"new-{number}" if number in NEW_JOBS else "open"
    body = (theirs["body_text"] or "").replace("<JOB_ID>", name).encode()
    head = f"{theirs['method']} {theirs['path']} HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\nConnection: close\r\n"
    head += "".join(f"{key}: {KEYS.get(value, value)}\r\n" for key, value in theirs["headers"].items())
    answer = raw_exchange(server.port, head.encode() + b"Content-Length: %d\r\n\r\n" % len(body) + body)
    assert answer.status == expected["status"]
    if expected["headers"].get("content-type") == "application/json":
        given = json.loads(re.sub(r'"?<ID>"?', "7", expected["body"]))
        found = json.loads(answer.body)
        if answer.status == 422:  # pydantic tries each type of a union, and words differ
            assert found["detail"][0]["loc"] == given["detail"][0]["loc"]
        else:
            assert shape(found) == shape(given)
    else:
        assert answer.body.decode() == expected["body"]
    line = server.requests()[-1]
    assert (line.wire, line.accepted, line.sink_error) == ("tracker", expected["status"] == 200, "")
    assert line.auth_headers == [each for each in theirs["headers"] if each.startswith("x-api")]
    assert "good" not in json.dumps(line.headers)


def test_what_the_database_fails_at(server):
    """A job twice, another customer, another step, an unknown job, texts that PostgreSQL does not hold."""
    assert (job(server, "once"), job(server, "once")) == (200, 500)
    assert job(server, "nobody's", customer=999) == 500
    assert event(server, "once", tag="nope") == 500
    assert event(server, "unknown") == 500
    for text in ("\x00", "\ud800"):
        assert event(server, "once", event_metadata={"m": text}) == 500
    assert event(server, "once", tag=None) == 200
    assert event(server, "once", kind="begin") == 422
    assert event(server, "once", event_metadata={"m": None}) == 422
    assert post(server, "/jobs", b"{}", content_type="text/plain")[0] == 422
    assert post(server, "/jobs", {}, key="wrong") == (403, {"detail": "Invalid credentials. Unauthorized"})


def test_a_job_keeps_the_steps_it_was_opened_with(server):
    """The version that was created last holds for new jobs only; the same content again is no new version."""
    first = {**CONFIGURATION, "tag": "two"}
    second = {**first, "version": "0.9.0", "step_configurations": [{"tag": "x", "points": 1, "name": "X"}]}
    assert post(server, "/job_configurations", first)[0] == 200
    assert job(server, "old", tag="two") == 200
    assert [post(server, "/job_configurations", each)[0] for each in (second, first, second)] == [200, 200, 200]
    assert job(server, "new", tag="two") == 200
    assert [event(server, name, tag=tag) for name in ("old", "new") for tag in ("say_bye", "x")] == [200, 500, 500, 200]


@pytest.mark.parametrize("mode", ["status:503", "half500", "badjson", "noanswer", "portal", "ratelimit:0"])
def test_what_a_fault_refuses_is_not_stored(tmp_path, mode):
    """So the same job can be opened afterwards; one whose answer was lost cannot."""
    with Sink(tmp_path) as sink:
        assert post(sink, "/job_configurations", CONFIGURATION)[0] == 200
        sink.set_mode(mode)
        for name in ("first", "second"):
            with contextlib.suppress(OSError, ValueError):  # cut off, or no JSON
                job(sink, name)
        sink.set_mode("ok")
        taken = {line.records[0]["fields"]["provider_job_id"] for line in sink.requests()[1:] if line.accepted}
        assert taken == ({"first"} if mode == "half500" else set())
        assert job(sink, "second") == 200


def test_an_answer_that_was_lost(tmp_path):
    """The job is there, and a second try looks like a failure of the backend."""
    with Sink(tmp_path) as sink:
        assert post(sink, "/job_configurations", CONFIGURATION)[0] == 200
        sink.set_mode("lostack")
        with pytest.raises(http.client.RemoteDisconnected):
            job(sink, "lost")
        sink.set_mode("ok")
        assert job(sink, "lost") == 500
        assert event(sink, "lost") == 200
        assert [line.records[0]["type"] for line in sink.requests()] == ["configuration", "job", "job", "event"]
