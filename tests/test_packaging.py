"""What is installed is what the project says."""

from __future__ import annotations

import importlib.metadata
import subprocess
import sys

import pytest

from footfall.version import VERSION


def test_the_version_is_the_distributions() -> None:
    """The constant, repeated for speed, is the one of the metadata."""
    assert importlib.metadata.version("footfall") == VERSION


@pytest.mark.parametrize(
    "group",
    [
        "footfall.wires",
        "opentelemetry_instrumentor",
        "opentelemetry_traces_exporter",
        "opentelemetry_resource_detector",
        "console_scripts",
    ],
)
def test_every_entry_point_loads(group: str) -> None:
    """A name in the metadata leads to something: the auto loader gives up at the first that does not."""
    points = [point for point in importlib.metadata.entry_points(group=group) if point.value.startswith("footfall")]
    assert points
    for point in points:
        assert callable(point.load())


def test_no_extra_named_instruments_is_declared() -> None:
    """A missing one would make the auto loader skip every instrumentor of this distribution (otel.md section 2)."""
    extras = importlib.metadata.metadata("footfall").get_all("Provides-Extra") or []
    assert {"cli", "gateway", "insights-s3", "ipython", "otlp", "all", "dev"} <= set(extras)
    assert not {"instruments", "instruments-any"} & set(extras)


def test_the_pytest_plugin_is_light() -> None:
    """It is loaded in every pytest session of every user who has footfall installed."""
    code = (
        "import sys, footfall.testing.plugin; print([m for m in ('requests', 'wrapt', 'sqlite3') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
