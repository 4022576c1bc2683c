"""A real Jupyter kernel runs a real notebook, with the extension and without."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from tests.notebook_real.conftest import Lab
from tests.notebook_real.notebooks import ANALYSIS, ORIGINAL, Cell, execute, write

EXTENSION = "%load_ext footfall.ipython"


def test_each_use_is_recorded_once_and_the_notebook_is_as_without(lab: Lab) -> None:
    """The same outputs, nothing said, and the uses that the cells' author made, with their values."""
    write(lab.directory / "without.ipynb", lab.catalogue, "import os", ANALYSIS)
    write(lab.directory / "with.ipynb", lab.catalogue, EXTENSION, ANALYSIS)
    ran = execute(lab, {"without": {}, "with": {"FOOTFALL_CONFIG": lab.configured()}})
    assert ran["with"].outputs == ran["without"].outputs
    assert ran["with"].outputs[0] == []
    assert ran["with"].said == ran["without"].said
    _assert_made_once(lab, ANALYSIS)


def test_the_original_clients_list_of_bare_names(lab: Lab) -> None:
    """Unchanged, read from the package's own file: names are found as the cells import and make what they mean."""
    found = importlib.util.find_spec("access_py_telemetry")
    assert found is not None
    config = str(Path(found.submodule_search_locations[0]) / "config.yaml")
    arguments = f"'ACCESS-NRI/intake', registry={config!r}, send_to=[footfall.Access('{lab.sink.url}/api')]"
    write(lab.directory / "without.ipynb", lab.catalogue, "import os", ORIGINAL)
    write(
        lab.directory / "with.ipynb",
        lab.catalogue,
        f"{EXTENSION}\nimport footfall\n_ = footfall.instrument({arguments})",
        ORIGINAL,
    )
    ran = execute(lab, {"without": {}, "with": {}})
    assert ran["with"] == ran["without"]
    _assert_made_once(lab, ORIGINAL)


def _assert_made_once(lab: Lab, cells: tuple[Cell, ...]) -> None:
    """The sink got the uses of *cells* and no other, in whatever order they arrived."""
    lab.send_everything()
    made = [use for cell in cells for use in cell.uses]
    recorded = [(use["function"], use["args"], use["kwargs"]) for use in lab.uses("intake")]
    assert sorted(recorded, key=repr) == sorted(made, key=repr)
    lab.assert_duplicates(0)
    lab.assert_balanced()
