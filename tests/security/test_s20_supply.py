"""S20: few dependencies, each known and within a range; what else the rule asks for is CI's (docs/security.md)."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from tests.security.rules import rule, without

PROJECT = Path(__file__).parents[2] / "pyproject.toml"
TEXT = PROJECT.read_text(encoding="utf-8")
KNOWN = frozenset(
    {
        *("ci-info", "msgspec", "platformdirs", "PyYAML", "requests", "urllib3", "wrapt", "opentelemetry-api"),
        *("opentelemetry-sdk", "opentelemetry-semantic-conventions", "opentelemetry-instrumentation"),
        "opentelemetry-exporter-otlp-proto-http",
    }
)
HERE = sys.modules[__name__]


@rule(
    without(HERE, "TEXT", TEXT.replace('"wrapt>=1.16,<3"', '"wrapt>=1.16"')),
    without(HERE, "TEXT", TEXT.replace("dependencies = [", 'dependencies = [\n  "left-pad>=1,<2",', 1)),
)
def test_dependencies_are_few_known_and_bounded() -> None:
    """Read from pyproject.toml: one more, or one without an upper bound, has to be meant."""
    listed = re.search(r"^dependencies = \[\n(.*?)^\]", TEXT, re.DOTALL | re.MULTILINE)
    assert listed is not None
    found = re.findall(r'"([A-Za-z0-9.-]+)(>=[^",]+)(,<[^"]+)?"', listed[1])
    assert len(found) == listed[1].count('"') // 2
    for name, _, below in found:
        assert name in KNOWN, name
        assert below, f"{name} has no upper bound"
