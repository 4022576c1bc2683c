"""The detector as an OpenTelemetry SDK sees it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator

import pytest
from opentelemetry.sdk import resources
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_ON

from footfall.attributes import PROJECT, SCOPE_NAME, TABLE
from footfall.errors import trouble
from footfall.export.from_span import from_span
from footfall.resource import detectors, host, process
from footfall.resource.detectors import FootfallResourceDetector


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    """Detectors look once in a process; each test here looks again."""
    detectors._found.cache_clear()
    yield
    detectors._found.cache_clear()


def test_it_returns_a_resource_without_schema() -> None:
    """The same each time, no schema URL to quarrel about, and no identifier among the keys."""
    found = FootfallResourceDetector().detect()
    assert isinstance(found, Resource)
    assert found.schema_url == ""
    assert FootfallResourceDetector().detect().attributes == found.attributes
    assert set(process.detect()) | set(host.detect()) <= set(found.attributes)
    assert not [
        key for key in found.attributes if key.startswith(("session.", "app.", "host.name", "host.id", "user."))
    ]


OPTIONS = ("batch", "ci", "container", "notebook", "process", "vcs")


def only(*wanted: str) -> dict[str, object]:
    """What the detector finds with just these options."""
    options = {name: name in wanted for name in OPTIONS}
    return dict(FootfallResourceDetector(**options).detect().attributes)


def test_parts_can_be_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """The options of a configuration file arrive as keyword arguments."""
    for name, value in {
        "GITHUB_ACTIONS": "true",
        "GITHUB_RUN_ID": "42",
        "GITHUB_WORKFLOW": "tests",
        "GITHUB_REF_NAME": "main",
        "SLURM_JOB_ID": "7",
        "JPY_PARENT_PID": "1",
    }.items():
        monkeypatch.setenv(name, value)
    assert only() == {}
    assert only("process") == {**process.detect(), **host.detect()}
    assert only("ci") == {
        "footfall.cicd.system": "GitHub Actions",
        "cicd.pipeline.run.id": "42",
        "cicd.pipeline.name": "tests",
        "vcs.provider.name": "github",
    }
    assert only("vcs") == {"vcs.provider.name": "github", "vcs.ref.head.name": "main"}
    assert only("batch") == {"footfall.batch.system": "slurm", "footfall.batch.job.id": "7"}
    assert only("notebook") == {"footfall.notebook": "jupyter"}
    assert only(*OPTIONS).items() >= (only("process", "vcs", "ci") | only("batch", "notebook", "container")).items()


def test_unknown_options_are_reported() -> None:
    """A wrong word in a configuration file costs a log line, not what the right ones find."""
    before = trouble.counts["resource detector option"]
    found = FootfallResourceDetector(container=False, containers=False).detect()
    assert set(process.detect()) <= set(found.attributes)
    assert trouble.counts["resource detector option"] == before + 1


def test_ours_says_what_opentelemetrys_say() -> None:
    """The recording process asks the interpreter itself; where both speak of a key, they agree."""
    light = {**process.detect(), **host.detect()}
    theirs = detectors.of_sdk()
    assert detectors.KEPT.keys() - theirs.keys() <= (set() if sys.platform in {"linux", "win32"} else {"host.arch"})
    assert {key: light[key] for key in theirs} == theirs


def test_of_opentelemetrys_only_the_harmless_is_kept() -> None:
    """They say more, on this very machine, and none of it is passed on."""
    said: dict[str, object] = {}
    for name in ("ProcessResourceDetector", "OsResourceDetector", "_HostResourceDetector"):
        said |= getattr(resources, name)().detect().attributes
    leaking = {"host.name", "host.id", "process.owner", "process.executable.path", "process.command", "process.pid"}
    assert leaking & said.keys() >= {"host.name", "process.executable.path", "process.pid"}
    found = FootfallResourceDetector().detect().attributes
    assert not leaking & found.keys()
    assert not {str(said[key]) for key in leaking & said.keys()} & {str(value) for value in found.values()}


def test_without_one_of_opentelemetrys_ours_stands_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """The host's detector is private, and may go."""
    monkeypatch.delattr(resources, "_HostResourceDetector")
    assert "host.arch" not in detectors.of_sdk()
    assert only("process") == {**process.detect(), **host.detect()}


def test_one_of_opentelemetrys_that_fails(
    monkeypatch: pytest.MonkeyPatch, hidden_errors: list[tuple[str, BaseException]]
) -> None:
    """Is counted as hidden trouble, and ours stands in."""

    class Failing(resources.ProcessResourceDetector):
        def detect(self) -> Resource:
            raise KeyError("no such user")

    monkeypatch.setattr(resources, "ProcessResourceDetector", Failing)
    assert only("process") == {**process.detect(), **host.detect()}
    assert [type(error) for _, error in hidden_errors] == [KeyError]


SETUP = """
import json
from opentelemetry.sdk.resources import Resource
print(json.dumps(dict(Resource.create().attributes)))
"""


def test_the_sdk_finds_it_by_name() -> None:
    """Among OpenTelemetry's own it is one more, under the name of the entry point."""
    environ = {
        **os.environ,
        "OTEL_EXPERIMENTAL_RESOURCE_DETECTORS": "footfall",
        "GITLAB_CI": "true",
        "CI_PROJECT_URL": "https://user:hunter2@gitlab.example/group/repository",
    }
    out = subprocess.run(
        [sys.executable, "-c", SETUP], check=True, capture_output=True, text=True, timeout=60, env=environ
    )
    found = json.loads(out.stdout)
    assert found["vcs.repository.url.full"] == "https://gitlab.example/group/repository"
    assert found["host.arch"] == host.detect()["host.arch"]
    assert "hunter2" not in out.stdout + out.stderr


def test_what_only_the_host_sees_stays_with_the_host() -> None:
    """A span of ours that comes with the host's resource leaves those attributes behind on its way to usage servers."""
    keys = {row.key: row.where for row in TABLE if row.where in {"host", "resource"}}
    provider = TracerProvider(resource=Resource(dict.fromkeys(keys, "x")), sampler=ALWAYS_ON, shutdown_on_exit=False)
    span = provider.get_tracer(SCOPE_NAME).start_span("a.b:c", attributes={PROJECT: "owner/name"})
    span.end()
    usage = from_span(span)
    assert usage is not None
    assert set(usage.resource) == {key for key, where in keys.items() if where == "resource"}
    assert {
        "vcs.repository.url.full",
        "cicd.pipeline.name",
        "footfall.batch.job.id",
    } <= keys.keys() - usage.resource.keys()


def test_it_merges_with_the_hosts_resource() -> None:
    """The host's own schema URL survives, because ours is empty."""
    merged = Resource({"service.name": "s"}, "https://example.org/1").merge(FootfallResourceDetector().detect())
    assert merged.schema_url == "https://example.org/1"
    assert merged.attributes["service.name"] == "s"


def test_importing_it_imports_nothing_else_of_the_sdk() -> None:
    """The SDK loads detectors while its logs package is being imported: that one must not be needed."""
    code = (
        "import json, sys; import opentelemetry.sdk.resources; before = set(sys.modules); "
        "import footfall.resource.detectors; "
        "print(json.dumps(sorted(m for m in set(sys.modules) - before if m.startswith('opentelemetry'))))"
    )
    out = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=60).stdout
    assert json.loads(out) == []
