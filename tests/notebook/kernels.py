"""Runs notebooks in real kernels, with and without footfall, and reads what their journals say."""

from __future__ import annotations

import os
import textwrap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import nbformat
from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.manager import KernelManager, start_new_kernel
from nbclient import NotebookClient

from footfall.journal.reader import JournalReader, journals
from footfall.usage import Kind, Usage

GUARD_SECONDS = 60
LOAD = "%load_ext footfall.ipython"

CORE = '''
class Catalog:
    def __init__(self, rows):
        self.rows = rows

    def search(self, require=None, **query):
        return type(self)([row for row in self.rows if all(row.get(key) == query[key] for key in query)])

    def to_dask(self, depth=1):
        return len(self.rows) * depth

    @property
    def df(self):
        return [dict(row) for row in self.rows]

    def __getitem__(self, key):
        return self.rows[key]

    def keys(self):
        return range(len(self.rows))


class esm_datastore(Catalog):
    async def load(self, name):
        return name.upper()

    def broken(self):
        raise LookupError("nothing there")


class AliasedESMCatalog(esm_datastore):
    """Inherits everything."""


def open_esm_datastore(path, mode="r"):
    return esm_datastore([{"path": path, "mode": mode}, {"path": path, "mode": "w"}])


def use_datastore(path):
    return open_esm_datastore(path)
'''

INTAKE = """
made = []


class Entries:
    def __getattr__(self, name):
        if name.startswith("_"):
            raise AttributeError(name)
        return f"entry {name}"


def __getattr__(name):
    if name == "cat":
        made.append(name)
        globals()["cat"] = Entries()
        return globals()["cat"]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
"""

CONFIG = """
project: demo/notebook
registry:
  intake:
    catalog:
      - {function: esm_datastore.search, capture: {require: text, query: json}}
      - {function: AliasedESMCatalog.search, capture: {require: text, query: json}}
      - {function: Catalog.to_dask, capture: {depth: int}}
      - {function: esm_datastore.to_dask, capture: {depth: int}}
      - {function: esm_datastore.__getitem__, capture: {key: int}}
      - {function: esm_datastore.load, capture: {name: text}}
      - esm_datastore.broken
      - esm_datastore.df
      - Catalog.df
      - AliasedESMCatalog.df
      - AliasedESMCatalog.keys
      - Missing.search
    datastore:
      capture: {path: text}
      functions: [open_esm_datastore, use_datastore]
    own:
      capture: {x: int}
      functions: [some_func, Local.method, run]
"""

ACCESS = """
demo:
  catalog:
    - demo_intake.cat.access_nri
    - executor.run
"""

LATER = """
from footfall import runtime as _runtime
from footfall.registry.yaml import load_access_text as _load
_runtime.current().instrument(_load({text!r}, "config.yaml", project="access/demo"))
"""


class Laboratory:
    """A directory with small real modules, and the kernels that run there."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.library = directory / "library"
        (self.library / "esm_demo").mkdir(parents=True)
        (directory / "home").mkdir(exist_ok=True)
        (directory / "ipython").mkdir()
        (self.library / "esm_demo" / "__init__.py").write_text("")
        self.write("esm_demo.core", CORE)
        self.write("demo_intake", INTAKE)
        self.write("executor", "def run(x=1):\n    return x + 1\n")

    def write(self, module: str, source: str) -> None:
        self.library.joinpath(*module.split(".")).with_suffix(".py").write_text(textwrap.dedent(source))

    def configure(self, text: str) -> None:
        (self.directory / "footfall.yaml").write_text(textwrap.dedent(text))

    def startup(self, code: str) -> None:
        """Have each kernel run *code* before the first cell, as a startup file does."""
        folder = self.directory / "ipython" / "profile_default" / "startup"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "50-footfall.py").write_text(code)

    def environment(self, **extra: str) -> dict[str, str]:
        kept = {key: value for key, value in os.environ.items() if key in {"PATH", "LANG", "TMPDIR", "SYSTEMROOT"}}
        return {
            **kept,
            "HOME": str(self.directory / "home"),
            "XDG_CONFIG_HOME": str(self.directory / "config"),
            "IPYTHONDIR": str(self.directory / "ipython"),
            "PYTHONPATH": str(self.library),
            "FOOTFALL": "local",
            "FOOTFALL_DIR": str(self.directory / "state"),
            "FOOTFALL_RATE": "0",
            "FOOTFALL_CONFIG": str(self.directory / "footfall.yaml"),
            **extra,
        }

    def run(self, *cells: str, **environment: str) -> list[list[dict[str, Any]]]:
        """Run a notebook of *cells* in a kernel of its own; return the outputs of each cell."""
        notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(textwrap.dedent(cell)) for cell in cells])
        client = NotebookClient(notebook, kernel_name="python3", allow_errors=True, timeout=GUARD_SECONDS)
        client.execute(env=self.environment(**environment), cwd=str(self.directory))
        return [[dict(output) for output in cell.outputs] for cell in notebook.cells]

    @contextmanager
    def kernel(self, **environment: str) -> Iterator[tuple[KernelManager, BlockingKernelClient]]:
        """Yield a kernel that can be restarted, and its client."""
        manager, client = start_new_kernel(
            kernel_name="python3", env=self.environment(**environment), cwd=str(self.directory)
        )
        try:
            yield manager, client
        finally:
            client.stop_channels()
            manager.shutdown_kernel(now=True)

    def usages(self) -> list[Usage]:
        found: list[Usage] = []
        directory = self.directory / "state" / "journal"
        for path in journals(directory) if directory.exists() else []:
            reader, offset, at_end = JournalReader(path), 0, False
            while not at_end:
                chunk = reader.read(offset)
                assert chunk.corrupt == 0
                found += [record.usage for record in chunk.observed]
                offset, at_end = chunk.offset, chunk.at_end
        return sorted(found, key=lambda usage: usage.time_ns)

    def uses(self) -> list[tuple[str, dict[str, Any]]]:
        """Return module and function, and the arguments, of each use, in the order in which they began."""
        return [(usage.name, dict(usage.arguments)) for usage in self.usages() if usage.kind is Kind.END]


def values(outputs: Sequence[Sequence[dict[str, Any]]]) -> list[Any]:
    """Return what each cell showed, without what differs between any two runs."""
    return [[_value(output) for output in cell] for cell in outputs]


def _value(output: dict[str, Any]) -> Any:
    if output["output_type"] == "error":
        return output["ename"], output["evalue"]
    return output.get("text") or dict(output["data"])
