"""What it takes to start: whole processes, from their beginning to their end, less a bare interpreter's."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from bench.measure import Figure, compare, cost, in_milliseconds, interleave, percentile
from bench.worker import environment

EXPORTER = "import opentelemetry.exporter.otlp.proto.http.trace_exporter"
FUNCTIONS = 100
MODULES = 10
ROUNDS = 20

_INSTRUMENT = "import footfall\nprint(footfall.instrument(registry={path!r}))\n"
_USE = "import sys\nfor number in range({modules}):\n    __import__(f'bench_started.part{{number}}')\n"
_WRAPPED = "assert hasattr(sys.modules['bench_started.part0'].f0, '__wrapped__'), 'nothing was wrapped'\n"
_NOT_LOADED = (
    "import sys\nheavy = {'opentelemetry.sdk', 'requests', 'urllib3', 'http.client', 'sqlite3'} & set(sys.modules)\n"
    "assert not heavy, f'{heavy} were loaded before anything was delivered'\n"
)


def figures(directory: Path) -> Iterator[Figure]:
    """`import footfall`, and registering functions from a file, against importing the OTLP/HTTP exporter.

    Each program also makes sure that neither the SDK, an HTTP client nor SQLite was loaded.
    """
    registry = _package(directory)
    instrument = _INSTRUMENT.format(path=str(registry))
    programs = {
        "bare": "pass",
        "exporter": EXPORTER,
        "import": "import footfall\n" + _NOT_LOADED,
        "register": instrument + _NOT_LOADED,
        "wrap": instrument + _USE.format(modules=MODULES) + _WRAPPED + _NOT_LOADED,
        "package": _USE.format(modules=MODULES),
    }
    environ = environment(directory / "home")
    environ["PYTHONPATH"] += os.pathsep + str(directory)
    sides = [lambda text=text: _wall_ns(text, environ) for text in programs.values()]
    times = dict(zip(programs, interleave(ROUNDS, *sides), strict=True))
    bare = percentile(times["bare"], 10)
    exporter = times["exporter"]
    yield _figure("import footfall / OTLP exporter", times["import"], exporter, 0.1, bare)
    yield _figure(f"registering {FUNCTIONS} from a file", times["register"], exporter, 0.8, bare)
    # For information: most of it is wrapt's own import, which waits until a registered module is there to be wrapped.
    yield _figure("the same, their package imported and wrapped", times["wrap"], exporter, None, bare)
    yield _figure("their package alone", times["package"], exporter, None, bare)


def _figure(name: str, subject: list[float], reference: list[float], target: float | None, bare: float) -> Figure:
    return cost(name, compare(subject, reference, less=bare), target, show=in_milliseconds)


def _wall_ns(program: str, environ: Mapping[str, str]) -> float:
    begin = time.perf_counter_ns()
    subprocess.run([sys.executable, "-c", program], env=environ, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter_ns() - begin


def _package(directory: Path) -> Path:
    """Write a package of functions and the ``footfall.yaml`` that names them; return the file's path."""
    package = directory / "bench_started"
    package.mkdir()
    (package / "__init__.py").write_text("")
    lines = ["project: bench/started", "version: '1'", "send_to:", "  - migas: http://127.0.0.1:9", "registry:"]
    for number in range(MODULES):
        names = [f"f{place}" for place in range(FUNCTIONS // MODULES)]
        (package / f"part{number}.py").write_text("".join(f"def {name}():\n    return None\n\n\n" for name in names))
        lines += [f"  part{number}:", *(f"    - bench_started.part{number}:{name}" for name in names)]
    registry = package / "footfall.yaml"
    registry.write_text("\n".join(lines) + "\n")
    registry.chmod(0o600)
    return registry
