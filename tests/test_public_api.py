"""What is public is what ``__all__`` says, and importing it costs nothing."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import footfall

HEAVY = {
    "opentelemetry", "requests", "urllib3", "sqlite3", "yaml", "wrapt", "ci_info", "msgspec", "asyncio", "platformdirs",
    "logging", "importlib.metadata", "ssl", "http.client", "socket", "multiprocessing",
}  # fmt: skip


def loaded_after(statement: str) -> set[str]:
    """Return the modules that a fresh interpreter holds after *statement* and did not hold before."""
    report = "print(json.dumps(sorted(set(sys.modules) - before)))"
    program = f"import sys, json; before = set(sys.modules)\n{statement}\n{report}"
    done = subprocess.run(
        [sys.executable, "-S", "-W", "error", "-c", program],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "FOOTFALL": "off"},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return set(json.loads(done.stdout))


def test_all_is_what_there_is():
    """Every public name resolves, is listed by ``dir``, and nothing else hides in the package."""
    assert len(set(footfall.__all__)) == len(footfall.__all__)
    for name in footfall.__all__:
        assert getattr(footfall, name) is not None
    assert set(footfall.__all__) <= set(dir(footfall))
    public = {name for name in vars(footfall) if name.isidentifier() and not name.startswith("_")}
    submodules = {path.stem for path in Path(footfall.__file__).parent.iterdir()}
    assert public - set(footfall.__all__) - submodules - {"TYPE_CHECKING", "Any"} == set()


def test_unknown_names_are_attribute_errors():
    """With the name in the message, as any module says it."""
    with pytest.raises(AttributeError, match="no attribute 'instrumnet'"):
        footfall.instrumnet  # noqa: B018


def test_importing_loads_one_module():
    """Nothing of ours but the root, and nothing that costs time."""
    loaded = loaded_after("import footfall")
    assert {name for name in loaded if name.startswith("footfall")} == {"footfall"}
    assert {name for name in loaded if name.split(".")[0] in HEAVY or name in HEAVY} == set()


def test_a_destination_needs_no_network_module():
    """Configuring loads neither HTTP nor SQLite nor any SDK."""
    loaded = loaded_after(
        "import footfall; footfall.Otlp('http://localhost:4318'); footfall.register; footfall.instrument"
    )
    assert {
        name
        for name in loaded
        if name.split(".")[0] in {"opentelemetry", "requests", "sqlite3", "yaml", "wrapt", "socket"}
    } == set()


def test_observing_a_first_use_loads_no_sdk_http_or_database():
    """design.md section 6: those come with the first delivery."""
    loaded = loaded_after(
        "import os; os.environ['FOOTFALL'] = 'local'\n"
        "import footfall, tempfile\n"
        "os.environ['FOOTFALL_DIR'] = tempfile.mkdtemp()\n"
        "footfall.instrument('demo/lib', registry={'registry': ['colorsys:rgb_to_hsv']})\n"
        "import colorsys; colorsys.rgb_to_hsv(1, 1, 1)\n"
        "footfall.event('x')\n"
        "import footfall.runtime; assert footfall.runtime.current().journal.fd >= 0; footfall.runtime.current().stop()"
    )
    heavy = {"opentelemetry.sdk", "requests", "urllib3", "sqlite3", "http.client"}
    assert {name for name in loaded if name in heavy} == set()


def test_version_is_the_distributions():
    """Written down twice, since asking costs 30 ms at import."""
    assert footfall.__version__ == importlib.import_module("importlib.metadata").version("footfall")


@pytest.mark.parametrize("package", ["footfall.testing", "footfall.wire.base"])
def test_other_public_places_keep_their_word(package: str):
    """Each name they list is there."""
    module = importlib.import_module(package)
    for name in getattr(module, "__all__", ()):
        assert getattr(module, name) is not None
