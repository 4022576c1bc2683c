"""What the notebook extension adds to a cell: IPython's own shell with 50 registered functions, extension on and off.

Half of the functions are registered by module, half by bare names, whose meaning is looked for before each cell and in
each module that is imported.
"""

from __future__ import annotations

import compileall
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from bench.calls import JOURNAL_ONLY
from bench.measure import Figure, compare, in_milliseconds
from bench.worker import Worker

FUNCTIONS = 50
MODULES = 100
ROUNDS = 30
WARM_UP = 2
CELLS = 20
NAMES = 500
"""In the user's namespace: an afternoon's."""

TARGET_MILLISECONDS = 5.0


def shell(package: str, *, on: bool) -> Callable[[], list[float]]:
    """Return the nanoseconds of a cell: one that does nothing, one with a registered call, one that imports.

    Each import is that of a package nobody imported yet, which imports 100 modules.
    """
    from IPython.core.interactiveshell import InteractiveShell
    from traitlets.config import Config

    sys.path.insert(0, package)
    compileall.compile_dir(package, quiet=1)
    config = Config()
    config.HistoryManager.enabled = False  # its thread writes to a database now and then
    ip: Any = InteractiveShell.instance(config=config)
    if on:
        ip.run_line_magic("load_ext", "footfall.ipython")
    lines = ["from bench_cells import Store, f0", "store = Store()", f"for i in range({NAMES}):"]
    _run(ip, "\n".join([*lines, "    globals()[f'name{i}'] = [i]"]))
    fresh = iter(range(ROUNDS + WARM_UP))
    wrapped = hasattr(ip.user_ns["f0"], "__wrapped__") and hasattr(vars(ip.user_ns["Store"])["f1"], "__wrapped__")
    if wrapped != on:
        msg = f"with the extension {'on' if on else 'off'}, the functions are {'' if wrapped else 'not '}wrapped"
        raise AssertionError(msg)

    def measure() -> list[float]:
        nothing, call = (min(_run(ip, cell) for _ in range(CELLS)) for cell in ("pass", "x = store.f1(1) + f0(1)"))
        return [nothing, call, _run(ip, f"import bench_many{next(fresh)}")]

    return measure


def _run(ip: Any, cell: str) -> float:
    begin = time.perf_counter_ns()
    result = ip.run_cell(cell, store_history=True)
    took = time.perf_counter_ns() - begin
    result.raise_error()
    return took


def figures(directory: Path) -> Iterator[Figure]:
    """The extension's part of a cell, in milliseconds: 10th percentile with it less that without."""
    package, config = _package(directory)
    on = {**JOURNAL_ONLY, "FOOTFALL_CONFIG": str(config), "FOOTFALL_RATE": "0"}
    with (
        Worker("bench.notebook:shell", directory / "on", environ=on, package=str(package), on=True) as subject,
        Worker("bench.notebook:shell", directory / "off", package=str(package), on=False) as reference,
    ):
        rounds = [(subject(), reference()) for _ in range(ROUNDS + WARM_UP)][WARM_UP:]
    cells = ("nothing", "two registered calls", f"an import of {MODULES} modules")
    for place, cell in enumerate(cells):
        ratio = compare([ours[place] for ours, _ in rounds], [theirs[place] for _, theirs in rounds])
        yield Figure(
            f"added to a cell: {cell}",
            (ratio.subject - ratio.reference) / 1e6,
            TARGET_MILLISECONDS,
            unit=" ms",
            spread=f"({ratio.low:.3g}-{ratio.high:.3g})x",
            detail=f"{in_milliseconds(ratio.subject)} against {in_milliseconds(ratio.reference)}: {ratio.value:.3g}x",
        )


def _package(directory: Path) -> tuple[Path, Path]:
    """Write the registered package, and one for each import; return their folder and the ``footfall.yaml``."""
    folder = directory / "packages"
    half = FUNCTIONS // 2
    _write(
        folder / "bench_cells.py", _functions("", range(half)) + "class Store:\n" + _functions("    ", range(FUNCTIONS))
    )
    for number in range(ROUNDS + WARM_UP):
        many = folder / f"bench_many{number}"
        for part in range(MODULES):
            _write(
                many / f"part{part}.py", f"class Thing{part}:\n    size = {part}\n\n\ndef work():\n    return {part}\n"
            )
        _write(many / "__init__.py", "".join(f"from . import part{part}\n" for part in range(MODULES)))
    by_module = [f"    - bench_cells:f{number}" for number in range(half)]
    bare = [f"    - Store.f{number}" for number in range(half)]
    lines = ["project: bench/notebook", "version: '1'", "send_to:", "  - migas: http://127.0.0.1:9", "registry:"]
    config = directory / "footfall.yaml"
    _write(config, "\n".join([*lines, "  module:", *by_module, "  bare:", *bare, ""]))
    config.chmod(0o600)
    return folder, config


def _functions(indent: str, numbers: range) -> str:
    argument = "self, value" if indent else "value"
    return "".join(f"{indent}def f{number}({argument}):\n{indent}    return value\n\n\n" for number in numbers)


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
