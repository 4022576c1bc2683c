"""The configurations of ``collector-config/sdk`` as they stand there, with a sink in place of the agent."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path

import pytest

from tests.e2e.conftest import Host
from tests.process.harness import ROOT

EXAMPLES = ROOT / "collector-config" / "sdk"
SHORTEST_PATH = "networkx.algorithms.shortest_paths.generic:shortest_path"


@pytest.fixture
def examples(host: Host) -> Path:
    """A copy that nobody else may write, whatever the umask of whoever cloned this."""
    copy = host.directory / "sdk"
    shutil.copytree(EXAMPLES, copy)
    for path in copy.iterdir():
        path.chmod(0o600)
    return copy


def run(host: Host, path: Path) -> None:
    done = host.instrumented(
        "app.py", OTEL_CONFIG_FILE=str(path), COLLECTOR_AGENT=host.sink.url, FOOTFALL_CONFIG="", OTEL_TRACES_EXPORTER=""
    )
    assert (done.returncode, done.stdout) == (0, "not found: NodeNotFound\n"), done.stderr
    assert "Traceback" not in done.stderr, done.stderr
    host.send_everything()
    host.assert_balanced()


def test_durable(host: Host, examples: Path) -> None:
    """Footfall sends each use under a key of its own, and the program's spans arrive as well."""
    run(host, examples / "durable.yaml")
    ours = host.by_footfall("/v1/traces")
    assert [span["name"] for span in ours] == [SHORTEST_PATH] * 6
    assert {span["attributes"].get("footfall.args.method") for span in ours} == {"dijkstra"}
    assert "analysis" in {span["name"] for span in host.spans()}


def test_pipeline(host: Host, examples: Path) -> None:
    """Each use is a span of the program's own pipeline, and footfall sends nothing."""
    run(host, examples / "pipeline.yaml")
    assert host.by_footfall("/v1/traces") == []
    assert Counter(span["name"] for span in host.spans()) == {SHORTEST_PATH: 6, "analysis": 1}
    assert {span["resource"]["service.name"] for span in host.spans()} == {"app"}


def test_every_example_is_tried(examples: Path) -> None:
    """A configuration that nobody tries is none; usage.yaml is part of both."""
    assert {path.name for path in examples.iterdir()} == {"durable.yaml", "pipeline.yaml", "usage.yaml"}
