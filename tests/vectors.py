"""The recorded exchanges of the original clients and servers: beside this tree, or where FOOTFALL_SHARED says."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

FOLDER = Path(os.environ.get("FOOTFALL_SHARED", Path(__file__).resolve().parents[2] / "shared")) / "wire" / "vectors"


def files(wire: str, pattern: str = "*.json") -> list[Path]:
    """The recordings of *wire* whose names are like *pattern*, in order; none at all would make tests of nothing."""
    found = sorted((FOLDER / wire).glob(pattern))
    if not found:
        msg = f"no {pattern} in {FOLDER / wire}; set FOOTFALL_SHARED to the folder that holds wire/vectors"
        raise RuntimeError(msg)
    return found


def by_name(wire: str, pattern: str = "*.json") -> dict[str, dict[str, Any]]:
    """What each recording of *wire* says, by its file's name without the ending."""
    return {file.stem: json.loads(file.read_text(encoding="utf-8")) for file in files(wire, pattern)}


def by_number(wire: str, *, name: str = "file") -> dict[int, dict[str, Any]]:
    """The same by the number that the file's name begins with; the name itself is in the field *name*."""
    return {int(stem[:3]): {name: stem, **vector} for stem, vector in by_name(wire).items()}
