"""A job tells its start, its steps, its notes and its end, and never gets in the way of its program."""

from __future__ import annotations

import asyncio
import logging
import multiprocessing
import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from jobrun import JOBS, PROJECT, SERVER, STEPS, WHOLE, instrument, told, words
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import footfall
from footfall import runtime
from footfall.errors import ChangedJobError, ConfigurationError, RegistryError, UnknownTagError, trouble
from footfall.instrumentation.job import Job
from footfall.jobs import load_mapping
from footfall.journal.reader import JournalReader, journals
from footfall.testing.captured import Captured


@pytest.fixture
def captured(footfall_capture: Captured) -> Captured:
    """The project is instrumented, and what it records is kept."""
    instrument()
    return footfall_capture


def events(captured: Captured) -> list[dict[str, Any]]:
    return [body for path, body in told(captured.usages) if path == "/events"]


def fail(job: Job, error: BaseException) -> None:
    """Do one step, and fail at the second."""
    with job:
        job.step_done("say_hello", value=7)
        with job.step("random_number") as step:
            step.add(more="m")
            raise error


def test_a_job_with_steps(captured: Captured):
    """The configuration first, then the job, each step with what it reports, a note, and the end, all of one id."""
    with footfall.job("my_job", customer_id=142) as job:
        with job.step("say_hello", message="Hello John!") as step:
            step.add(length=11)
        job.step_done("random_number", value=7)
        job.note("half way", left=1)
        with job.step("say_bye"):
            pass
    found = told(captured.usages)
    bodies = [body for _, body in found]
    assert found[0] == (
        "/job_configurations",
        {**JOBS["job_configs"][0], "step_configurations": bodies[0]["step_configurations"]},
    )
    assert [step["tag"] for step in bodies[0]["step_configurations"]] == list(STEPS)
    assert found[1] == ("/jobs", {"provider_job_id": job.provider_job_id, "customer_id": 142, "tag": "my_job"})
    assert [(each["kind"], each["tag"], each["event_metadata"]) for each in bodies[2:]] == [
        ("step", "say_hello", {"message": "Hello John!", "length": 11}),
        ("step", "random_number", {"value": 7}),
        ("info", None, {"message": "half way", "left": 1}),
        ("step", "say_bye", {}),
        ("complete", None, {}),
    ]
    assert {each["provider_job_id"] for each in bodies[1:]} == {job.provider_job_id}
    assert (job.points_done, job.points) == (35, 35)


def test_steps_are_inside_of_their_job_and_of_each_other(captured: Captured):
    """One trace; a nested step has the outer one as its parent, a note the innermost."""
    with footfall.job("my_job", customer_id=1) as job, job.step("say_hello"):
        job.note("inside")
        with job.step("say_bye"):
            pass
    by_name = {each.name: each for each in captured.usages if each.name != "job_configuration"}
    assert by_name["say_hello"].parent_span_id == by_name["my_job"].span_id
    assert by_name["say_bye"].parent_span_id == by_name["note"].parent_span_id == by_name["say_hello"].span_id
    assert len({each.trace_id for each in by_name.values()}) == 1


def test_a_failed_step(captured: Captured):
    """An error with the class name and nothing of its text, no points; the exception passes as it is."""
    error, job = LookupError("/home/john/secret.txt"), footfall.job("my_job", customer_id=1)
    with pytest.raises(LookupError) as caught:
        fail(job, error)
    assert caught.value is error
    assert [(each["kind"], each["tag"], each["event_metadata"]) for each in events(captured)] == [
        ("step", "say_hello", {"value": 7}),
        ("error", "random_number", {"more": "m", "exception.type": "LookupError"}),
        ("error", None, {"exception.type": "LookupError"}),
    ]
    assert job.points_done == 10
    assert "secret" not in repr(captured.usages)


@pytest.mark.parametrize(
    ("error", "end"), [(SystemExit(0), "complete"), (SystemExit(3), "error"), (KeyboardInterrupt(), "error")]
)
def test_how_a_job_ends(captured: Captured, error: BaseException, end: str):
    """As the process does: status 0 is a good end, Ctrl-C is not."""
    with pytest.raises(type(error)), footfall.job("my_job", customer_id=1):
        raise error
    assert words(captured)[-1] == end


def test_a_step_counts_once(captured: Captured):
    """The second time it is done the server is not told again; that it failed in between, it is."""
    with footfall.job("my_job", customer_id=1) as job:
        job.step_done("say_hello")
        job.step_done("say_hello")
        with pytest.raises(LookupError), job.step("say_hello"):
            raise LookupError
    assert words(captured)[2:] == ["step say_hello", "error say_hello", "complete"]
    assert job.points_done == 10
    assert sum(each.name == "say_hello" for each in captured.usages) == 3


def test_ended_by_hand_inside_of_its_block(captured: Captured):
    """The block then ends nothing more, and what follows is inside of neither job nor step."""
    with footfall.job("my_job", customer_id=1) as job:
        with job.step("say_hello") as step:
            step.finish()
        job.end()
    footfall.event("after")
    assert words(captured)[2:] == ["step say_hello", "complete"]
    assert captured.usages[-1].parent_span_id == ""


def test_tags_and_values_of_any_type(captured: Captured):
    """Nothing that a program says raises in it."""

    class Odd:
        def __repr__(self) -> str:
            raise LookupError

    with footfall.job("my_job", customer_id=1) as job:
        job.step_done(7)  # type: ignore[arg-type]
        job.step_done("say_hello", odd=Odd(), many=[1, {"a": None}], none=None)
        job.note("\ud800", odd=Odd())
    assert words(captured)[2:] == ["step", "step say_hello", "info", "complete"]
    assert events(captured)[1]["event_metadata"]["odd"] == "<Odd>"


def test_what_is_reported_is_scrubbed(captured: Captured):
    """Metadata of steps, notes and jobs go through the second net."""
    with footfall.job("my_job", customer_id=1, password="hunter2") as job:
        job.step_done("say_hello", token="hunter2", who="john@example.org")
        job.note("mail to john@example.org")
    text = repr(captured.usages)
    assert "hunter2" not in text
    assert "john@example" not in text


def test_a_job_as_a_decorator(captured: Captured):
    """Each call is a job of its own, with an id of its own."""

    @footfall.job("my_job", customer_id=1)
    def work(x: int) -> int:
        return x + 1

    assert (work(1), work(2)) == (2, 3)
    opened = [body for path, body in told(captured.usages) if path == "/jobs"]
    assert len({each["provider_job_id"] for each in opened}) == 2


def test_a_decorator_before_the_project_is_instrumented(footfall_capture: Captured):
    """A script may decorate first and configure later."""

    @footfall.job("my_job", customer_id=1)
    def work() -> None:
        hello()

    @footfall.step("say_hello")
    def hello() -> None: ...

    instrument()
    work()
    assert words(footfall_capture) == ["job_configurations", "jobs", "step say_hello", "complete"]


def test_without_a_block_it_begins_with_the_first_step(captured: Captured):
    """And ends with the process, here with its runtime; a job that did nothing is none."""
    footfall.job("my_job", customer_id=1)
    idle = footfall.job("my_job", customer_id=1)
    assert captured.usages == []
    job = footfall.job("my_job", customer_id=1)
    job.step_done("say_hello")
    assert words(captured)[1:] == ["jobs", "step say_hello"]
    captured.runtime.shutdown()
    assert words(captured)[1:] == ["jobs", "step say_hello", "complete"]
    assert not idle.claimed


def test_async_jobs_beside_each_other(captured: Captured):
    """Each task's steps go to its own job, also those of decorated coroutine functions."""

    @footfall.step("say_hello")
    async def hello() -> None:
        await asyncio.sleep(0.001)

    async def one(number: int) -> str:
        with footfall.job("my_job", customer_id=number) as job:
            await hello()
            with job.step("say_bye"):
                await asyncio.sleep(0.001)
        return job.provider_job_id

    async def main() -> list[str]:
        return await asyncio.gather(*(one(number) for number in range(1, 4)))

    ids = asyncio.run(main())
    found = {
        job_id: [
            each["tag"] for each in events(captured) if each["provider_job_id"] == job_id and each["kind"] == "step"
        ]
        for job_id in ids
    }
    assert found == {job_id: ["say_hello", "say_bye"] for job_id in ids}


def test_a_cancelled_task(captured: Captured):
    """Is an error of step and job, by the class name of what was raised."""

    async def main() -> None:
        async def work() -> None:
            with footfall.job("my_job", customer_id=1) as job, job.step("say_hello"):
                await asyncio.sleep(60)

        task = asyncio.create_task(work())
        await asyncio.sleep(0.01)
        task.cancel()
        await asyncio.wait([task])

    asyncio.run(main())
    assert words(captured)[2:] == ["error say_hello", "error"]


def test_worker_threads(captured: Captured):
    """Threads have no context of their own: their steps go to the job under way, by name and by object."""

    @footfall.step("say_hello")
    def hello() -> None: ...

    with footfall.job("my_job", customer_id=1) as job, ThreadPoolExecutor(2) as pool:
        pool.submit(hello).result(60)
        pool.submit(job.step_done, "say_bye").result(60)
    hello()
    assert words(captured)[2:] == ["step say_hello", "step say_bye", "complete"]
    assert job.points_done == 20


def test_a_thread_beside_two_jobs_guesses_nothing(captured: Captured):
    """Which of them it works for nobody knows: its use is told to no tracker."""

    @footfall.step("say_hello")
    def hello() -> None: ...

    with footfall.job("my_job", customer_id=1), footfall.job("my_job", customer_id=1):
        thread = threading.Thread(target=hello)
        thread.start()
        thread.join(60)
        hello()
    assert words(captured)[4:] == ["step say_hello", "complete", "complete"]


def test_the_same_step_from_many_threads(captured: Captured):
    """Counts once."""
    with footfall.job("my_job", customer_id=1) as job, ThreadPoolExecutor(8) as pool:
        for _ in range(64):
            pool.submit(job.step_done, "say_hello")
    assert words(captured)[2:] == ["step say_hello", "complete"]


def in_child(tag: str) -> None:
    inherited[0].step_done(tag)


inherited: list[Any] = []


def test_a_forked_pool(captured: Captured):
    """Its workers' steps carry the job's id, count in the parent, and none of them ends the job."""
    with footfall.job("my_job", customer_id=1) as job:
        inherited[:] = [job]
        with multiprocessing.get_context("fork").Pool(2) as pool:
            pool.map(in_child, STEPS)
            pool.close()
            pool.join()
        assert (job.points_done, job.points) == (35, 35)
    inherited.clear()
    assert sorted(words(captured)) == sorted(WHOLE)
    assert {each["provider_job_id"] for each in events(captured)} == {job.provider_job_id}


def test_a_pool_that_gets_the_job_sent(captured: Captured):
    """A forked worker finds its own copy again, whose steps count in the parent."""
    with footfall.job("my_job", customer_id=1) as job, multiprocessing.get_context("fork").Pool(2) as pool:
        pool.map(job.step_done, STEPS)
        pool.close()
        pool.join()
    assert job.points_done == 35
    assert sorted(words(captured)) == sorted(WHOLE)


SCRIPT = """\
import sys
import footfall
from jobrun import instrument

instrument()
job = footfall.job("my_job", customer_id=1)
job.step_done("say_hello")
{end}
"""


@pytest.mark.parametrize(
    ("end", "status", "kind"),
    [
        ("", 0, "complete"),
        ("sys.exit(0)", 0, "complete"),
        ("sys.exit(3)", 3, "error"),
        ("raise LookupError", 1, "error"),
    ],
)
def test_a_script_without_a_block(tmp_path: Path, end: str, status: int, kind: str):
    """Its job ends as the process does."""
    assert run(tmp_path, SCRIPT.format(end=end))[0] == status
    captured = Captured(runtime.current(), Path(os.environ["FOOTFALL_DIR"]))
    assert words(captured)[2:] == ["step say_hello", kind]


def run(directory: Path, source: str) -> tuple[int, str, str]:
    """Run a program in a process of its own; return status, and what it printed."""
    program = directory / "program.py"
    program.write_text(source)
    done = subprocess.run(
        [sys.executable, "-W", "error", str(program)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *filter(None, sys.path)])},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


SPAWNED = """\
import multiprocessing
import footfall
from jobrun import JOBS

footfall.instrument("demo/job", version="2.0", jobs=JOBS, send_to=[footfall.Tracker("http://127.0.0.1:9")])

if __name__ == "__main__":
    with footfall.job("my_job", customer_id=1, progress=False) as job:
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            pool.map(job.step_done, ("say_hello", "say_bye"))
            pool.close()
            pool.join()
        job.step_done("random_number")
    print(job.provider_job_id)
"""


def test_a_spawned_pool(tmp_path: Path):
    """A worker that shares nothing with its parent takes part in the job, and does not begin or end it."""
    status, printed, said = run(tmp_path, SPAWNED)
    assert (status, said) == (0, "")
    captured = Captured(runtime.current(), Path(os.environ["FOOTFALL_DIR"]))
    assert sorted(words(captured)) == sorted(WHOLE)
    assert {each["provider_job_id"] for each in events(captured)} == {printed.strip()}


def test_other_servers_are_not_told_of_configurations(footfall_capture: Captured):
    """They have no use for it: only the tracker of a project is told."""
    other = footfall.Migas("http://127.0.0.1:9")
    instrument(send_to=[SERVER, other])
    with footfall.job("my_job", customer_id=1) as job:
        job.step_done("say_hello")
    (path,) = journals(footfall_capture.runtime.find_places().journal)
    observed = JournalReader(path).read(0).observed
    assert [(each.usage.name, len(each.send_to)) for each in observed] == [
        ("job_configuration", 1),
        ("my_job", 2),
        ("say_hello", 2),
        ("my_job", 2),
    ]


def test_registered_functions_are_job_and_steps(footfall_capture: Captured, tmp_path, monkeypatch):
    """The registry alone: no line of the program names footfall, and captured arguments are what a step reports."""
    (tmp_path / "plainjob.py").write_text(
        "def main(name):\n    hello(name)\n    return number() + len(list(bye(name)))\n"
        "def hello(name):\n    return f'Hello {name}'\n"
        "def number():\n    return 7\n"
        "def bye(name):\n    yield from 'Bye'\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    registry = [
        {"function": "plainjob:main", "job": "my_job", "extra": {"tracker.customer_id": 142}},
        {"function": "plainjob:hello", "step": "say_hello", "capture": {"name": "len"}},
        {"function": "plainjob:number", "step": "random_number"},
        {"function": "plainjob:bye", "step": "say_bye"},
    ]
    instrument(registry={"registry": registry, "jobs": JOBS}, jobs=None)
    import plainjob

    assert plainjob.main("John") == 10
    assert plainjob.number() == 7
    assert words(footfall_capture) == WHOLE
    assert events(footfall_capture)[0]["event_metadata"] == {"name": 4}
    monkeypatch.delitem(sys.modules, "plainjob")


def test_more_steps_than_any_rate(footfall_capture: Captured):
    """A step that is only counted would be no progress."""
    many = [{"tag": f"s{number}", "name": "S", "points": 1} for number in range(100)]
    instrument(jobs={"job_configs": [{"tag": "many", "name": "M", "version": "1", "step_configurations": many}]})
    with footfall.job("many", customer_id=1) as job:
        for step in many:
            job.step_done(step["tag"])
    assert len(words(footfall_capture)) == 103


def test_without_configurations(footfall_capture: Captured):
    """The tags of the program are trusted; there are no points."""
    instrument(jobs=None)
    with footfall.job("any", customer_id=1) as job:
        job.step_done("thing")
        job.step_done("thing")
    assert words(footfall_capture) == ["jobs", "step thing", "complete"]
    assert job.points == 0


# -- mistakes ---------------------------------------------------------------------------------------------------------


def test_an_unknown_step(captured: Captured, caplog: pytest.LogCaptureFixture):
    """Said once, with the nearest right one; sent without its tag, at which the server would fail."""
    with footfall.job("my_job", customer_id=1) as job:
        for _ in range(3):
            with job.step("say_helo", n=1):
                pass
    assert [(each["kind"], each["tag"]) for each in events(captured)[:-1]] == [("step", None)] * 3
    said = [each.message for each in caplog.records if "say_helo" in each.message]
    assert len([text for text in said if "did you mean 'say_hello'" in text]) == 1
    assert trouble.counts["unknown step"] >= 3


def test_steps_by_any_name_are_one_thing_to_record(captured: Captured):
    """A program that makes up names of steps fills no memory."""
    with footfall.job("my_job", customer_id=1) as job:
        for number in range(50):
            job.step_done(f"chunk {number}")
    assert {each.name for each in captured.usages} == {"job_configuration", "my_job", "step"}


@pytest.mark.parametrize("customer", [None, -1, "john", True])
def test_no_customer(captured: Captured, caplog: pytest.LogCaptureFixture, customer: Any):
    """The job runs, the server hears nothing of it, and the log says why."""
    with footfall.job("my_job", customer_id=customer) as job:
        job.step_done("say_hello")
        job.note("x")
    assert words(captured) == []
    assert job.points_done == 10
    assert "customer_id" in caplog.text


def test_the_destination_knows_the_customer(footfall_capture: Captured):
    """Then jobs need not say it."""
    instrument(send_to=[footfall.Tracker("http://127.0.0.1:9", customer_id=142)])
    with footfall.job("my_job"):
        pass
    assert footfall_capture.usages[0].name == "job_configuration"


def test_an_unknown_job(captured: Captured, caplog: pytest.LogCaptureFixture):
    """Its server would refuse it, so it is not told; the log lists the known ones."""
    with footfall.job("my_jbo", customer_id=1) as job:
        job.step_done("say_hello")
    assert words(captured) == []
    assert "did you mean 'my_job'" in caplog.text


@pytest.mark.parametrize(
    ("tag", "step", "customer", "error"),
    [
        ("my_jbo", "", 1, UnknownTagError),
        ("my_job", "say_helo", 1, UnknownTagError),
        ("my_job", "", None, ConfigurationError),
    ],
)
def test_a_strict_job_raises(captured: Captured, tag: str, step: str, customer: Any, error: type[Exception]):
    """For tests of the program: each mistake is an exception where it is made."""
    with pytest.raises(error), footfall.job(tag, customer_id=customer, strict=True) as job:
        job.step_done(step)


def test_a_strict_job_raises_also_while_footfall_is_off(footfall_capture: Captured):
    """Tests run with it off: a test runner is at work."""
    footfall_capture.runtime.environ = {**footfall_capture.runtime.environ, "FOOTFALL": "off"}
    instrument()
    with pytest.raises(UnknownTagError), footfall.job("my_job", strict=True) as job:
        job.step_done("say_helo")
    assert footfall_capture.usages == []


@pytest.mark.parametrize(
    ("registry", "message"),
    [
        ([{"function": "m:f", "step": "say_helo"}], "did you mean 'say_hello'"),
        ([{"function": "m:f", "job": "my_jbo"}], "did you mean 'my_job'"),
        ([{"function": "m:f", "job": "my_job", "step": "say_hello"}], "not both"),
    ],
)
def test_instrument_checks_what_the_registry_names(footfall_capture: Captured, registry: Any, message: str):
    """Who configures hears of it at once."""
    with pytest.raises(RegistryError, match=message):
        instrument(registry={"registry": registry})


def test_instrument_reads_the_configurations(footfall_capture: Captured, tmp_path):
    """Errors have file and line; a file that is missing is said, too."""
    path = tmp_path / "jobs.yaml"
    path.write_text("job_configs:\n  - tag: a\n    name: A\n    version: 1.0.0\n    step_configurations: 7\n")
    with pytest.raises(RegistryError, match=r"jobs\.yaml:5: "):
        instrument(jobs=path)
    with pytest.raises(FileNotFoundError):
        instrument(jobs=tmp_path / "none.yaml")


def test_a_job_without_version_has_that_of_the_project(footfall_capture: Captured):
    """As the manual of trackerapi writes them; a project's version that is none is no answer."""
    bare = {"job_configs": [{key: value for key, value in JOBS["job_configs"][0].items() if key != "version"}]}
    instrument(jobs=bare, version="24.1rc1")
    with footfall.job("my_job", customer_id=1) as job:
        pass
    assert job.config is not None
    assert job.config.version == "24.1.0-rc1"
    with pytest.raises(RegistryError, match="version"):
        footfall.instrument("demo/other", jobs=bare, version="local build")


def test_configurations_in_every_form(footfall_capture: Captured, tmp_path):
    """A mapping, what load returned, a file beside the registry's, the registry's own."""
    import msgspec

    jobs = load_mapping(JOBS)
    (tmp_path / "jobs.json").write_bytes(msgspec.json.encode(JOBS))
    beside, inside = tmp_path / "beside.yaml", tmp_path / "inside.yaml"
    beside.write_text(f"project: {PROJECT}\njobs: jobs.json\n")
    inside.write_text(f"project: {PROJECT}\njobs: {msgspec.json.encode(JOBS).decode()}\n")
    for given in ({"jobs": JOBS}, {"jobs": jobs}, {"registry": beside}, {"registry": inside}):
        footfall.uninstrument()
        footfall.instrument(**({"project": PROJECT} | given))
        with footfall.job("my_job", customer_id=1) as job:
            pass
        assert job.config == jobs["my_job"], given


def test_a_changed_configuration_is_refused(caplog: pytest.LogCaptureFixture, footfall_on: None):
    """Before anything is sent: the job runs on, its server hears nothing, log and doctor do; a strict one raises."""
    changed = load_mapping(
        {
            "job_configs": [
                {
                    **JOBS["job_configs"][0],
                    "step_configurations": [{"tag": "say_hello", "name": "Say Hello", "points": 7}],
                }
            ]
        }
    )
    here = runtime.current()
    instrument()
    with footfall.job("my_job", customer_id=1):
        pass
    assert len(list((here.find_places().state / "jobs").iterdir())) == 1
    footfall.uninstrument()
    instrument(jobs=changed)
    ran = []
    with footfall.job("my_job", customer_id=1) as job:
        job.step_done("say_hello")
        ran.append(job.points_done)
    assert ran == [7]
    assert "changed, but its version is still 1.0.0" in caplog.text
    assert "1.0.1" in caplog.text
    assert trouble.counts["job not told"] >= 1
    with pytest.raises(ChangedJobError), footfall.job("my_job", customer_id=1, strict=True):
        pass
    assert words(Captured(here, here.find_places().state)) == ["job_configurations", "jobs", "complete"]


# -- host, logs, off --------------------------------------------------------------------------------------------------


def test_spans_of_the_host(footfall_capture: Captured):
    """A job is a root span, its steps are children with what they report, a failed one has the error's class."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    instrument(tracer_provider=provider)
    job = footfall.job("my_job", customer_id=142, site="x")
    with pytest.raises(LookupError):
        fail(job, LookupError("secret"))
    spans = {span.name: span for span in exporter.get_finished_spans()}
    root = spans["my_job"]
    assert root.parent is None
    assert {spans[name].parent.span_id for name in ("say_hello", "random_number")} == {root.context.span_id}
    assert spans["say_hello"].attributes["footfall.extra.value"] == 7
    assert spans["random_number"].attributes["footfall.extra.more"] == "m"
    assert spans["random_number"].attributes["error.type"] == "LookupError"
    assert not any(
        "customer" in key or "142" in str(value) for span in spans.values() for key, value in span.attributes.items()
    )
    by_name = {each.name: each for each in footfall_capture.usages}
    assert f"{root.context.span_id:016x}" == by_name["my_job"].span_id


def test_a_line_a_step(captured: Captured, caplog: pytest.LogCaptureFixture):
    """Of level INFO, with points; what failed is a warning without its text."""
    caplog.set_level(logging.INFO, "footfall.job")
    with pytest.raises(LookupError):
        fail(footfall.job("my_job", customer_id=1), LookupError("secret"))
    lines = [
        (each.levelname, each.message.rpartition(" in ")[0])
        for each in caplog.records
        if each.name == "footfall.job.my_job"
    ]
    assert lines == [
        ("INFO", "my_job: step say_hello done"),
        ("WARNING", "my_job: step random_number failed with LookupError"),
        ("WARNING", "my_job: ended with LookupError"),
    ]
    assert "10 of 35 points" in caplog.text
    assert "secret" not in caplog.text


def test_off(footfall_capture: Captured, caplog: pytest.LogCaptureFixture):
    """Nothing is written and nobody is told, but the program has its log lines."""
    caplog.set_level(logging.INFO, "footfall.job")
    footfall_capture.runtime.environ = {**footfall_capture.runtime.environ, "FOOTFALL": "off"}
    before = set(threading.enumerate())
    instrument()

    @footfall.step("say_hello")
    def hello() -> int:
        return 1

    with footfall.job("my_job") as job:
        assert hello() == 1
        job.step_done("say_bye")
        job.note("x")
    footfall.job("my_job").step_done("say_bye")
    assert footfall_capture.usages == []
    assert footfall_capture.runtime.places is None
    assert set(threading.enumerate()) == before
    assert "step say_bye done" in caplog.text


def test_a_project_that_nobody_instrumented(caplog: pytest.LogCaptureFixture):
    """Is said once; the job runs."""
    with footfall.job("my_job", project="some/body") as job:
        job.step_done("say_hello")
    assert "'some/body' is not instrumented" in caplog.text


def test_uninstrumented_in_the_middle(captured: Captured):
    """From then on nothing is recorded, and nothing breaks."""
    with footfall.job("my_job", customer_id=1) as job:
        job.step_done("say_hello")
        footfall.uninstrument()
        job.step_done("say_bye")
        job.note("x")
    assert "step say_bye" not in words(captured)
