"""The detector as an OpenTelemetry SDK sees it."""

from __future__ import annotations

import json
import subprocess
import sys

from opentelemetry.sdk.resources import Resource

from footfall.resource import host, process
from footfall.resource.detectors import FootfallResourceDetector


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


def test_parts_can_be_left_out() -> None:
    """The options of a configuration file arrive as keyword arguments."""
    assert dict(FootfallResourceDetector(ci=False, container=False, process=False).detect().attributes) == {}
    only = FootfallResourceDetector(ci=False, container=False).detect().attributes
    assert dict(only) == {**process.detect(), **host.detect()}


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
