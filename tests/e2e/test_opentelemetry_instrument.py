"""The real ``opentelemetry-instrument`` on a real package, in a subprocess, without code (otel.md section 2)."""

from __future__ import annotations

import pytest

from tests.e2e.conftest import Host

SHORTEST_PATH = "networkx.algorithms.shortest_paths.generic:shortest_path"
APP = "app.py"


@pytest.fixture
def networkx(host: Host) -> Host:
    """A host that watches a function of a real package."""
    host.configure("networkx/networkx", SHORTEST_PATH, wires=("migas",))
    return host


@pytest.mark.parametrize("exporters", ["otlp", "otlp,footfall"])
def test_spans_nest_under_the_hosts_and_breadcrumbs_arrive_nothing_twice(networkx: Host, exporters: str) -> None:
    """Host spans carry our uses as children over the host's own OTLP; each use is one breadcrumb, by either door."""
    done = networkx.instrumented(APP, OTEL_TRACES_EXPORTER=exporters)
    assert (done.returncode, done.stdout) == (0, "not found: NodeNotFound\n"), done.stderr
    assert "Traceback" not in done.stderr
    networkx.send_everything()
    found = networkx.spans()
    [host] = [span for span in found if span["name"] == "analysis"]
    ours = [span for span in found if span["name"] == SHORTEST_PATH]
    assert len(ours) == 6
    assert {span["parent_span_id"] for span in ours} == {host["span_id"]}
    assert {span["trace_id"] for span in ours} == {host["trace_id"]}
    assert len({span["span_id"] for span in ours}) == 6
    assert [span["attributes"].get("error.type") for span in ours].count("NodeNotFound") == 1
    statuses = [crumb["proc"]["status"] for crumb in networkx.crumbs()]
    assert sorted(statuses) == ["C"] * 5 + ["F"]
    networkx.assert_duplicates(0)
    networkx.assert_balanced()
    assert "secret-canary" not in "".join(str(received) for received in networkx.sink.requests())


def test_the_hosts_sampler_does_not_change_our_counts(networkx: Host) -> None:
    """A host that samples nothing exports nothing, and each use is still a breadcrumb."""
    done = networkx.instrumented(APP, OTEL_TRACES_SAMPLER="always_off")
    assert done.returncode == 0, done.stderr
    networkx.send_everything()
    assert networkx.spans() == []
    assert len(networkx.crumbs()) == 6


@pytest.mark.parametrize("switch", ["DO_NOT_TRACK", "FOOTFALL"])
def test_one_word_stops_it(networkx: Host, switch: str) -> None:
    """Off: the program runs as it would, and there is no request, no file, no directory of ours."""
    done = networkx.instrumented(APP, **{switch: "off" if switch == "FOOTFALL" else "true"})
    assert (done.returncode, done.stdout) == (0, "not found: NodeNotFound\n"), done.stderr
    assert networkx.crumbs() == []
    assert not (networkx.directory / "state").exists()
    assert not (networkx.directory / "config").exists()


def test_a_file_that_others_may_write_is_not_used(networkx: Host) -> None:
    """S2: a writable configuration would let somebody else choose where data go; the program is not affected."""
    (networkx.directory / "footfall.yaml").chmod(0o666)
    done = networkx.instrumented(APP)
    assert (done.returncode, done.stdout) == (0, "not found: NodeNotFound\n"), done.stderr
    assert networkx.crumbs() == []


def test_a_broken_registry_does_not_stop_other_instrumentors(networkx: Host) -> None:
    """The auto loader stops at the first exception, so ours raises none (otel.md section 2)."""
    (networkx.directory / "footfall.yaml").write_text("project: [")
    done = networkx.instrumented(APP)
    assert (done.returncode, done.stdout) == (0, "not found: NodeNotFound\n"), done.stderr
    assert "Traceback" not in done.stderr
    assert [span["name"] for span in networkx.spans()] == ["analysis"]
