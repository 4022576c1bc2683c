"""What programs do with the facade of trackerapi besides the recorded calls."""

from __future__ import annotations

import copy
import json
import logging
import pickle
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import footfall
from footfall import jobs, runtime
from footfall.errors import ConfigurationError, DuplicateJobError, RegistryError, UnknownTagError, trouble
from footfall.facade.tracker import (
    DuplicateJobConfigException,
    JobConfig,
    JobConfigManager,
    JobConfigs,
    MetadataConfig,
    MissingJobConfigException,
    StepConfig,
    TrackerApi,
    TrackerJobApi,
    load_job_configuration_from_json,
    load_job_configurations_from_json,
)
from footfall.facade.tracker.telling import MAX_METADATA_BYTES
from footfall.scrub import TRUNCATED
from footfall.testing.sink.client import Received, Sink
from tests import vectors
from tests.facade.ramenhelp import Recorder
from tests.process.harness import GUARD_SECONDS, Observation

DRAIN_SECONDS = 25.0
"""More than one exchange may take: what must not be sent twice is not begun without that much time."""

YES = {"status": 200, "body": '{"id": 1}'}

WORK = JobConfig("My Job", "my_job", [StepConfig("Say Hello", "say_hello", 10), StepConfig("Say Bye", "say_bye", 5)])


@pytest.fixture
def api(tmp_path: Path, footfall_on: None) -> Any:
    """A provider at a sink of its own: jobs have ids for ever."""
    with Sink(tmp_path / "own-sink") as sink:
        yield Provider(sink)


class Provider:
    """A sink, and what is told to it."""

    def __init__(self, sink: Sink) -> None:
        self.sink = sink

    def api(self, key: str = "key-1", **options: Any) -> TrackerApi:
        return TrackerApi(key, self.sink.url, **options)

    def told(self, *, pending: int = 0) -> list[Received]:
        """All requests, once all is delivered that can be."""
        assert footfall.drain(DRAIN_SECONDS).pending == pending
        return self.sink.requests()

    def bodies(self, path: str, *, pending: int = 0) -> list[dict[str, Any]]:
        """Bodies that were taken at *path*."""
        return [json.loads(each.body) for each in self.told(pending=pending) if each.path == path and each.accepted]


def said(caplog: pytest.LogCaptureFixture) -> str:
    return "\n".join(record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING)


# -- the manual -----------------------------------------------------------------------------------------------------


def manual() -> tuple[str, str]:
    """The original's README: its configuration file and its last program, as they are."""
    (page,) = (vectors.FOLDER.parents[1] / "seeds").glob("003_*.txt")
    # Blocks stand in a list, so that four blanks before each line are the list's; one line has only three.
    blocks = re.findall(r"```(json|python)\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    plain = [(kind, re.sub(r"(?m)^ {1,4}", "", text)) for kind, text in blocks]
    (configuration,) = (text for kind, text in plain if kind == "json")
    return configuration, [text for kind, text in plain if kind == "python"][-1]


def test_the_manuals_program_runs(observation: Observation) -> None:
    """Word for word but for the import and the two blanks it leaves to fill in: no version, a job by its name."""
    configuration, program = manual()
    folder, before = observation.directory / "manual", len(observation.sink.requests())
    folder.mkdir()
    (folder / "job_configurations.json").write_text(configuration)
    program = program.replace("from trackerapi import", "from footfall.facade.tracker import")
    filled = {"<your api key>": "canary-key", "<url for tracker app backend>": observation.sink.url}
    for blank, value in filled.items():
        assert blank in program
        program = program.replace(blank, value)
    (folder / "my_job.py").write_text(program)

    def run(*command: str) -> str:
        done = subprocess.run(
            [sys.executable, *command],
            cwd=folder,
            env=observation.environment(PYTHONHASHSEED="0"),
            capture_output=True,
            text=True,
            timeout=GUARD_SECONDS,
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, ""), done.stderr
        return done.stdout

    assert "Generated JSON Schema for JobConfigs at" in run("-m", "footfall.facade.tracker.generate_json_schemas")
    assert (folder / "job-configurations-schema.generated.json").exists()
    assert re.fullmatch(r"Hello John!\nRandom Number \d+\nBye John!\n", run("my_job.py", "John"))
    # The key is in no file, so what the program could not deliver itself waits for one that has it.
    url = observation.sink.url
    run("-c", f"import footfall.facade.tracker as t, footfall; t.TrackerApi('canary-key', {url!r}); footfall.drain(25)")
    taken = [each for each in observation.sink.requests()[before:] if each.accepted]
    paths = [each.path for each in taken if each.method == "POST"]
    assert paths == ["/job_configurations", "/jobs", "/events", "/events", "/events"]
    registered, job, *events = (json.loads(each.body) for each in taken if each.method == "POST")
    assert re.fullmatch(r"0\.0\.0\+[0-9a-f]{12}", registered["version"])
    assert (job["tag"], job["customer_id"]) == ("my_job", 142)
    assert [(each["kind"], each["tag"]) for each in events] == [
        ("step", "say_hello"),
        ("step", "random_number"),
        ("step", "say_bye"),
    ]
    assert events[0]["event_metadata"] == {"Message": "Hello John!"}
    assert {each["provider_job_id"] for each in events} == {job["provider_job_id"]}
    state = [path for path in observation.directory.rglob("*") if path.is_file() and path.parent != folder]
    assert state
    assert not [path for path in state if b"canary-key" in path.read_bytes()]


# -- jobs and events ------------------------------------------------------------------------------------------------


def test_both_forms_of_a_call(api: Provider) -> None:
    """The manual says ``name``, the code ``tag``; the third place is the metadata in either."""
    tracker = api.api()
    tracker.register_job_config(WORK)
    job = tracker.create_job("job-1", 142, "my_job")
    job.send_event("step", "say_hello", {"n": 1})
    job.send_event(kind="step", name="say_hello", metadata={"n": 2})
    job.send_event(kind="step", tag="say_hello", metadata={"n": 3})
    tracker.send_event("step", "say_hello", "job-1", {"n": 4})
    tracker.send_event(kind="step", name="say_hello", provider_job_id="job-1", metadata={"n": 5})
    TrackerJobApi(tracker, "job-1").send_event("complete")
    bodies = api.bodies("/events")
    assert [each["event_metadata"].get("n") for each in bodies] == [1, 2, 3, 4, 5, None]
    assert {each["tag"] for each in bodies[:5]} == {"say_hello"}
    assert (bodies[5]["kind"], bodies[5]["tag"]) == ("complete", None)


def test_a_step_is_known_by_its_name_too(api: Provider, caplog: pytest.LogCaptureFixture) -> None:
    """D6: one that the job does not have would be a 500; the event goes without it, and the log says what was meant."""
    tracker = api.api()
    tracker.register_job_config(WORK)
    job = tracker.create_job("job-1", 142, "My Job")
    for step in ("Say Bye", "say_helo", 7):
        job.send_event("step", step)  # type: ignore[arg-type]
    assert [each["tag"] for each in api.bodies("/events")] == ["say_bye", None, None]
    assert "'say_helo' is none; did you mean 'say_hello'?" in said(caplog)


def test_an_event_that_cannot_be(api: Provider, caplog: pytest.LogCaptureFixture) -> None:
    """D6: of a kind that there is not, or of no job: counted, said in the log, not sent. Kinds come in any case."""
    job = TrackerJobApi(api.api(skip_verify=True), "job-1")
    for kind in ("steps", 5, None):
        job.send_event(kind, "a")  # type: ignore[arg-type]
    job.api.send_event("step", "a")
    ledger = footfall.drain(DRAIN_SECONDS)
    (account,) = (each for each in ledger.accounts if each.destination.startswith("tracker"))
    assert (account.accepted, {reason.value: n for reason, n in account.dropped.items()}) == (4, {"untranslatable": 4})
    assert api.sink.requests() == []
    assert "kind 'steps'; did you mean 'step'?" in said(caplog)
    assert "an event is not reported: provider_job_id must be a text, not 'null'" in said(caplog)
    tracker = api.api()
    tracker.register_job_config(WORK)
    tracker.create_job("job-2", 142, "my_job").send_event("Complete")
    assert [each["kind"] for each in api.bodies("/events")] == ["complete"]


def test_what_is_told_while_nobody_answers_arrives_in_order(api: Provider) -> None:
    """D3, D4: no call raises; configuration, job and events go out when the server is back, each once."""
    api.sink.set_mode("refuse")
    JobConfigManager([WORK])
    tracker = api.api()
    job = tracker.create_job("job-1", 142, "my_job")
    assert job.provider_job_id == "job-1"
    for number in range(40):
        job.send_event("step", "say_hello", {"n": number})
    job.send_event("complete")
    api.sink.set_mode("ok")
    requests = [each for each in api.told() if each.method == "POST"]
    assert [each.path for each in requests][:2] == ["/job_configurations", "/jobs"]
    events = [json.loads(each.body) for each in requests[2:]]
    assert [each["event_metadata"].get("n") for each in events] == [*range(40), None]
    assert all(each.answer == 200 for each in requests)


def test_a_server_that_is_away_is_not_waited_for_again(api: Provider) -> None:
    """D1, D2: one question goes unanswered; what would be the next ones are kept."""
    with Recorder(otherwise={"mode": "close"}) as server:
        tracker = TrackerApi("k", f"http://{server.host}")
        for number in range(5):
            tracker.create_job(f"job-{number}", 142, "my_job")
        assert [each.path for each in server.asked if each.method == "GET"] == ["/api-keys/protected"]
        assert trouble.counts["tracker unreachable"] == 1


@pytest.mark.parametrize("status", [429, 503, 403, 302])
def test_an_answer_that_is_no_answer_is_asked_later(api: Provider, status: int, hidden_errors: list[Any]) -> None:
    """P9, D7: a wait that the server asks for is kept to, redirects are not followed, and the job goes on."""
    answer = {"status": status, "body": "{}", "headers": {"Retry-After": "120", "Location": "/login"}}
    with Recorder([YES, answer], otherwise=YES) as server:
        tracker = TrackerApi("k", f"http://{server.host}")
        jobs_opened = [tracker.create_job(f"job-{number}", 142, "my_job") for number in range(2)]
        assert [each.provider_job_id for each in jobs_opened] == ["job-0", "job-1"]
        asked_now = [(each.method, each.path) for each in server.asked]
        assert asked_now[:2] == [("GET", "/api-keys/protected"), ("POST", "/jobs")]
        assert ("GET", "/login") not in asked_now
        assert tracker.account._ask_at > 0


def test_a_job_that_the_server_does_not_want(api: Provider, caplog: pytest.LogCaptureFixture) -> None:
    """D3: the job goes on; its events would fail one by one, so they are not sent, but counted."""
    JobConfigManager([JobConfig("Other", "my_jobs", [])])
    job = api.api().create_job("job-1", 142, "my_job")
    for _ in range(3):
        job.send_event("step", "say_hello")
    assert api.bodies("/events") == []
    ledger = footfall.drain(DRAIN_SECONDS)
    assert {each.destination.split(":")[0]: each.lost for each in ledger.accounts} == {"none": 4}
    assert "tracker answered 400: no configuration 'my_job' is registered; did you mean 'my_jobs'?" in said(caplog)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (("job-1", None, "my_job"), "customer_id must be the number of a user of the backend"),
        (("job-1", "alice", "my_job"), "not 'alice'"),
        ((None, 142, "my_job"), "provider_job_id must be a text"),
        (("job-1", 142, ""), "tag must be the tag of a job configuration"),
        ((object(), object(), object()), "provider_job_id must be a text"),
    ],
)
def test_a_job_that_cannot_be(api: Provider, caplog: pytest.LogCaptureFixture, given: Any, words: str) -> None:
    """D6: said in the log before anything is sent; no call raises."""
    job = api.api().create_job(*given)
    assert job.provider_job_id == given[0]
    job.send_event("complete")
    assert [each.path for each in api.told()] == ["/api-keys/protected"]
    assert words in said(caplog)


def test_numbers_become_texts(api: Provider) -> None:
    """As in the backend: the id of a job, and a customer in digits."""
    tracker = api.api()
    tracker.register_job_config(WORK)
    job = tracker.create_job(5, "142", "my_job")  # type: ignore[arg-type]
    assert job.provider_job_id == "5"
    job.send_event("complete")
    assert api.bodies("/jobs") == [{"provider_job_id": "5", "customer_id": "142", "tag": "my_job"}]
    assert [each["provider_job_id"] for each in api.bodies("/events")] == ["5"]


def test_metadata_is_scrubbed_and_small(footfall_on: None) -> None:
    """D10: secrets, paths and addresses are taken out before anything is written; what is no scalar becomes text."""
    given = {
        "password": "hunter2",
        "who": "mail to alice@example.org",
        "where": "/home/alice/data.csv",
        "none": None,
        "list": ["a", "b"],
        "nested": {"a": [1]},
        "number": 0.5,
        "inf": float("inf"),
        "object": object(),
        3: True,
    }
    large = {f"k{number}": "x" * 8000 for number in range(20)}
    with Recorder(otherwise=YES) as server:
        job = TrackerJobApi(TrackerApi("k", f"http://{server.host}", skip_verify=True), "job-1")
        for each in (given, large, [1, 2]):
            job.send_event("info", None, each)  # type: ignore[arg-type]
        assert footfall.drain(DRAIN_SECONDS).pending == 0
        found, bounded, listed = (json.loads(asked.body)["event_metadata"] for asked in server.asked)
    assert listed == {"metadata": "[1,2]"}
    assert list(bounded) == ["k0", "k1", "k2", "k3", TRUNCATED]
    assert len(json.dumps(bounded)) < MAX_METADATA_BYTES
    assert found == {
        "password": "<redacted:key>",
        "who": "mail to <redacted:email>",
        "where": "<redacted:path>",
        "list": "a, b",
        "nested": '{"a":[1]}',
        "number": 0.5,
        "inf": "Infinity",
        "object": "<object>",
        "3": True,
    }


# -- configurations -------------------------------------------------------------------------------------------------


def test_a_changed_configuration_is_said_in_the_log(api: Provider, caplog: pytest.LogCaptureFixture) -> None:
    """D3, D6: the server refuses other content under one version; the job goes on, and the log says what changed."""
    tracker = api.api()
    steps = [StepConfig("Say Hello", "say_hello", 10)]
    tracker.register_job_config(JobConfig("My Job", "my_job", steps, "1.0.0"))
    tracker.register_job_config(JobConfig("My Job", "my_job", steps, "1.0.0"))
    assert said(caplog) == ""
    tracker.register_job_config(JobConfig("My Job", "my_job", [StepConfig("Say Hello", "say_hello", 11)], "1.0.0"))
    assert "points were 10, are 11; give it a new version, such as 1.0.1" in said(caplog)
    tracker.register_job_config("my_job")  # type: ignore[arg-type]
    assert "is no JobConfig" in said(caplog)
    tracker.register_job_config(jobs.JobConfig("other", "Other", (), "2.0.0"))
    assert [each["tag"] for each in api.bodies("/job_configurations")] == ["my_job", "my_job", "other"]


def test_a_loaded_configuration_is_registered_with_its_first_job(api: Provider) -> None:
    """Once for each content, so that a job has the steps that its file says; one that is registered is not again."""
    manager, tracker = JobConfigManager([WORK]), api.api()
    for number in range(2):
        tracker.create_job(f"job-{number}", 142, "my_job")
    manager.add_job_config(JobConfig("My Job", "my_job", [StepConfig("New", "new", 1)]), allow_override=True)
    tracker.create_job("job-2", 142, "my_job").send_event("step", "new")
    paths = [each.path for each in api.told() if each.method == "POST"]
    assert paths == ["/job_configurations", "/jobs", "/jobs", "/job_configurations", "/jobs", "/events"]
    assert all(each.accepted for each in api.sink.requests())
    assert [each["tag"] for each in api.bodies("/events")] == ["new"]


def test_a_configuration_without_version_has_one_of_its_content() -> None:
    """Another list of steps is another version, and the same content the same."""
    again = JobConfig("My Job", "my_job", [step.dict() for step in WORK.step_configurations])
    other = JobConfig("My Job", "my_job", WORK.step_configurations[:1])
    assert again == WORK
    assert hash(again) == hash(WORK)
    assert again.version == WORK.version != other.version
    assert re.fullmatch(r"0\.0\.0\+[0-9a-f]{12}", other.version)
    assert JobConfig("My Job", "my_job", [], "1.4rc1").version == "1.4.0-rc1"
    assert JobConfig("My Job", "my_job", [], "") == JobConfig("My Job", "my_job", [])


def test_configurations_are_values() -> None:
    """D11: equal where all is equal, hashable, copied and pickled; nothing changes them; other keys are dropped."""
    step = StepConfig("A", "a", 1, [{"name": "Duration", "kind": "number", "units": "s"}], colour="red")
    assert step.metadata_configurations == (MetadataConfig("Duration", "number", "s"),)
    assert (step.name, step.tag, step.points) == ("A", "a", 1)
    assert StepConfig("A", "a", 1, step.metadata_configurations) == step
    assert StepConfig("B", "a", 1) != StepConfig("A", "a", 1)
    assert len({step, StepConfig("A", "a", 1), StepConfig("A", "a", 1)}) == 2
    job = JobConfig(name="J", tag="j", step_configurations=[step], version="1.0.0", owner="me")
    both = JobConfigs(job_configs=[job, {"name": "K", "tag": "k", "step_configurations": []}], **{"$schema": "x"})
    loaded = JobConfigManager([job])
    assert JobConfigs(loaded.config_dict.values()) != both
    for each in (step, job, both):
        assert hash(each) == hash(copy.deepcopy(each))
        assert pickle.loads(pickle.dumps(each)) == each
        with pytest.raises(AttributeError, match="cannot be changed; make another one"):
            each.model = None
    assert job != step
    assert repr(job).startswith("JobConfig(tag='j'")
    assert JobConfigs(**both.dict()) == both
    assert both.job_configs[0].dict()["step_configurations"][0]["metadata_configurations"] == [
        {"name": "Duration", "kind": "number", "units": "s"}
    ]
    with pytest.raises(DuplicateJobError):
        JobConfigs([job, job])
    with pytest.raises(RegistryError, match="kind of metadata"):
        StepConfig("A", "a", 1, [{"name": "x", "kind": "numbers"}])


def test_the_manager(tmp_path: Path) -> None:
    """The original's calls, words and errors."""
    manager = JobConfigManager()
    manager.add_job_config(WORK)
    with pytest.raises(DuplicateJobConfigException) as twice:
        manager.add_job_config(config=WORK)
    assert str(twice.value) == "Attempting to add config with already existing tag: my_job"
    other = JobConfig("Other", "my_job", [])
    manager.add_job_config(other, allow_override=True)
    assert (manager.tags, manager.get_job_config("my_job")) == (["my_job"], other)
    with pytest.raises(MissingJobConfigException) as caught:
        manager.get_job_config(tag="nope")
    assert str(caught.value) == "No config with tag: 'nope'. Available job configs are: my_job"
    assert isinstance(caught.value, UnknownTagError)
    path = tmp_path / "jobs.yaml"
    path.write_text("job_configs: [{tag: a, name: A, step_configurations: []}]")
    manager.init_from_bulk_job_config_json(str(path))
    assert manager.tags == ["my_job", "a"]
    loaded = JobConfigManager([WORK], path, version="1.5")
    assert [loaded.get_job_config(tag).version for tag in loaded.tags] == [WORK.version, "1.5.0"]
    with pytest.raises(DuplicateJobConfigException, match="existing tag: a"):
        loaded.init_from_bulk_job_config_json(path)
    with pytest.raises(FileNotFoundError):
        JobConfigManager(configurations_file=tmp_path / "none.json")


def test_the_loaders(tmp_path: Path) -> None:
    """A file of jobs, and a file of one; errors name file and line."""
    many, one = tmp_path / "many.json", tmp_path / "one.json"
    many.write_text(json.dumps({"job_configs": [WORK.dict()]}))
    one.write_text(json.dumps(WORK.dict()))
    assert load_job_configurations_from_json(str(many)) == JobConfigs([WORK])
    assert load_job_configurations_from_json(str(many)).job_configs == (WORK,)
    assert load_job_configuration_from_json(one) == WORK
    one.write_text('{"tag": "a", "name": "A", "step_configurations": []}')
    assert load_job_configuration_from_json(one, version="2").version == "2.0.0"
    one.write_text('{"tag": "a",\n"name": 5, "step_configurations": []}')
    with pytest.raises(RegistryError, match=r"one\.json:2: name of job 'a' must be text"):
        load_job_configuration_from_json(one)


# -- servers and keys -----------------------------------------------------------------------------------------------


def test_two_providers_at_one_server(api: Provider, footfall_on: None) -> None:
    """Each event goes out under the key of its own provider, once."""
    with Recorder(otherwise=YES) as server:
        one, two = (TrackerApi(key, f"http://{server.host}", skip_verify=True) for key in ("one", "two"))
        for number in range(3):
            one.send_event("info", None, "job-1", {"n": number})
            two.send_event("info", None, "job-2", {"n": number})
        assert TrackerApi("one", f"http://{server.host}", True).account is one.account
        assert footfall.drain(DRAIN_SECONDS).pending == 0
        told = [(each.headers["x-api_key"], json.loads(each.body)["provider_job_id"]) for each in server.asked]
    assert sorted(told) == [("one", "job-1")] * 3 + [("two", "job-2")] * 3


def test_the_project_and_its_other_destinations(api: Provider) -> None:
    """A collector of the project hears of jobs and events, without metadata; the tracker hears nothing twice."""
    footfall.instrument("owner/tool", version="1.0", send_to=[footfall.Otlp(api.sink.url)])
    tracker = api.api(project="owner/tool")
    tracker.register_job_config(WORK)
    job = tracker.create_job("job-1", 142, "my_job")
    job.send_event("step", "say_hello", {"Message": "said once"})
    requests = api.told()
    assert [each.path for each in requests if each.wire == "tracker"] == [
        "/api-keys/protected",
        "/job_configurations",
        "/jobs",
        "/events",
    ]
    logs = {record["name"]: record["attributes"] for each in requests for record in each.records if each.wire == "otlp"}
    assert logs.keys() == {"job_configuration", "job", "step"}
    assert (logs["step"]["footfall.extra.job"], logs["step"]["footfall.extra.step"]) == ("job-1", "say_hello")
    assert "said once" not in json.dumps([each.records for each in requests if each.wire == "otlp"])


def test_where_the_server_is(api: Provider, caplog: pytest.LogCaptureFixture) -> None:
    """D9, D10: final slashes do no harm, and plain http to another machine is refused unless it is allowed."""
    tracker = TrackerApi(api_key="abc123", skip_verify=True)
    assert (tracker.api_key, tracker.base_url) == ("abc123", tracker.DEFAULT_BASE_URL)
    tracker = TrackerApi("k", "http://tracker.example.org/api/")
    assert tracker.urls.jobs_url == "http://tracker.example.org/api/jobs"
    assert tracker.urls.jobs_config_url == "http://tracker.example.org/api/job_configurations"
    assert tracker.urls.events_url == "http://tracker.example.org/api/events"
    assert tracker.urls.api_key_verify_url == "http://tracker.example.org/api/api-keys/protected"
    tracker.create_job("job-1", 142, "my_job").send_event("complete")
    assert "plain http to tracker.example.org would travel unprotected" in said(caplog)
    allowed = TrackerApi("k", "http://tracker.example.org/api/", True, insecure=True)
    assert allowed.account.destination is not None
    tracker.urls.set_base_url(api.sink.url)
    tracker.verify_api_key()
    assert [each.path for each in api.sink.requests()] == ["/api-keys/protected"]
    with pytest.raises(RegistryError, match="owner/name"):
        TrackerApi("k", api.sink.url, project="no project")
    for seconds in (-1.0, float("inf"), float("nan")):
        with pytest.raises(ConfigurationError, match="timeout_seconds"):
            TrackerApi("k", api.sink.url, timeout_seconds=seconds)


@pytest.mark.parametrize("key", [None, "", " \n", "a\nb: c", "a\rb", "\N{SNOWMAN}"])
def test_a_key_that_cannot_be_sent(api: Provider, key: Any, caplog: pytest.LogCaptureFixture) -> None:
    """D8: said by the constructor, or, where it must not ask, in the log; nothing goes out without a key."""
    with pytest.raises(ConfigurationError, match="api_key is missing or cannot be sent") as caught:
        TrackerApi(key, api.sink.url)
    assert "b: c" not in str(caught.value)
    TrackerApi(key, api.sink.url, skip_verify=True).create_job("job-1", 142, "my_job").send_event("complete")
    assert api.told() == []
    assert "no job is reported: tracker: the api_key is missing" in said(caplog)


def test_the_key_shows_itself_to_who_asks_for_it(api: Provider) -> None:
    """It is no attribute that a crash report walks into, and is in no pickle."""
    tracker = api.api("canary-1\n")
    assert tracker.api_key == "canary-1\n"
    assert "canary" not in repr((vars(tracker), vars(tracker.account)))
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(tracker)
    tracker.api_key = "canary-2"
    assert tracker.api_key == "canary-2"
    tracker.verify_api_key()
    assert len(api.sink.requests()) == 2


# -- switches -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["off", "local", "log"])
def test_switches(
    api: Provider, mode: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Off: nothing at all; local: the journal alone; log: shown, and nothing is asked or sent. No key is looked at."""
    monkeypatch.setenv("FOOTFALL", mode)
    tracker = TrackerApi(None if mode == "off" else "wrong", api.sink.url)
    tracker.register_job_config(WORK)
    job = tracker.create_job("job-1", 142, "my_job")
    job.send_event("complete")
    runtime.current().flush_counts()
    assert api.sink.requests() == []
    assert (tmp_path / "footfall-state").exists() == (mode != "off")
    assert ("/jobs" in capsys.readouterr().err) == (mode == "log")


def test_a_user_says_no_to_one_server(api: Provider) -> None:
    """``footfall off tracker/127.0.0.1`` is heard at once."""
    tracker = api.api()
    tracker.register_job_config(WORK)
    job = tracker.create_job("job-1", 142, "my_job")
    done = subprocess.run(
        [sys.executable, "-m", "footfall", "off", "tracker/127.0.0.1"], capture_output=True, text=True, check=True
    )
    assert "tracker/127.0.0.1" in done.stdout
    job.send_event("complete")
    tracker.create_job("job-2", 142, "my_job")
    assert footfall.drain(DRAIN_SECONDS).pending == 0
    assert len(api.sink.requests()) == 3
