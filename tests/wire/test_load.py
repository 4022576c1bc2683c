"""Wires are found by name, made with options, and every mistake says what would be right."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from footfall.errors import ConfigurationError, NotOfferedError
from footfall.wire import load
from footfall.wire.migas import MigasWire


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with an installed package that declares wires: a good one, a broken one, no wire, and our name."""
    metadata = tmp_path / "pigeon-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: pigeon\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(
        "[footfall.wires]\n"
        "pigeon = footfall_test_pigeon:PigeonWire\n"
        "ghost = footfall_test_pigeon_missing:Wire\n"
        "stone = footfall_test_pigeon:Stone\n"
        "migas = footfall_test_pigeon:PigeonWire\n"
    )
    (tmp_path / "footfall_test_pigeon.py").write_text(
        "from footfall.wire.migas import MigasWire\n"
        "class PigeonWire(MigasWire):\n"
        "    name = 'pigeon'\n"
        "    def __init__(self, *, loft: str = '') -> None:\n"
        "        super().__init__()\n"
        "        self.loft = loft\n"
        "class Stone:\n"
        "    pass\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    load.forget()
    yield tmp_path
    load.forget()


def test_ours_are_there_without_metadata() -> None:
    """Both in-tree wires load by name, with their options."""
    assert {"migas", "otlp"} <= set(load.installed())
    wire = load.load("migas", {"dialect": "graphql"})
    assert isinstance(wire, MigasWire)
    assert wire.path == "/graphql"
    assert load.load("otlp", {}).name == "otlp"


def test_the_table_says_what_the_metadata_says() -> None:
    """Our entry points in pyproject.toml and the table in the code name the same wires at the same places."""
    text = (Path(__file__).parents[2] / "pyproject.toml").read_text()
    section = text.partition('[project.entry-points."footfall.wires"]')[2].partition("\n[")[0]
    assert dict(re.findall(r'^(\w+) = "(.+)"$', section, re.MULTILINE)) == load.OURS


def test_a_wire_of_another_package_is_found(site: Path) -> None:
    """One entry-point line in another package is enough, and it gets its options."""
    assert "pigeon" in load.installed()
    wire = load.load("pigeon", {"loft": "north"})
    assert (wire.name, vars(wire)["loft"]) == ("pigeon", "north")


def test_nobody_takes_the_place_of_ours(site: Path) -> None:
    """Where data go does not depend on what else is installed."""
    assert load.load("migas", {}).name == "migas"


def test_unknown_names_get_a_hint(site: Path) -> None:
    """The message lists what is installed, and the nearest name."""
    expected = (
        "unknown wire 'pigoen'; installed: access, ghost, insights, migas, otlp, pigeon, ramen, stone, tracker;"
        " did you mean 'pigeon'?"
    )
    with pytest.raises(NotOfferedError, match=re.escape(expected)):
        load.load("pigoen", {})


@pytest.mark.parametrize("name", ["ghost", "stone"])
def test_a_broken_wire_is_not_offered(site: Path, name: str) -> None:
    """One that cannot be imported, and a class that is no wire, are refused by name."""
    with pytest.raises(NotOfferedError, match=f"wire '{name}'"):
        load.load(name, {})


def test_wrong_options_name_the_right_ones() -> None:
    """An option that the wire does not have is a mistake in the configuration."""
    with pytest.raises(ConfigurationError, match=r"wire 'migas': options 'dialekt' do not fit; it has: dialect, wait"):
        load.load("migas", {"dialekt": "rest"})
    with pytest.raises(ConfigurationError, match=r"'gzip' or 'none'"):
        load.load("otlp", {"compression": "zip"})
