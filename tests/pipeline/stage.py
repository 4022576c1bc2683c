"""A program, the tiers behind it, and the servers at the end: put together, put in trouble, and judged."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, final

from footfall.testing.sink.client import Sink
from tests.e2e.conftest import packages
from tests.pipeline.judge import Arrivals
from tests.pipeline.processes import STATE, Collector, Gateway
from tests.pipeline.program import JOB, function_of
from tests.process.harness import Observation

WIRES = ["migas", "access", "ramen", "tracker", "insights", "otlp"]
"""One call in a hundred goes to each server of the older formats, a request each; the others go by OTLP, in batches."""

TOKEN = "a-token-for-tests"
ARRIVE_SECONDS = 180.0
"""After the last trouble, for all the waits that it left behind."""

UNNUMBERED = {"migas", "sdk"}
"""Projects whose records have no place for a number: as many must come as calls were made."""

QUIET = {
    "OTEL_SERVICE_NAME": "program",
    "OTEL_METRICS_EXPORTER": "none",
    "OTEL_LOGS_EXPORTER": "none",
    "PYTHONWARNINGS": "ignore",
    "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
}

FIGURES: list[str] = []
"""Printed after the checks."""


class Stage(Observation):
    """An observation of programs whose uses go to an agent."""

    def __init__(self, directory: Path, sink: Sink) -> None:
        super().__init__(directory, sink)
        self.arrivals = Arrivals(sink.directory)
        self.go = directory / "go"
        self.environments: dict[str, dict[str, str]] = {}

    def wait_until(self, holds: Callable[[Arrivals], bool], what: str, seconds: float = ARRIVE_SECONDS) -> None:
        """Wait for arrivals; a failure says what had come instead."""
        limit = time.monotonic() + seconds
        while True:
            self.arrivals.read()
            if holds(self.arrivals):
                return
            came = {project: len(keys) for project, keys in self.arrivals.keys.items()}
            assert time.monotonic() < limit, (
                f"{what} did not arrive within {seconds} s; there are {came}; the gateway's books: {self._books()}"
            )
            time.sleep(0.1)

    def _books(self) -> str:
        """Return what the gateway last said of its outbox: whether something waits there tells where to look."""
        path = self.directory / STATE / "status.json"
        return path.read_text() if path.exists() else "none"

    def wait_until_the_job_is_open(self) -> None:
        """Wait for its configuration and its start: a tracker refuses events of a job that it does not know."""
        self.wait_until(lambda there: there.requests["tracker"] >= 2, "the job")

    @contextmanager
    def program(
        self, name: str, functions: Sequence[str], *, calls: int, seconds: float, agent: str, **extra: str
    ) -> Iterator[subprocess.Popen[str]]:
        """Run the program under ``opentelemetry-instrument``, watched for a project a function."""
        projects = {f"{name}{function}": project(function, agent) for function in functions}
        environment = self.environment(
            FOOTFALL_DIR=str(self.directory / name),
            FOOTFALL_DELIVERY_INTERVAL_SECONDS="0.2",
            PYTHONPATH=packages(self.directory / f"{name}-packages", **projects),
            **{**QUIET, "OTEL_TRACES_EXPORTER": "none", **extra},
        )
        self.environments[name] = environment
        module = [
            str(Path(sys.executable).parent / "opentelemetry-instrument"),
            sys.executable,
            "-m",
            "tests.pipeline.program",
        ]
        arguments = [str(self.directory / f"{name}.confirmed"), str(self.go), str(calls), str(seconds), *functions]
        process = subprocess.Popen(
            [*module, *arguments], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        try:
            yield process
        finally:
            process.kill()
            process.communicate()

    def end(self, process: subprocess.Popen[str], seconds: float) -> None:
        """Wait for the program's good end."""
        out, err = process.communicate(timeout=seconds)
        assert (process.returncode, out, err) == (0, "done\n", ""), (process.returncode, out, err)

    def deliver(self, name: str) -> None:
        """Send what the program left, as a cron job would, and let its books be balanced."""
        footfall = [sys.executable, "-m", "footfall"]
        environment = self.environments[name]
        command = [*footfall, "send", "--deadline", str(ARRIVE_SECONDS)]
        sent = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=ARRIVE_SECONDS + 60, check=False
        )
        assert sent.returncode == 0, (sent.stdout, sent.stderr)
        books = subprocess.run(
            [*footfall, "status", "--json"], env=environment, capture_output=True, text=True, timeout=60, check=True
        )
        ledger = json.loads(books.stdout)["ledger"]
        assert ledger["balanced"], ledger
        assert [account["dropped"] for account in ledger["accounts"] if account["dropped"]] == [], ledger

    def numbers(self, name: str, functions: Sequence[str]) -> dict[str, set[int]]:  # type: ignore[override]
        """Return the confirmed calls of program *name*, by function."""
        text = (self.directory / f"{name}.confirmed").read_bytes().rpartition(b"\n")[0]
        found: dict[str, set[int]] = {function: set() for function in functions}
        for line in text.split():
            found[function_of(int(line), list(functions))].add(int(line))
        return found

    def judge(self, name: str, functions: Sequence[str]) -> dict[str, int]:
        """Everything confirmed arrives; what arrives twice does so under one key. Return the figures."""
        expected = self.numbers(name, functions)
        self.wait_until(
            lambda there: all(there.arrived(f"pipeline/{each}") >= len(numbers) for each, numbers in expected.items()),
            f"what {name} did",
        )
        lost = 0
        for each, numbers in expected.items():
            arrived = self.arrivals.keys[f"pipeline/{each}"]
            missing = numbers - set(arrived) if each not in UNNUMBERED else set()
            assert not missing, f"{len(missing)} of {len(numbers)} {each} calls never arrived: {sorted(missing)[:10]}"
            assert len(arrived) == len(numbers), f"{len(arrived)} {each} calls arrived, {len(numbers)} were made"
            lost += len(missing)
        assert self.arrivals.keyed_with_other_bytes() == []
        assert self.arrivals.under_several_keys() == []
        return {"calls": sum(map(len, expected.values())), "lost": lost, "copies": self.arrivals.copies()}


def project(function: str, agent: str) -> str:
    """Return the registry of *function*'s project; "" as agent sends nothing."""
    send_to = [{"otlp": agent, "addressed": True}] if agent else []
    entry = {"function": f"tests.pipeline.watched:{function}", "capture": {"number": "int"}}
    return json.dumps({"project": f"pipeline/{function}", "send_to": send_to, "registry": {"calls": [entry]}})


def destinations(sink: str) -> dict[str, Any]:
    """Return what the gateway's file says: a server of its own kind for each project."""
    tracker = {"tracker": sink, "customer_id": 142, "job": JOB, "steps": "tracker", "credentials": "env:TRACKER"}
    return {
        "pipeline/migas": [{"migas": sink}],
        "pipeline/access": [{"access": f"{sink}/api"}],
        "pipeline/ramen": [{"ramen": sink, "system_serial": 7}],
        "pipeline/insights": [{"insights": f"{sink}/api/ingress/v1", "run_seconds": 2, "credentials": "env:INSIGHTS"}],
        # Its default is to drop what was sent without an answer, which is what a kill leaves.
        "pipeline/tracker": [{**tracker, "in_doubt": "retry"}],
        "pipeline/*": [{"otlp": sink}],
    }


@final
class Chain:
    """An agent, a gateway of tier 1, a translator, and `footfall gateway`; a context manager that runs them.

    Args:
        stage: Whose directory and sink they use.
        binary: The Collector.
        brokers: Address of Kafka, which then is between the tiers.
    """

    def __init__(self, stage: Stage, binary: Path, brokers: str = "") -> None:
        where = stage.directory
        tokens = where / "tokens"
        tokens.write_text(f"{TOKEN} # for the tests\n")
        shared = {"COLLECTOR_TOKEN_FILE": str(tokens), "COLLECTOR_TOKENS_FILE": str(tokens)}
        if brokers:
            shared |= {"COLLECTOR_BROKERS": brokers, "COLLECTOR_TOPICS_AUTO": "true"}
        producer, consumer = (["kafka-producer.yaml"], ["kafka-consumer.yaml"]) if brokers else ([], [])
        environment = stage.environment(
            TRACKER="x-api_key: a-key", INSIGHTS="Authorization: Basic dTpw", PYTHONWARNINGS="ignore"
        )
        self.footfall = Gateway(where, destinations(stage.sink.url), environment)
        self.translator = Collector(
            binary,
            "translator",
            where,
            ["translator.yaml", *consumer],
            {**shared, "COLLECTOR_FOOTFALL": self.footfall.url},
        )
        beyond = {"COLLECTOR_TRANSLATORS": "127.0.0.1", "COLLECTOR_TRANSLATORS_PORT": str(self.translator.grpc_port)}
        self.gateway = Collector(binary, "gateway", where, ["gateway.yaml", *producer], {**shared, **beyond})
        door = {"COLLECTOR_GATEWAY": f"http://127.0.0.1:{self.gateway.http_port}"}
        self.agent = Collector(binary, "agent", where, ["agent.yaml"], {**shared, **door})
        self._running = ExitStack()

    @property
    def collectors(self) -> tuple[Collector, Collector, Collector]:
        """In the order in which data pass them."""
        return self.agent, self.gateway, self.translator

    @property
    def url(self) -> str:
        """Where programs send OTLP over HTTP."""
        return f"http://127.0.0.1:{self.agent.http_port}"

    def __enter__(self) -> Chain:
        with ExitStack() as starting:
            for each in (self.footfall, *reversed(self.collectors)):
                starting.enter_context(each)
            self._running = starting.pop_all()
        return self

    def __exit__(self, *error: object) -> None:
        self._running.close()

    def given_up(self) -> list[str]:
        """Return what the Collectors say that they gave up."""
        return [line for each in self.collectors for line in each.refusals()]
