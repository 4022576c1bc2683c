"""docs/security.md and the tests say the same: each rule has a row, each row leads to tests, each test has a row."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROWS = {
    match[1]: match[2]
    for match in re.finditer(
        r"^\| (S\d+) \|.*\| ([^|]+) \|$", (ROOT / "docs" / "security.md").read_text("utf-8"), re.MULTILINE
    )
}


def test_every_rule_has_a_row() -> None:
    assert list(ROWS) == [f"S{number}" for number in range(1, 21)]


@pytest.mark.parametrize("rule", ROWS)
def test_every_row_leads_to_tests(rule: str) -> None:
    places = re.findall(r"`([^`]+)`", ROWS[rule])
    assert places
    for place in places:
        assert (ROOT / place if "/" in place else Path(__file__).parent / place).exists(), place


def test_every_module_is_in_a_row_and_proves_that_it_can_fail() -> None:
    named = " ".join(ROWS.values())
    for path in Path(__file__).parent.glob("test_s*.py"):
        assert path.name in named
        text = path.read_text(encoding="utf-8")
        assert re.search(r"^@rule\(", text, re.MULTILINE), path.name
