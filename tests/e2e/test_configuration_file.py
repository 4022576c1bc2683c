"""``OTEL_CONFIG_FILE``: footfall by declarative configuration, and the traps of that way (docs/opentelemetry.md)."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from footfall import declarative
from footfall.errors import trouble
from footfall.runtime import Runtime
from tests.e2e.conftest import Host

WORK, REST = "tests.e2e.lib:work", "tests.e2e.lib:rest"

# First `logging`, which sets up logging: else what footfall has to say about the file would be said to nobody.
# Exporters in a `simple` and in a `batch` processor, a detector with an option, and a file of the user's.
WHOLE = """\
file_format: "1.0"
disabled: ${OTEL_SDK_DISABLED:-false}
resource:
  attributes: [{name: service.name, value: app}]
  detection/development:
    detectors: [{footfall: {ci: false}}]
tracer_provider:
  processors:
    - simple: {exporter: {footfall: {project: demo/lib, colour: green}}}
    - batch: {exporter: {otlp_http: {endpoint: "SINK/v1/traces"}}}
logger_provider:
  processors:
    - batch: {exporter: {footfall: {project: [demo/lib]}}}
instrumentation/development:
  python:
    logging: {set_logging_format: true}
    footfall:
OPTIONS
"""


def configure(host: Host, options: str, text: str = WHOLE) -> str:
    """Write the configuration with *options* for the instrumentor; return its path."""
    path = host.directory / "otel.yaml"
    indented = "".join(f"      {line}\n" for line in options.format(sink=host.sink.url).splitlines())
    path.write_text(text.replace("SINK", host.sink.url).replace("OPTIONS\n", indented))
    path.chmod(0o600)
    return str(path)


def registry(host: Host, name: str, text: str) -> Path:
    path = host.directory / name
    path.write_text(text)
    path.chmod(0o600)
    return path


def test_a_file_with_everything(host: Host) -> None:
    """Options, two registries (one of them wrong), exporters with options, a detector with one.

    What the file says is all there is: the auto loader's own call afterwards adds no ``FOOTFALL_CONFIG``. An unknown
    option is reported, and fails nothing.
    """
    host.configure("demo/other", REST)
    registry(host, "usage.yaml", f"project: demo/lib\nregistry: {{p: ['{WORK}']}}\n")
    registry(host, "wrong.yaml", "project: [")
    options = "registry: [wrong.yaml, usage.yaml]\nsend_to: [{{otlp: '{sink}'}}]\nextra: {{site: nci}}\ncolour: green"
    done = host.instrumented("doors.py", OTEL_CONFIG_FILE=configure(host, options), GITHUB_ACTIONS="true")
    assert (done.returncode, done.stdout) == (0, "done\n"), done.stderr
    assert "Traceback" not in done.stderr, done.stderr
    host.send_everything()
    ours = host.by_footfall("/v1/traces")
    assert Counter(span["name"] for span in ours) == {WORK: 3, "span-by-hand": 1}
    assert {span["attributes"].get("footfall.extra.site") for span in ours} == {"nci"}
    assert Counter(event["name"] for event in host.by_footfall("/v1/logs")) == {"own": 1, "by-hand": 2}
    assert host.crumbs() == []
    [analysis] = [span for span in host.spans() if span["name"] == "analysis"]
    assert analysis["resource"]["process.runtime.name"] == "cpython"
    assert "footfall.cicd.system" not in analysis["resource"]
    for part in ("wrong.yaml:2", "'colour'"):
        assert part in done.stderr, done.stderr
    host.assert_balanced()


GOOD = "project: demo/lib\nregistry: {{p: ['tests.e2e.lib:work']}}\nsend_to: [{{otlp: '{sink}'}}]"


WRONG = "registry: [missing.yaml, open.yaml, 'tests.e2e.nowhere:footfall.yaml', 7]"
SAID = ("missing.yaml", "chmod go-w", "there is no package", "registry must be a path")


@pytest.mark.parametrize("trap", ["wrong", "enabled: false", "variable", "writable"])
def test_what_a_file_gets_wrong_or_switches_off_is_not_done_with_defaults_instead(host: Host, trap: str) -> None:
    """OpenTelemetry's loader calls again, with nothing; we do not take that for a wish.

    Nothing is wrapped for registries that cannot be used, each of which is reported; nor where ``enabled: false``
    stands, nor where a variable says no to what a file names, nor for a file that others may write.
    """
    host.configure("demo/other", WORK, REST)
    registry(host, "open.yaml", f"project: demo/lib\nregistry: {{p: ['{WORK}']}}\n").chmod(0o666)
    options = {"wrong": WRONG, "enabled: false": f"enabled: false\n{GOOD}"}.get(trap, GOOD)
    path = configure(host, options)
    Path(path).chmod(0o620 if trap == "writable" else 0o600)
    variable = "footfall" if trap == "variable" else ""
    found = host.probe(OTEL_CONFIG_FILE=path, OTEL_PYTHON_DISABLED_INSTRUMENTATIONS=variable)
    assert (found["wrapped"], found["threads"], found["state"]) == ([], [], False), found["log"]
    for part in {"wrong": SAID, "writable": SAID[1:2]}.get(trap, ()):
        assert part in found["log"], found["log"]


def test_a_file_that_does_not_name_us_leaves_the_defaults(host: Host) -> None:
    """Then the auto loader's call is the first, and ``FOOTFALL_CONFIG`` and installed projects are instrumented."""
    host.configure("demo/other", REST)
    found = host.probe(OTEL_CONFIG_FILE=configure(host, "", WHOLE.partition("instrumentation/")[0]))
    assert found["wrapped"] == ["rest"]


@pytest.mark.parametrize(
    ("change", "off"),
    [
        ({}, False),
        ({"${OTEL_SDK_DISABLED:-false}": "true"}, True),
        ({"project: demo/lib": "enabled: false"}, True),
        ({"project: demo/lib": "enabled: true"}, False),
        ({"    footfall:": "    elsewhere:"}, False),
        ({"file_format": "no_format"}, False),  # a file that nobody can use decides nothing
    ],
)
def test_who_is_switched_off(
    host: Host, change: dict[str, str], off: bool, hidden_errors: list[tuple[str, BaseException]]
) -> None:
    """Asked of the file with OpenTelemetry's own reader."""
    path = Path(configure(host, GOOD))
    text = path.read_text()
    for old, new in change.items():
        assert old in text
        text = text.replace(old, new)
    path.write_text(text)
    assert declarative.is_disabled("footfall", {"OTEL_CONFIG_FILE": str(path)}) is off
    assert bool(hidden_errors) is ("file_format" in change)
    for names in ("footfall", "requests , footfall", "*"):
        assert declarative.is_disabled("footfall", {"OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": names})
    assert not declarative.is_disabled("footfall", {"OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "requests"})


def test_a_file_named_by_a_relative_path_names_no_destinations(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each working directory could bring its own (reliability.md S2)."""
    monkeypatch.chdir(host.directory)
    configure(host, GOOD)
    here = Runtime(environ={"OTEL_CONFIG_FILE": "otel.yaml", "FOOTFALL": "on"})
    before = trouble.counts["instrument"]
    declarative.instrument({"project": "demo/lib"}, here, {})
    assert (here.projects, trouble.counts["instrument"]) == ({}, before + 1)
