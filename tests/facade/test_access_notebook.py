"""The recorded cells, run in a real IPython shell with the facade's extension; and its ways in."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from typing import Any

import pytest

from tests.facade.accesshelp import CELL
from tests.facade.test_access_originals import expected
from tests.process.harness import GUARD_SECONDS, Observation
from tests.wire.accessrecorded import VECTORS

CELLS = [name for name, vector in VECTORS.items() if vector["call"]["function"] == CELL]
TOLD = [name for name in CELLS if "syntax-error" not in name]

STARTUP = """
from footfall.facade.access import capture_registered_calls
from IPython import get_ipython
get_ipython().events.register("shell_initialized", capture_registered_calls)
"""
"""What the original's README puts into a startup file, but for its prints."""

WAYS = {
    "load_ext": 'shell.run_cell("%load_ext footfall.facade.access")',
    "startup": f"shell.run_cell({STARTUP!r})\nshell.events.trigger('shell_initialized', shell)",
    "twice": 'shell.run_cell("%load_ext footfall.facade.access")\nshell.run_cell("%load_ext footfall.ipython")',
}

PROGRAM = """
import json, sys
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell.instance()
{way}
cells = json.load(sys.stdin)
for cell in cells:
    shell.run_cell(cell)
"""


def run(observation: Observation, way: str, cells: list[str]) -> list[dict[str, Any]]:
    """Run *cells* in a shell; return the records that followed, each with where it went."""
    before = len(observation.sink.requests())
    environment = observation.environment(LOGNAME="alice", IPYTHONDIR=str(observation.directory / "ipython"))
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", PROGRAM.format(way=WAYS[way])],
        input=json.dumps(cells),
        env=environment,
        capture_output=True,
        text=True,
        timeout=GUARD_SECONDS,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    observation.send_everything()
    requests = {each.key: each for each in observation.sink.requests()[before:] if each.accepted}
    return [{"path": each.path, **json.loads(each.body)} for each in requests.values()]


def server(observation: Observation) -> str:
    url = observation.sink.url + "/api"
    return f"from footfall.facade.access.api import ApiHandler\nApiHandler().server_url = {url!r}"


@pytest.mark.parametrize("way", WAYS)
def test_cells_are_told_with_their_values(way: str, observation: Observation) -> None:
    """056 to 062: each registered call once, with the values it had (D9); a cell that does not parse says nothing."""
    namespace = VECTORS[CELLS[0]]["call"]["config"]["namespace"]
    cells = [server(observation), "from tests.facade.accesscatalog import DfFileCatalog, esm_datastore", namespace]
    records = run(observation, way, cells + [VECTORS[name]["call"]["args"][0] for name in CELLS])
    wanted = [{"path": path, **record, "session_id": ""} for name in TOLD for path, record in expected(name)]
    told = [record | {"session_id": ""} for record in records]
    assert len({record["session_id"] for record in records}) == 1
    assert Counter(json.dumps(each, sort_keys=True) for each in told) == Counter(
        json.dumps(each, sort_keys=True) for each in wanted
    )


def test_a_function_of_the_notebook_is_registered_by_name(observation: Observation) -> None:
    """Before it is defined, as the original's README has it, and once only when it is decorated as well."""
    cells = [
        server(observation),
        (
            "from footfall.facade.access.registry import TelemetryRegister\n"
            "from footfall.facade.access.decorators import ipy_register_func\n"
            "TelemetryRegister('intake_cli').register('some_func', 'my_func')"
        ),
        "def some_func(x):\n    return x\n@ipy_register_func('intake_cli')\ndef my_func(x):\n    return x",
        "some_func(1); my_func(2)",
        "TelemetryRegister('intake_cli').deregister('some_func', my_func)",
        "some_func(3); my_func(4)",
    ]
    records = run(observation, "load_ext", cells)
    assert sorted((record["function"], record["args"]) for record in records) == [("my_func", [2]), ("some_func", [1])]
