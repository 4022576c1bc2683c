"""A user's program that touches every public name. It is not run: mypy and pyright must accept it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from datetime import datetime, timezone
from pathlib import Path

import footfall
from footfall import (
    Access,
    Destination,
    FootfallError,
    FootfallInstrumentor,
    FootfallLogExporter,
    FootfallSpanExporter,
    Migas,
    Otlp,
)
from footfall.testing import FakeClock, ScriptedTransport, SequentialIds, Sink, assert_ledger
from footfall.wire.base import Request, Response, Verdict, Wire


def configure() -> str:
    """Every way to say what is watched and whom to tell."""
    destinations: list[Destination] = [
        Access("https://tracking.example.org/api", services="intake_catalog"),
        Access("https://tracking.example.org/api", services=["a", "b"], headers={"X-Site": "nci"}),
        Migas("https://migas.example.org"),
        Otlp("http://localhost:4318"),
        Otlp("http://localhost:4317", protocol="grpc", compression="none"),
    ]
    try:
        reason: str = footfall.instrument(
            project="intake/intake-esm",
            version=None,
            registry="usage.yaml",
            send_to=destinations,
            extra={"site": "x"},
            consent="opt-in",
            ci="skip",
        )
    except FootfallError as error:
        return str(error)
    footfall.instrument("intake/intake-esm", registry=Path("usage.yaml"))
    footfall.instrument("intake/intake-esm", registry={"registry": ["intake_esm.core:esm_datastore.search"]})
    return reason + footfall.__version__


@footfall.register("intake_catalog", extra={"fs": "lustre"}, capture={"kind": "len"}, drop=["a"], start=True, rate=1.0)
def search(kind: str, *, limit: int = 3) -> list[str]:
    """Keeps its signature."""
    return [kind] * limit


@footfall.register()
async def fetch(url: str) -> bytes:
    """Keeps being a coroutine function."""
    return url.encode()


@footfall.register()
def items(count: int) -> Iterator[int]:
    """Keeps being a generator."""
    yield from range(count)


@footfall.register()
async def stream(count: int) -> AsyncIterator[int]:
    """Keeps being an asynchronous generator."""
    for item in range(count):
        yield item


@footfall.register()
class Catalog:
    """Keeps being a class."""

    def __init__(self, name: str) -> None:
        self.name = name

    @footfall.register("catalog")
    def open(self, mode: str) -> str:
        """Keeps being a method."""
        return self.name + mode


@footfall.track("nipreps/fmriprep", "24.0", stage="fit")
def main(argument: str) -> int:
    """Keeps its signature."""
    return len(argument)


@footfall.track("nipreps/fmriprep")
async def main_async(argument: str) -> int:
    """Keeps being a coroutine function."""
    return len(argument)


@footfall.step("say_hello", project="nipreps/fmriprep", capture={"name": "len"}, extra={"a": 1})
def hello(name: str) -> str:
    """Keeps its signature."""
    return name


@footfall.step("say_bye")
async def bye(name: str) -> str:
    """Keeps being a coroutine function."""
    return name


@footfall.job("my_job", customer_id=142, progress=False, site="x")
def work(name: str) -> int:
    """Keeps its signature."""
    return len(hello(name))


def run_jobs() -> list[str]:
    """Every way to say what a job does."""
    declared: footfall.jobs.JobConfigs = footfall.jobs.load("jobs.yaml", version=footfall.__version__)
    footfall.instrument("nipreps/fmriprep", jobs="jobs.yaml")
    footfall.instrument("nipreps/fmriprep", jobs=Path("jobs.yaml"))
    footfall.instrument("nipreps/fmriprep", jobs={"job_configs": []})
    footfall.instrument("nipreps/fmriprep", jobs=declared)
    with footfall.job("my_job", provider_job_id=7, project="nipreps/fmriprep", strict=True) as job:
        with job.step("say_hello", message="hi") as step:
            step.add(value=7)
        job.step_done("random_number", value=7)
        job.note("half way", left=1)
    done: float = job.points_done / job.points
    config: footfall.jobs.JobConfig | None = job.config
    words: str = job.tag + job.provider_job_id
    return [words, str(done), "" if config is None else config.name, str(work("a"))]


async def use() -> int:
    """Results have the types they had."""
    found: list[str] = search("a", limit=2)
    body: bytes = await fetch("x")
    numbers: list[int] = list(items(3))
    async for number in stream(2):
        numbers.append(number)
    farewell: str = await bye("x")
    opened: str = Catalog("c").open("r")
    with footfall.track("nipreps/fmriprep") as run:
        footfall.event("step", name="say_hello", points=10)
        footfall.event("step", project="nipreps/fmriprep")
    run.end()
    footfall.track("nipreps/fmriprep")
    return main(opened + farewell) + await main_async(found[0]) + len(body) + sum(numbers)


def finish() -> bool:
    """The books, and the end."""
    ledger = footfall.drain(timeout_seconds=2.0)
    assert_ledger(ledger)
    footfall.uninstrument("intake/intake-esm")
    footfall.uninstrument()
    return ledger.balanced and ledger.pending == 0


def zero_code() -> None:
    """What OpenTelemetry's auto loader does."""
    FootfallInstrumentor().instrument(project="demo/lib")
    FootfallInstrumentor().uninstrument()
    FootfallSpanExporter(project="intake/intake-esm").shutdown()
    FootfallLogExporter(project=["intake/intake-esm"]).shutdown()


def speak(wire: Wire, response: Response) -> tuple[list[Request], Verdict]:
    """A wire as its users see it."""
    return list(wire.translate([])), wire.judge(response)


def helpers(directory: Path) -> tuple[FakeClock, ScriptedTransport, SequentialIds]:
    """What one tests with."""
    with Sink(directory):
        return FakeClock(), ScriptedTransport(), SequentialIds()


def jobs(directory: Path) -> tuple[str, int, tuple[str, ...]]:
    """Job configurations as their users see them."""
    loaded: footfall.jobs.JobConfigs = footfall.jobs.load(directory, version="1.0")
    one: footfall.jobs.JobConfig = loaded["my_job"]
    step: footfall.jobs.StepConfig = one.step("say_hello")
    kinds = {metadata.kind for metadata in step.metadata_configurations}
    changed = footfall.jobs.changes(one, footfall.jobs.load_one(directory / "one.json"))
    return one.version, step.points + len(kinds) + len(footfall.jobs.load_mapping({"job_configs": []})), changed


@footfall.collector("jobs", "1.0", format="csv", header=("id",))
def collected(since: datetime, until: datetime) -> Iterator[tuple[int]]:
    """Stays what it was."""
    yield (int((until - since).total_seconds()),)


def gathering(url: str) -> tuple[list[tuple[int]], int]:
    """Collectors as plain functions."""
    now = datetime.now(timezone.utc)
    gathered = footfall.gather(since=now, until=now, subset=["collected"], send_to=footfall.Insights(url))
    return list(collected(now, now)), gathered.pending + len(gathered.tarballs)
