"""Every recorded call of the original client, made with the facade: the same requests and results, defects repaired.

`REPAIRED` says where the outcome differs from the recorded one, and why; every other call must come out as recorded. An
event's number at the server is known to nobody here, since no call waits for it: `event_id` is None.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import requests

import footfall
from footfall.errors import ConfigurationError, RegistryError
from footfall.facade.tracker import (
    DuplicateJobConfigException,
    JobConfig,
    JobConfigManager,
    StepConfig,
    TrackerApi,
    TrackerJobApi,
)
from tests.facade.ramenhelp import Asked, Recorder
from tests.wire.tracker_recorded import VECTORS, requests_of, values

CALLS = {number: vector for number, vector in VECTORS.items() if vector["call"] is not None}
"""The others are plain requests to the real backend; tests/wire/test_tracker_vectors.py asks about those."""

NOTHING: Any = None

REPAIRED: dict[int, tuple[Any, str]] = {
    3: (NOTHING, "a server that fails says nothing about the key: the job goes on (D3)"),
    6: (NOTHING, "a line end after the key does no harm (D8)"),
    7: (ConfigurationError, "which the original meets as UnicodeEncodeError; no part of the key is in it (D8)"),
    11: (NOTHING, "1.0 goes out as 1.0.0 (D6), and no answer ends the job (D3)"),
    16: ({"my_job": "0.0.0+"}, "the manual's own example is taken, its version made of its content (D6)"),
    20: ("job-1", "a job without customer is not sent, and the log says so (D3, D6)"),
    21: ("job-1", "an unknown tag is said in the log (D3)"),
    22: ("job-1", "500 may mean that the job is there: its events are sent (D3)"),
    23: ("job-1", "likewise (D3)"),
    24: ("job-1", "the id is ours: nothing of the answer is needed (D3)"),
    25: ("job-1", "base and path meet in one slash (D9)"),
    27: ("job-1", "redirects are not followed, and the key stays here (D7)"),
}
"""Vector to what is returned (or raised) here, and why. The request is the recorded one, but for `SENT`."""

SENT: dict[int, Any] = {
    11: {"version": "1.0.0"},
    20: NOTHING,
    33: {"event_metadata": {}},  # null is 422 (D6)
    34: {"event_metadata": {"n": '{"a":[1,2]}'}},  # nested is 422 (D6)
    35: {"event_metadata": {"n": "NaN"}},  # the original raises and sends nothing (D6)
    39: {"event_metadata": {"message": "a\N{REPLACEMENT CHARACTER}b"}},  # 500 (D6)
}
"""Vector to the fields of the recorded body that differ; or nothing, where nothing is sent."""

CHECKED = {12: RegistryError, 13: RegistryError, 14: RegistryError, 17: DuplicateJobConfigException}
"""What raises in the original raises here, before anything is sent; pydantic's error was a ValueError, too."""

FILES = {15, 16}
VERIFIED = range(1, 8)
REGISTERED = range(8, 12)
OPENED = range(18, 28)
HAPPENED = range(28, 54)
WHOLE = {54}

YES = {"status": 200, "body": '{"id": 1}'}


@pytest.fixture(autouse=True)
def on(footfall_on: None) -> None:
    """Events are sent."""


def named(numbers: Any) -> list[Any]:
    """Vectors as parameters."""
    return [pytest.param(number, id=VECTORS[number]["file"]) for number in sorted(numbers)]


def server_of(number: int) -> Recorder:
    """A server that answers as the recorder did, then with a yes."""
    given = CALLS[number]["response_given"]
    answers = given if isinstance(given, list) else [given]
    return Recorder([each for each in answers if each.get("mode") != "connection_refused"], otherwise=YES)


def api_for(number: int, server: Recorder) -> TrackerApi:
    """The object that the recorded call is made on."""
    config = CALLS[number]["call"]["config"]
    base = config["base_url"].replace("<HOST>:<PORT>", server.host).replace("<HOST>:<CLOSED_PORT>", "127.0.0.1:9")
    return TrackerApi(config["api_key"], base, config["skip_verify"])


def assert_same(asked: Asked, recorded: dict[str, Any], number: int) -> None:
    """The request is the recorded one, but for what is repaired."""
    headers = {name.lower(): value for name, value in recorded["headers"].items()}
    assert (asked.method, "/" + asked.path.lstrip("/")) == (recorded["method"], "/" + recorded["path"].lstrip("/"))
    assert (asked.path, asked.query) == (asked.path.replace("//", "/"), {})
    assert asked.headers["x-api_key"] == ("abc" if number == 6 else headers["x-api_key"])
    if recorded["method"] == "POST":
        assert asked.headers["content-type"] == headers["content-type"]
    if number in SENT:
        assert json.loads(asked.body) == {**recorded["body_json"], **SENT[number]}
    else:
        assert asked.body.decode() == recorded["body_text"]


def test_every_call_is_made() -> None:
    """A recording that is added fails here until somebody says what becomes of it."""
    handled = {*CHECKED, *FILES, *VERIFIED, *REGISTERED, *OPENED, *HAPPENED, *WHOLE}
    assert handled == CALLS.keys()
    # What an answer to an event does is the courier's matter: no such defect can show in the call.
    assert {number for number in CALLS if CALLS[number]["defect"]} <= REPAIRED.keys() | set(HAPPENED)
    assert SENT.keys() <= REPAIRED.keys() | set(HAPPENED)


@pytest.mark.parametrize("number", named(VERIFIED))
def test_verify(number: int, capsys: pytest.CaptureFixture[str]) -> None:
    """001 to 007: the constructor asks about the key."""
    vector = CALLS[number]
    with server_of(number) as server:
        raised: Any = None
        try:
            api_for(number, server)
        except (requests.exceptions.HTTPError, ConfigurationError) as error:
            raised = error
        recorded = vector.get("client_raised")
        if number in REPAIRED:
            assert (raised and type(raised)) == REPAIRED[number][0]
            assert vector["call"]["config"]["api_key"] not in str(raised)
        elif recorded:
            assert f"{type(raised).__module__}.{type(raised).__qualname__}" == recorded["type"]
            assert str(raised) == recorded["message"].replace("<HOST>:<PORT>", server.host)
            assert raised.response.json() == json.loads(vector["response_given"]["body"])
        else:
            assert raised is None
        assert len(server.asked) == (0 if number == 7 else 1)
        for asked in server.asked:
            assert_same(asked, {**CALLS[1]["request"], **(vector["request"] or {})}, number)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("number", named(REGISTERED))
def test_register(number: int, capsys: pytest.CaptureFixture[str]) -> None:
    """008 to 011: at once, one request, and nothing is returned."""
    vector = CALLS[number]
    with server_of(number) as server:
        config = JobConfig(**vector["call"]["args"][0])
        assert api_for(number, server).register_job_config(config) is vector["client_returned"]
        (asked,) = server.asked
        assert_same(asked, vector["request"], number)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("number", named(OPENED))
def test_create_job(number: int, capsys: pytest.CaptureFixture[str]) -> None:
    """018 to 027: at once, and the job that is returned has our id."""
    vector = CALLS[number]
    with server_of(number) as server:
        job = api_for(number, server).create_job(*vector["call"]["args"])
        assert isinstance(job, TrackerJobApi)
        expected = REPAIRED[number][0] if number in REPAIRED else vector["client_returned"]["provider_job_id"]
        assert job.provider_job_id == expected
        asked = list(server.asked)
        assert len(asked) == (0 if number == 20 else 1)
        for each, recorded in zip(asked, requests_of(vector), strict=False):
            assert_same(each, recorded, number)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("number", named(HAPPENED))
def test_send_event(number: int, capsys: pytest.CaptureFixture[str]) -> None:
    """028 to 053: whatever the server does, the call returns; the first request is the recorded one."""
    vector = CALLS[number]
    call, function = vector["call"], vector["call"]["function"]
    with server_of(number) as server:
        api = api_for(number, server)
        sender = api if function == "TrackerApi.send_event" else TrackerJobApi(api, call["config"]["provider_job_id"])
        event = sender.send_event(*values_of(call["args"]))
        assert (event.event_id, event.api) == (None, api)
        pending = footfall.drain(12.0).pending  # more than one exchange may take
        if number == 53:
            assert (server.asked, pending) == ([], 1)
            return
        body = {"kind": "step", "tag": "say_hello", "provider_job_id": "job-1", "event_metadata": {}}
        recorded = vector["request"] or {**CALLS[28]["request"], "body_json": body}
        assert_same(server.asked[0], recorded, number)
        # Kept until somebody looks at the key; anything else is settled.
        assert pending == (1 if number in {46, 47} else 0)
    assert capsys.readouterr().out == ""


def values_of(args: list[Any]) -> list[Any]:
    """The arguments as the caller had them."""
    return [values(each) for each in args]


def test_the_whole_job() -> None:
    """054: key, configuration, job and events, in this order, byte for byte."""
    vector = CALLS[54]
    recorded = requests_of(vector)
    with server_of(54) as server:
        api = api_for(54, server)
        api.register_job_config(JobConfig(**recorded[1]["body_json"]))
        job = api.create_job(**recorded[2]["body_json"])
        for each in (recorded[3]["body_json"], recorded[4]["body_json"]):
            job.send_event(each["kind"], each["tag"], each["event_metadata"])
        assert footfall.drain(25.0).pending == 0
        for asked, each in zip(server.asked, recorded, strict=True):
            assert_same(asked, each, 54)


@pytest.mark.parametrize("number", named(CHECKED))
def test_checked_before(number: int, tmp_path: Path) -> None:
    """012 to 014, 017: what is wrong with a configuration is said where it is made."""
    call = CALLS[number]["call"]
    makers = {"JobConfig": JobConfig, "StepConfig": StepConfig, "JobConfigManager": JobConfigManager}
    with pytest.raises(CHECKED[number]) as caught:
        makers[call["function"]](**in_files(call["kwargs"], tmp_path))
    assert isinstance(caught.value, ValueError)
    words = {12: "'s'", 13: "points", 14: "name", 17: "'my_job'"}
    assert words[number] in str(caught.value)


@pytest.mark.parametrize("number", named(FILES))
def test_files(number: int, tmp_path: Path) -> None:
    """015, 016: ``$schema`` is dropped, and a version that is missing is made."""
    call = CALLS[number]["call"]
    manager = JobConfigManager(**in_files(call["kwargs"], tmp_path))
    if number == 16:
        assert {tag: manager.get_job_config(tag).version[:6] for tag in manager.tags} == REPAIRED[16][0]
    else:
        assert {tag: manager.get_job_config(tag).dict() for tag in manager.tags} == CALLS[15]["client_returned"]


def in_files(kwargs: dict[str, Any], folder: Path) -> dict[str, Any]:
    """The recorded arguments, with the content of a file in a file."""
    if "configurations_file" not in kwargs:
        return kwargs
    path = folder / "jobs.json"
    path.write_text(json.dumps(kwargs["configurations_file"]))
    return {**kwargs, "configurations_file": path}
