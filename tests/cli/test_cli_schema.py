"""`footfall schema`: the JSON Schema of the registry file, for editors."""

from __future__ import annotations

import json
from pathlib import Path

from clihelp import files, footfall

from footfall.registry.schema import json_schema


def test_the_schema_is_printed_and_nothing_else() -> None:
    """What is printed parses, and no file is made."""
    before = files()
    said = footfall("schema")
    assert (said.returncode, said.stderr) == (0, "")
    assert json.loads(said.stdout) == json_schema()
    assert files() == before


def test_the_schema_is_written_to_a_file(tmp_path: Path) -> None:
    """``-o`` writes the same text and prints nothing."""
    place = tmp_path / "footfall.schema.json"
    said = footfall("schema", "-o", str(place))
    assert (said.returncode, said.stdout, said.stderr) == (0, "", "")
    assert place.read_text() == footfall("schema").stdout


def test_a_file_that_cannot_be_written_is_status_2(tmp_path: Path) -> None:
    """The place and the reason are named."""
    said = footfall("schema", "--output", str(tmp_path / "no" / "file"))
    assert said.returncode == 2
    assert str(tmp_path / "no" / "file") in said.stderr
    assert "No such file" in said.stderr
