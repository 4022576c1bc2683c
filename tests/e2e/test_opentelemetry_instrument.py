"""The real ``opentelemetry-instrument`` on a real package, in a subprocess, without code (otel.md section 2)."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from footfall.testing.sink.client import Sink
from tests.process.harness import Observation

CONFIG = """\
project: networkx/networkx
send_to:
  - migas: {url}
registry:
  paths:
    - networkx.algorithms.shortest_paths.generic:shortest_path
"""
SHORTEST_PATH = "networkx.algorithms.shortest_paths.generic:shortest_path"
APP = Path(__file__).with_name("app.py")


@pytest.fixture
def observation(tmp_path: Path) -> Iterator[Observation]:
    with Sink(tmp_path / "sink") as sink:
        config = tmp_path / "footfall.yaml"
        config.write_text(CONFIG.format(url=sink.url))
        config.chmod(0o600)
        yield Observation(tmp_path, sink)


def instrumented(observation: Observation, **extra: str) -> subprocess.CompletedProcess[str]:
    environment = observation.environment(
        FOOTFALL_CONFIG=str(observation.directory / "footfall.yaml"),
        OTEL_TRACES_EXPORTER="otlp",
        OTEL_METRICS_EXPORTER="none",
        OTEL_LOGS_EXPORTER="none",
        OTEL_EXPORTER_OTLP_PROTOCOL="http/protobuf",
        OTEL_EXPORTER_OTLP_ENDPOINT=observation.sink.url,
        OTEL_SERVICE_NAME="app",
        PYTHONWARNINGS="ignore",
        PATH=str(Path(sys.executable).parent) + os.pathsep + os.environ["PATH"],
    )
    environment.update(extra)
    command = [str(Path(sys.executable).parent / "opentelemetry-instrument"), sys.executable, str(APP)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)


def spans(observation: Observation) -> list[dict[str, Any]]:
    return [span for received in observation.accepted("/v1/traces") for span in received.records]


@pytest.mark.parametrize("exporters", ["otlp", "otlp,footfall"])
def test_spans_nest_under_the_hosts_and_breadcrumbs_arrive_nothing_twice(
    observation: Observation, exporters: str
) -> None:
    """Host spans carry our uses as children over the host's own OTLP; each use is one breadcrumb, by either door."""
    done = instrumented(observation, OTEL_TRACES_EXPORTER=exporters)
    assert (done.returncode, done.stdout) == (0, "not found: NodeNotFound\n"), done.stderr
    assert "Traceback" not in done.stderr
    observation.send_everything()
    found = spans(observation)
    [host] = [span for span in found if span["name"] == "analysis"]
    ours = [span for span in found if span["name"] == SHORTEST_PATH]
    assert len(ours) == 6
    assert {span["parent_span_id"] for span in ours} == {host["span_id"]}
    assert {span["trace_id"] for span in ours} == {host["trace_id"]}
    assert len({span["span_id"] for span in ours}) == 6
    assert [span["attributes"].get("error.type") for span in ours].count("NodeNotFound") == 1
    statuses = [crumb["proc"]["status"] for crumb in observation.crumbs()]
    assert sorted(statuses) == ["C"] * 5 + ["F"]
    observation.assert_duplicates(0)
    observation.assert_balanced()
    assert "secret-canary" not in "".join(str(received) for received in observation.sink.requests())


def test_the_hosts_sampler_does_not_change_our_counts(observation: Observation) -> None:
    """A host that samples nothing exports nothing, and each use is still a breadcrumb."""
    done = instrumented(observation, OTEL_TRACES_SAMPLER="always_off")
    assert done.returncode == 0, done.stderr
    observation.send_everything()
    assert spans(observation) == []
    assert len(observation.crumbs()) == 6


@pytest.mark.parametrize("switch", ["DO_NOT_TRACK", "OTEL_SDK_DISABLED", "FOOTFALL"])
def test_one_word_stops_it(observation: Observation, switch: str) -> None:
    """Off: the program runs as it would, and there is no request, no file, no directory of ours."""
    done = instrumented(observation, **{switch: "off" if switch == "FOOTFALL" else "true"})
    assert (done.returncode, done.stdout) == (0, "not found: NodeNotFound\n"), done.stderr
    assert observation.crumbs() == []
    assert not (observation.directory / "state").exists()
    assert not (observation.directory / "config").exists()


def test_a_file_that_others_may_write_is_not_used(observation: Observation) -> None:
    """S2: a writable configuration would let somebody else choose where data go; the program is not affected."""
    (observation.directory / "footfall.yaml").chmod(0o666)
    done = instrumented(observation)
    assert (done.returncode, done.stdout) == (0, "not found: NodeNotFound\n"), done.stderr
    assert observation.crumbs() == []


def test_a_broken_registry_does_not_stop_other_instrumentors(observation: Observation) -> None:
    """The auto loader stops at the first exception, so ours raises none (otel.md section 2)."""
    (observation.directory / "footfall.yaml").write_text("project: [")
    done = instrumented(observation)
    assert (done.returncode, done.stdout) == (0, "not found: NodeNotFound\n"), done.stderr
    assert "Traceback" not in done.stderr
    assert [span["name"] for span in spans(observation)] == ["analysis"]
