"""Imports point down: each module imports lower rows only, and neighbours in one row do not know each other."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import footfall

ROOT = Path(footfall.__file__).parent

ROWS: tuple[frozenset[str], ...] = tuple(
    map(
        frozenset,
        (
            {
                "errors",
                "ledger",
                "attributes",
                "usage",
                "destination",
                "clock",
                "scrub",
                "locks",
                "forks",
                "version",
                "crash",
                "semver",
                "bar",
            },
            {"settings", "places"},
            {"registry", "jobs", "resource", "consent", "wire", "journal", "outbox", "startup_file", "collect"},
            {"instrumentation", "export", "courier"},
            {
                "status",
                "delivery",
                "shipper",
                "decorated",
                "tracking",
                "disclosure",
                "background",
                "lifecycle",
                "runtime",
            },
            {"gateway"},
            {
                "distro",
                "distro_logs",
                "declarative",
                "gathering",
                "facade",
                "cli",
                "ipython",
                "installed",
                "testing",
                "api",
                "__main__",
            },
        ),
    )
)
"""From the lowest up. A name is a module or a package right below `footfall`."""

ROW_OF = {name: number for number, names in enumerate(ROWS) for name in names}

ORDERED = ("status", "delivery", "shipper", "decorated", "tracking", "disclosure", "background", "lifecycle", "runtime")
"""The one row whose modules know each other, each only those before it."""

APART = frozenset({"registry", "jobs", "resource", "consent", "wire", "journal", "outbox", "collect"})

ALLOWED_NEIGHBOURS = frozenset(
    {
        ("outbox", "wire.base"),
        *(("jobs", f"registry.{module}") for module in ("model", "nearest", "nodes", "yaml")),
    }
)
"""`Request`, `Response` and `Verdict` are what an outbox keeps and a courier carries. Two kinds of configuration files
are read by the same nodes, and quote and guess alike."""

INSIDE_TOP = frozenset(
    {
        ("distro", "api"),
        ("distro", "declarative"),
        ("distro", "installed"),
        ("ipython", "installed"),
        ("declarative", "api"),
        ("distro_logs", "distro"),
        ("facade", "api"),
        ("facade", "gathering"),
        ("facade", "ipython"),
        ("ipython", "api"),
        ("cli", "api"),
        ("cli", "gathering"),
        ("__main__", "cli"),
        ("cli", "testing"),
    }
)
"""In the top row: several doors to the same public functions; and ``footfall demo`` shows them against the sink."""


PROGRAMS = "cli.demo.programs."
"""What `footfall demo` runs: programs of a user, who imports the package root as users do."""


def modules() -> Iterator[tuple[str, Path]]:
    """Return dotted name (without ``footfall.``) and path of every module but the package root."""
    for path in sorted(ROOT.rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        if name and not name.startswith(PROGRAMS):
            yield name, path


def imports(path: Path) -> Iterator[tuple[str, int]]:
    """Return what of footfall *path* imports at run time, as dotted names below the root, with line numbers.

    The root itself is "". What stands under ``if TYPE_CHECKING:`` is not imported.
    """
    tree = ast.parse(path.read_text(encoding="utf-8"))
    skipped = {
        node
        for block in ast.walk(tree)
        if isinstance(block, ast.If) and "TYPE_CHECKING" in ast.unparse(block.test)
        for statement in block.body
        for node in ast.walk(statement)
    }
    for node in ast.walk(tree):
        if node in skipped:
            continue
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.partition(".")[0] == "footfall":
                    yield alias.name.partition(".")[2], node.lineno
        elif isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "footfall":
            assert node.level == 0
            inside = (node.module or "").partition(".")[2]
            for alias in node.names:
                deeper = f"{inside}.{alias.name}".strip(".")
                yield (deeper if is_module(deeper) else inside), node.lineno


def is_module(name: str) -> bool:
    """Whether *name* (below the root) is a module or package."""
    base = ROOT.joinpath(*name.split("."))
    return base.is_dir() or base.with_suffix(".py").is_file()


def complaint(importer: str, imported: str) -> str:
    """Return why *importer* must not import *imported*, or ""."""
    own, other = importer.partition(".")[0], imported.partition(".")[0]
    if not imported:
        return "imports the package root"
    if other not in ROW_OF:
        return "imports a module that has no row"
    if own == other or ROW_OF[own] > ROW_OF[other]:
        return ""
    if ROW_OF[own] < ROW_OF[other]:
        return "imports upwards"
    if own in ORDERED:
        return "" if ORDERED.index(own) > ORDERED.index(other) else "imports a later one of its row"
    if own in APART:
        return "" if (own, imported) in ALLOWED_NEIGHBOURS else "imports its neighbour"
    if ROW_OF[own] in {0, 1}:
        return ""  # the lowest rows are small change; cycles among them are caught below
    return "" if (own, other) in INSIDE_TOP or importer == imported else "imports its neighbour"


def test_every_module_has_a_row():
    """A new module says where it belongs, here."""
    assert {name.partition(".")[0] for name, _ in modules()} <= ROW_OF.keys()


def test_imports_point_down():
    """Row by row; lazily or not, an import is a dependency."""
    wrong = [
        f"{path.relative_to(ROOT)}:{line}: {importer} {why}: {imported or 'footfall'}"
        for importer, path in modules()
        for imported, line in imports(path)
        if (why := complaint(importer, imported))
    ]
    assert wrong == []


def test_there_is_no_circle():
    """Not even inside one package, counting imports that run with the module only."""
    graph = {name: {other for other, _ in top_level_imports(path)} for name, path in modules()}
    done: set[str] = set()

    def visit(name: str, trail: tuple[str, ...]) -> None:
        assert name not in trail, " -> ".join((*trail, name))
        if name not in done:
            for other in sorted(graph.get(name, ())):
                if other != name:
                    visit(other, (*trail, name))
            done.add(name)

    for name in graph:
        visit(name, ())


def top_level_imports(path: Path) -> Iterator[tuple[str, int]]:
    """Return those of `imports` that are not inside a function."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    inner = {
        node.lineno
        for function in ast.walk(tree)
        if isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef))
        for node in ast.walk(function)
        if isinstance(node, (ast.Import, ast.ImportFrom))
    }
    return ((name, line) for name, line in imports(path) if line not in inner)


def test_no_module_is_too_long():
    """Past 450 lines, ask which second idea moved in."""
    lengths = {name: len(path.read_text(encoding="utf-8").splitlines()) for name, path in modules()}
    assert {name: length for name, length in lengths.items() if length > 450} == {}
