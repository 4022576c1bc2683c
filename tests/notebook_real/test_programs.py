"""intake-esm in scripts, pools, a dask cluster and an asyncio program: nothing lost, nothing twice, nothing changed."""

from __future__ import annotations

import re
from collections import Counter

import pytest

from tests.notebook_real.conftest import BIN, Lab, finish

CALLS = 12
SCENARIOS = {"plain": "here", "fork": "elsewhere", "spawn": "elsewhere", "dask": "elsewhere", "coroutines": "here"}
"""A program, and where it makes its calls."""

IMPATIENT = re.compile(r".* - distributed\.nanny - WARNING - Worker process still alive .*, killing\n")
"""What dask says on a busy machine, with or without footfall."""

QUIET = {"OTEL_TRACES_EXPORTER": "none", "OTEL_METRICS_EXPORTER": "none", "OTEL_LOGS_EXPORTER": "none"}


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_every_call_arrives_once(lab: Lab, scenario: str) -> None:
    """The markers in captured arguments are those of the calls, in whichever process each was made."""
    done = finish(lab.program(scenario, CALLS, USAGE=lab.registry, SINK=lab.sink.url, PYTHONWARNINGS="ignore"))
    assert (done.status, done.out) == (3, _said(scenario)), done.err
    assert not IMPATIENT.sub("", done.err)
    _assert_all_arrived(lab)


def test_a_program_ends_and_speaks_as_without(lab: Lab) -> None:
    """Status, output, and what real packages warn of."""
    expected = finish(lab.program("plain", CALLS))
    assert not (lab.directory / "state").exists()
    assert finish(lab.program("plain", CALLS, USAGE=lab.registry, SINK=lab.sink.url)) == expected
    assert (expected.status, expected.out) == (3, _said("plain"))


@pytest.mark.parametrize("scenario", ["plain", "spawn"])
def test_under_opentelemetry_instrument(lab: Lab, scenario: str) -> None:
    """Without a line of code; and workers that are new interpreters are instrumented as their parent was."""
    door = str(BIN / "opentelemetry-instrument")
    done = finish(lab.program(scenario, CALLS, under=(door,), FOOTFALL_CONFIG=lab.configured(), **QUIET))
    assert (done.status, done.out) == (3, _said(scenario)), done.err
    assert "footfall" not in done.err
    _assert_all_arrived(lab)


def _said(scenario: str) -> str:
    return f"{[8] * CALLS} {SCENARIOS[scenario]}\n"


def _assert_all_arrived(lab: Lab) -> None:
    lab.send_everything()
    uses = lab.uses("intake/catalog")
    markers = Counter(use["kwargs"]["path"] for use in uses if use["function"] == "esm_datastore.search")
    assert markers == {f"marker-{number}": 1 for number in range(CALLS)}
    assert Counter(use["function"] for use in uses) == {"esm_datastore.search": CALLS, "esm_datastore.df": 2 * CALLS}
    lab.assert_duplicates(0)
    lab.assert_balanced()
