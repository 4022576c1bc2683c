"""The notebooks, cell by cell, each with the registered uses that its author made in it; and what runs them.

What the package calls inside is no use: a `to_dask` opens the catalogue's keys and entries by functions that are
registered too. Nor is what Jupyter calls to show an object.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
from nbformat.v4 import new_code_cell, new_notebook

from tests.notebook_real.conftest import ADDRESS, BIN, Done, Lab, finish

CATALOG, OPEN = "intake/catalog", "intake/open"
COLOUR = re.compile(r"\x1b\[[0-9;]*m")

Use = tuple[str, list[Any], dict[str, Any]]
"""Function, positional arguments and keywords of a record."""


@dataclass(frozen=True)
class Cell:
    """A cell and its uses, those of a notebook's services in the order of their ends."""

    source: str
    uses: tuple[Use, ...] = ()


def search(**query: Any) -> Use:
    return "esm_datastore.search", [], {"require_all_on": None, **query}


def plain(name: str, *args: Any, **kwargs: Any) -> Use:
    return f"esm_datastore.{name}", list(args), kwargs


def _named(*names: str) -> tuple[Use, ...]:
    return tuple((f"esm_datastore.{name}", [], {}) for name in names)


ANALYSIS = (
    Cell(
        # In the very cell that imports the package; `len` of a result asks for its keys.
        """
import intake
from xarray import load_dataset as load
cat = intake.open_esm_datastore({catalogue!r})
scipy = dict(engine="scipy")
cat.search(variable="tas", experiment=["historical", "ssp585"]).df.shape
""",
        (search(variable="tas", experiment=["historical", "ssp585"]), plain("df")),
    ),
    Cell(
        'float(cat.search(variable="tas").search(experiment="historical").to_dask(xarray_open_kwargs=scipy)["tas"].mean())',
        (search(variable="tas"), search(experiment="historical"), plain("to_dask")),
    ),
    Cell("cat.unique()['member'], cat.nunique()", (plain("unique"), plain("nunique"))),
    Cell("cat.df", (plain("df"),)),
    Cell("display(cat)\ncat"),  # counts and looks through all there is, to show itself
    Cell(
        "(cat['ACCESS.ssp585'].key, [name for name in sorted(cat.keys()) if 'hist' in name])",
        (plain("__getitem__", "ACCESS.ssp585"), plain("keys")),
    ),
    Cell("cat['nope']", (plain("__getitem__", "nope"),)),
    Cell(
        # An alias, a function of the user's own, a loop, and an f-string.
        """
look = cat.search
def rows(member):
    return look(member=member).df.shape[0]
f"{sum(rows(member) for member in ['r1', 'r2'])} rows"
""",
        (search(member="r1"), plain("df"), search(member="r2"), plain("df")),
    ),
    Cell(
        """
for path in sorted(cat.df.path)[:2]:
    print(dict(load(path, **scipy).sizes))
""",
        (plain("df"), ("load_dataset", [], {}), ("load_dataset", [], {})),
    ),
    Cell(
        """
sets = cat.search(variable="pr", experiment="ssp585").to_dataset_dict(progressbar=False, xarray_open_kwargs=scipy)
print(*sets)
print(sets["ACCESS.ssp585"])
""",
        (search(variable="pr", experiment="ssp585"), plain("to_dataset_dict", progressbar=False)),
    ),
    Cell(
        # IPython's own: `await` at the top, magics, a result by its name.
        """
import asyncio
found = await asyncio.to_thread(cat.search, member=["r1"])
%precision 3
found.df.shape
""",
        (search(member=["r1"]), plain("df")),
    ),
    Cell("%%capture said\nprint(cat.search(variable='pr').df.shape)", (search(variable="pr"), plain("df"))),
    Cell("print(said.stdout)\n_ , __name__"),
    Cell("def broken(:", ()),
    Cell("import numpy\nnumpy.zeros(2) @ cat.search(1, 2, 3)", (plain("search", require_all_on=1),)),
)

ORIGINAL = (
    Cell(
        """
import intake
scipy = dict(engine="scipy")
cat = intake.open_esm_datastore({catalogue!r})
cat.search(variable="tas").df.shape
""",
        _named("search", "df"),
    ),
    Cell(
        "cat.search(variable='tas').search(experiment='historical').to_dask(xarray_open_kwargs=scipy).sizes",
        _named("search", "search", "to_dask"),
    ),
    Cell("cat['ACCESS.historical'].key, cat.keys()"),
    Cell(
        "sorted(cat.search(variable='pr').to_dataset_dict(progressbar=False, xarray_open_kwargs=scipy))",
        _named("search", "to_dataset_dict"),
    ),
    Cell("cat.unique()['variable'], cat.nunique()['variable']", _named("unique", "nunique")),
)
"""With the original client's own list, which has no arguments, and of a data store neither subscripts nor keys."""


def write(path: Path, catalogue: str, first: str, cells: tuple[Cell, ...]) -> Path:
    """Write a notebook that begins with the cell *first*."""
    sources = [first, *(cell.source.replace("{catalogue!r}", repr(catalogue)).strip() for cell in cells)]
    nbformat.write(new_notebook(cells=[new_code_cell(source) for source in sources]), path)
    return path


@dataclass(frozen=True)
class Executed:
    """What a notebook showed, cell by cell, without colours and addresses; and what was said beside it."""

    outputs: list[list[Any]]
    said: list[str]


def execute(lab: Lab, notebooks: dict[str, dict[str, str]]) -> dict[str, Executed]:
    """Run notebooks of the lab's directory, by name, each in a kernel with more variables, side by side."""
    running = {
        name: lab.start(
            str(BIN / "jupyter-execute"),
            "--allow-errors",
            f"--output={lab.directory / name}-executed.ipynb",
            str(lab.directory / f"{name}.ipynb"),
            **variables,
        )
        for name, variables in notebooks.items()
    }
    return {name: _executed(lab.directory / f"{name}-executed.ipynb", finish(each)) for name, each in running.items()}


def _executed(path: Path, done: Done) -> Executed:
    assert done.status == 0, done
    cells = nbformat.read(path, as_version=4).cells
    said = [line for line in (done.out + done.err).splitlines() if not line.startswith("[NbClientApp]")]
    return Executed([_joined(_plain(cell.outputs)) for cell in cells], said)


def _joined(outputs: list[Any]) -> list[Any]:
    """Return *outputs* with each stream in one: a kernel sends texts in pieces as its clock has it."""
    found: list[Any] = []
    for output in outputs:
        if output["output_type"] == "stream" and found and found[-1].get("name") == output["name"]:
            found[-1]["text"] += output["text"]
        else:
            found.append(output)
    return found


def _plain(output: Any) -> Any:
    if isinstance(output, dict):
        return {key: _plain(value) for key, value in output.items()}
    if isinstance(output, list):
        return [_plain(value) for value in output]
    return ADDRESS.sub("0x", COLOUR.sub("", output)) if isinstance(output, str) else output
