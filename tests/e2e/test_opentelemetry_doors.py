"""Every door of OpenTelemetry's into footfall, with the real packages (docs/opentelemetry.md)."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from footfall import attributes
from tests.e2e.conftest import Host, packages
from tests.grpc_receiver import Receiver
from tests.process.harness import GUARD_SECONDS

WORK, REST = "tests.e2e.lib:work", "tests.e2e.lib:rest"
CANARY = "hunter2"


def everything_of_ours(host: Host) -> str:
    """Return all that footfall wrote to disk or sent, as one text."""
    files = [path for path in (host.directory / "state").rglob("*") if path.is_file()]
    return "".join(
        [*(path.read_bytes().decode("latin-1") for path in files), *(str(each) for each in host.sink.requests())]
    )


def test_exporters_detector_and_projects_of_packages_beside_the_distros_own_grpc(host: Host, tmp_path: Path) -> None:
    """All in one host, which exports everything over gRPC as the distro's default has it.

    Each use, event and span of ours is one, by whichever doors it came; the host has ours nested in its trace; of what
    the application logs nothing is ever translated; a package with a broken project spoils nothing.
    """
    host.configure("demo/lib", WORK)
    found = packages(
        tmp_path / "packages",
        a_broken="project: [",
        b_good=f"project: demo/good\nsend_to: [{{migas: '{host.sink.url}'}}]\nregistry: {{paths: ['{REST}']}}\n",
    )
    with Receiver(tmp_path / "receiver") as receiver:
        done = host.instrumented(
            "doors.py",
            PYTHONPATH=found,
            OTEL_TRACES_EXPORTER="otlp,footfall",
            OTEL_LOGS_EXPORTER="otlp,footfall",
            OTEL_METRICS_EXPORTER="",
            OTEL_EXPORTER_OTLP_PROTOCOL="",
            OTEL_EXPORTER_OTLP_ENDPOINT=receiver.url,
            OTEL_EXPERIMENTAL_RESOURCE_DETECTORS="footfall",
        )
    assert (done.returncode, done.stdout) == (0, "done\n"), done.stderr
    assert "Traceback" not in done.stderr, done.stderr
    host.send_everything()
    # The host's own telemetry, over its own gRPC.
    spans = receiver.spans()
    [analysis] = [span for span in spans if span["name"] == "analysis"]
    nested = [span for span in spans if span["scope"] == "footfall"]
    assert Counter(span["name"] for span in nested) == {WORK: 3, REST: 1, "span-by-hand": 1}
    assert {span["parent_span_id"] for span in nested} == {analysis["span_id"]}
    assert analysis["resource"]["service.name"] == "app"
    assert analysis["resource"]["os.type"] == sys.platform
    assert not {"session.id", "app.installation.id", "host.name", "process.owner"} & analysis["resource"].keys()
    assert Counter(receiver.names())["own"] == 1
    assert any(call.texts for call in receiver.calls()), "the host exports what the application logs"
    # What footfall delivered.
    assert Counter(span["name"] for span in host.by_footfall("/v1/traces")) == {WORK: 3, "span-by-hand": 1}
    events = host.by_footfall("/v1/logs")
    assert Counter(event["name"] for event in events) == {"own": 1, "by-hand": 2}
    assert {event["attributes"]["footfall.extra.points"] for event in events} == {1, 10}
    assert Counter(crumb["project"] for crumb in host.crumbs()).keys() == {"demo/lib", "demo/good"}
    assert CANARY not in everything_of_ours(host)
    host.assert_duplicates(0)
    host.assert_balanced()


@pytest.mark.parametrize(
    "switch",
    [
        {"OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "urllib, footfall"},
        {"OTEL_SDK_DISABLED": "true", "OTEL_TRACES_EXPORTER": "footfall", "OTEL_LOGS_EXPORTER": "footfall"},
    ],
    ids=lambda switch: next(iter(switch)),
)
def test_switched_off_nothing_of_ours_is_there(host: Host, switch: dict[str, str]) -> None:
    """No wrapper, no thread, no file."""
    host.configure("demo/lib", WORK, REST)
    said = host.probe(**switch)
    assert (said["wrapped"], said["threads"], said["state"]) == ([], [], False)


DETECTORS = """
import json, os
from opentelemetry.sdk.resources import Resource
found = {}
for names in ("", "footfall", "footfall,process,os", "*"):
    os.environ["OTEL_EXPERIMENTAL_RESOURCE_DETECTORS"] = names
    found[names] = {key: str(value) for key, value in Resource.create({}).attributes.items()}
print(json.dumps(found))
"""


def test_resource_detectors(host: Host) -> None:
    """Named alone, among others, and with all: ours adds what the table of fields says, no identifier, name or path."""
    done = subprocess.run(
        [sys.executable, "-c", DETECTORS],
        env=host.environment(GITHUB_ACTIONS="true", GITHUB_RUN_ID="7"),
        capture_output=True,
        text=True,
        timeout=GUARD_SECONDS,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    found: dict[str, dict[str, str]] = json.loads(done.stdout)
    table = {row.key for row in attributes.TABLE if row.where == "resource"}
    ours = found["footfall"].keys() - found[""].keys()
    assert {"os.type", "host.arch", "process.runtime.name", "cicd.pipeline.run.id"} <= ours <= table
    for names in ("footfall,process,os", "*"):  # where the SDK's own come later, and have their say
        assert found[names].keys() >= ours
    undisputed = {key for key in ours if not key.startswith(("os.", "process."))}
    assert {key: found["footfall,process,os"][key] for key in undisputed} == {
        key: found["footfall"][key] for key in undisputed
    }
    assert str(host.directory) not in json.dumps(found["footfall"])
    assert not (host.directory / "state").exists()


def test_samplers_processors_and_http_instrumentation_of_the_host(host: Host) -> None:
    """Whatever the host samples, each use is counted; whatever we do, the host samples what it would.

    The host's instrumented HTTP client makes spans of its own requests only, and usage servers see no ``traceparent``.
    """
    done = subprocess.run(
        [sys.executable, "-m", "tests.e2e.own_provider", host.sink.url],
        env=host.environment(PYTHONWARNINGS="ignore"),
        capture_output=True,
        text=True,
        timeout=GUARD_SECONDS,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    report: dict[str, Any] = json.loads(done.stdout)
    assert report["on"]["sampled"] == 40
    assert report["off"]["sampled"] == 0
    for name, said in report.items():
        first, second = said["spans"]
        assert first == second
        assert said["pending"] == 0
        names = Counter(span[0] for span in first)
        assert names["outer"] == names["inner"] == names[WORK] == said["sampled"], (name, names)
        assert names["GET"] <= 1, "of the host's own request only"
        assert {span[0] for span in first} <= {"outer", "inner", WORK, "client", "GET"}
    crumbs = Counter(crumb["project"] for crumb in host.crumbs())
    assert crumbs == {f"demo/{name}": 40 for name in report}
    assert len(host.by_footfall("/v1/traces")) == 4 * 40
    for received in host.sink.requests():
        assert "traceparent" not in received.headers or received.path == "/hosts-own"


def test_grpc_as_destination_of_a_host_that_forks(host: Host, tmp_path: Path) -> None:
    """Nothing is lost or told twice, nobody hangs, and not a byte is printed by parent or children."""
    children = 20
    with Receiver(tmp_path / "receiver") as receiver:
        done = subprocess.run(
            [sys.executable, "-m", "tests.e2e.forking", receiver.url, str(children)],
            env=host.environment(
                FOOTFALL_DELIVERY_INTERVAL_SECONDS="0.01", PYTHONWARNINGS="error,ignore::DeprecationWarning"
            ),
            capture_output=True,
            text=True,
            timeout=GUARD_SECONDS,
            check=False,
        )
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
        host.send_everything()
        host.assert_balanced()
    spans = receiver.spans()
    assert len(spans) == len({span["span_id"] for span in spans}) == 1 + 3 * children


WITHOUT_H2 = """
import sys
sys.modules["h2"] = sys.modules["h2.config"] = None
from footfall.cli.main import main
sys.exit(main(["send", "--deadline", "3"]))
"""


def test_without_the_extra_records_for_grpc_are_kept(host: Host, tmp_path: Path) -> None:
    """Named in a file, where nobody can raise: they wait, and are delivered once the package is there."""
    with Receiver(tmp_path / "receiver") as receiver:
        config = host.configure("demo/lib", WORK)
        config.write_text(
            f"project: demo/lib\nsend_to: [{{otlp: '{receiver.url}', protocol: grpc}}]\nregistry: [{WORK}]\n"
        )
        said = host.probe(FOOTFALL_DELIVERY_INTERVAL="30", FOOTFALL_EXIT_BUDGET="0")
        assert said["wrapped"] == ["work"]
        subprocess.run(
            [sys.executable, "-c", WITHOUT_H2],
            env=host.environment(),
            capture_output=True,
            timeout=GUARD_SECONDS,
            check=False,
        )
        host.assert_balanced(pending=3)
        assert receiver.calls() == []
        host.send()  # waits for as long as the back-off of the first try may last
        host.assert_balanced()
    assert receiver.names() == [WORK] * 3
