"""What can be said of the Collector's configurations without a Collector; `tests.pipeline` runs them in real ones."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from footfall.usage import Kind, Outcome, Usage
from footfall.wire import otlp_records
from tests.collector_keys import GATEWAY, filled

FOLDER = GATEWAY.parent
FILES = sorted(path for path in FOLDER.glob("*.yaml") if path.name != "builder.yaml")
VARIABLE = re.compile(r"\$\{env:([A-Z_]+):-([^}]*)\}")


def content(name: str) -> dict[str, Any]:
    return yaml.safe_load((FOLDER / name).read_text(encoding="utf-8"))


def everything(kind: Kind) -> Usage:
    """Return a use of which everything is said."""
    return Usage(
        kind=kind,
        name="pkg.mod:function" if kind is not Kind.EVENT else "event",
        project="owner/name",
        project_version="1.0",
        service="service",
        time_ns=10**18,
        duration_ns=5,
        outcome=Outcome.ERROR,
        error_type="ValueError",
        message="a text",
        count=3,
        items=2,
        trace_id="a" * 32,
        span_id="b" * 16,
        parent_span_id="c" * 16,
        session_id="session",
        previous_session_id="previous",
        installation_id="installation",
        arguments={"number": 1, "structure": {"a": [1, "b"]}},
        parameters=("/number",),
        extra={"site": "nci", "migas.user_id": "x"},
        drop=("dropped",),
        resource={"os.type": "linux"},
    )


def told() -> Iterator[str]:
    """Return the keys of everything that footfall's own records carry, where a gateway receives them."""
    traces = ExportTraceServiceRequest.FromString(otlp_records.encode_traces([everything(Kind.END)], addressed=True))
    for whole in traces.resource_spans:
        yield from (pair.key for pair in whole.resource.attributes)
        yield from (pair.key for part in whole.scope_spans for span in part.spans for pair in span.attributes)
    for kind in (Kind.START, Kind.EVENT, Kind.COUNT):
        logs = ExportLogsServiceRequest.FromString(otlp_records.encode_events([everything(kind)], addressed=True))
        for record in (each for whole in logs.resource_logs for part in whole.scope_logs for each in part.log_records):
            yield from (pair.key for pair in record.attributes)


def test_the_keys_that_pass_are_those_of_the_table() -> None:
    """Else run ``make docs``."""
    text = GATEWAY.read_text(encoding="utf-8")
    assert filled(text) == text


def test_everything_that_a_record_says_passes() -> None:
    """By its key, or by a pattern for what a registry names."""
    redaction = content("gateway.yaml")["processors"]["redaction/keys"]
    patterns = [re.compile(pattern) for pattern in redaction["ignored_key_patterns"]]
    keys = set(told())
    assert {"footfall.args.number", "footfall.extra.site", "footfall.for.migas.user_id", "log.record.uid"} <= keys
    listed = set(redaction["allowed_keys"])
    assert [key for key in sorted(keys - listed) if not any(each.search(key) for each in patterns)] == []
    assert redaction["allow_all_keys"] is False


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_nothing_is_given_up_for_its_age_or_kept_in_memory_alone(path: Path) -> None:
    """Each queue is on disk, and each exporter tries for ever; the defaults drop what an outage of 5 minutes leaves."""
    exporters = content(path.name).get("exporters", {})
    for exporter in exporters.values():
        assert exporter["retry_on_failure"]["max_elapsed_time"] == 0
        assert exporter["sending_queue"]["storage"] == "file_storage/queue"
    below = exporters.get("load_balancing", {}).get("protocol", {}).get("otlp", {})
    assert all(below[part] == {"enabled": False} for part in ("retry_on_failure", "sending_queue") if below)


def test_every_variable_is_explained_with_its_defaults() -> None:
    """In the table of the README, which has no others."""
    used: dict[str, set[str]] = {}
    for path in FILES:
        for name, default in VARIABLE.findall(path.read_text(encoding="utf-8")):
            used.setdefault(name, set()).add(default)
    rows = re.findall(r"(?m)^\| `(COLLECTOR_[A-Z_]+)` \| (.*?) \|", (FOLDER / "README.md").read_text(encoding="utf-8"))
    explained = {name: set(re.findall(r"`([^`]+)`", defaults)) or {""} for name, defaults in rows}
    assert explained == used


def without_tools(directory: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python on a machine that has nothing else, and nothing in a cache."""
    environment = {"PATH": str(directory), "HOME": str(directory), "XDG_CACHE_HOME": str(directory)}
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=FOLDER.parent,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_without_go_the_build_says_where_to_get_a_collector(tmp_path: Path) -> None:
    """The stock image, of the release that the manifest names."""
    done = without_tools(tmp_path, "collector-config/build.py")
    assert (done.returncode, done.stdout) == (1, "")
    release = content("builder.yaml")["dist"]["version"]
    assert f"otel/opentelemetry-collector-contrib:{release}" in done.stderr
    assert "OTELCOL=" in done.stderr
    assert "Traceback" not in done.stderr


def test_where_modules_cannot_be_fetched_the_last_line_says_so(tmp_path: Path) -> None:
    """A Go without a way to its module proxy, in the words of the real one; any other failure is one."""
    go = tmp_path / "go"
    go.write_text('#!/bin/sh\necho "go: module lookup: dial tcp: lookup proxy.example.org: no such host" >&2\nexit 1\n')
    go.chmod(0o700)
    done = without_tools(tmp_path, "-m", "tests.pipeline", "doors")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "pipeline: skipped doors (the modules of the Collector cannot be fetched)"
    assert "no such host" in done.stderr
    for words in ("undefined: component", "reading https://proxy.example.org/x/@v/v9.info: 404 Not Found"):
        go.write_text(f'#!/bin/sh\necho "{words}" >&2\nexit 1\n')
        assert without_tools(tmp_path, "-m", "tests.pipeline", "doors").returncode == 1


def test_without_tools_the_last_line_names_what_was_not_run(tmp_path: Path) -> None:
    """And that is no failure."""
    done = without_tools(tmp_path, "-m", "tests.pipeline")
    assert done.returncode == 0, done.stderr
    last = done.stdout.splitlines()[-1]
    names = ("configurations", "doors", "pipeline", "kafka")
    assert last == f"pipeline: skipped {', '.join(f'{name} (no Go)' for name in names)}"
