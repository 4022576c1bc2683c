"""Fetch an original's source distribution, point its imports at the facade, run its tests, compare with what is known.

Everything happens in a temporary folder; nothing of it is kept. Exit status 1 when a test fails that is not known to
assert a defect, or passes although it is.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import socket
import subprocess
import sys
import tarfile
import tempfile
import time
import xml.etree.ElementTree as ET
from pathlib import Path

from tests.originals.suites import SUITES, Suite

ROOT = Path(__file__).resolve().parents[2]
SECONDS = 300

CONFTEST = """
import importlib, sys, unittest

for theirs, ours in {aliases}.items():
    module = sys.modules[theirs] = importlib.import_module(ours)
    parent, _, name = theirs.rpartition(".")
    setattr(importlib.import_module(parent) if parent in sys.modules else module, name, module)
if not hasattr(unittest.TestCase, "assertEquals"):  # gone since Python 3.12; the tests are older
    unittest.TestCase.assertEquals = unittest.TestCase.assertEqual


def pytest_sessionfinish(session):
    for theirs, ours in {aliases}.items():
        assert sys.modules[theirs].__name__ == ours, "the tests did not run against the facade"
"""


def main() -> int:
    """Run the suites that were asked for; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.originals", description=__doc__.partition("\n")[0])
    names = [suite.name for suite in SUITES]
    parser.add_argument("name", nargs="*", metavar="NAME", default=names, help=", ".join(names))
    asked = parser.parse_args().name
    if unknown := set(asked) - set(names):
        parser.error(f"no suite {', '.join(sorted(unknown))}; there are {', '.join(names)}")
    wrong = 0
    for suite in SUITES:
        if suite.name in asked:
            with tempfile.TemporaryDirectory(prefix=f"footfall-original-{suite.name}-") as folder:
                wrong += run(suite, Path(folder))
    return 1 if wrong else 0


def run(suite: Suite, folder: Path) -> int:
    """Run *suite* in *folder*, tell what came of it, and return how many results are not as known."""
    begin = time.monotonic()
    packages = folder / "packages"
    environ = {**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_REQUIRE_VIRTUALENV": "0"}
    pip = [sys.executable, "-m", "pip"]
    # setuptools reads the metadata of an old source distribution; a newer one no longer does.
    _call([*pip, "install", "-q", "--target", str(packages), "setuptools<80", *suite.requirements], environ)
    pinned = folder / "pinned.txt"
    pinned.write_text(f"{suite.distribution} --hash=sha256:{suite.sha256}\n")
    fetch = [*pip, "download", "-q", "--no-deps", "--no-build-isolation", "--no-binary", ":all:", "--require-hashes"]
    _call([*fetch, "-r", str(pinned), "-d", str(folder / "fetched")], {**environ, "PYTHONPATH": str(packages)})
    (archive,) = (folder / "fetched").iterdir()
    with tarfile.open(archive) as tar:
        tar.extractall(folder / "source", filter="data") if hasattr(tarfile, "data_filter") else tar.extractall(
            folder / "source"
        )
    (source,) = (folder / "source").iterdir()
    tests = folder / "run" / "tests"
    shutil.copytree(source / suite.tests, tests)
    _point(suite, tests, folder)
    report = folder / "report.xml"
    home = folder / "home"
    home.mkdir(mode=0o700)
    environ |= {
        "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(packages)]),
        "FOOTFALL": "on",
        "HOME": str(home),
        "NO_PROXY": "127.0.0.1,localhost",
    }
    for name in ("DO_NOT_TRACK", "OTEL_SDK_DISABLED", "MIGAS_OPTOUT", "XDG_CONFIG_HOME", "PYTEST_ADDOPTS"):
        environ.pop(name, None)
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:randomly",
        "-p",
        "no:xdist",
        "-p",
        "no:cacheprovider",
        "--disable-warnings",
    ]
    subprocess.run(
        [*command, "-c", os.devnull, "--rootdir", str(tests.parent), f"--junitxml={report}", str(tests)],
        cwd=tests.parent,
        env=environ,
        timeout=SECONDS,
        check=False,
    )
    return _compare(suite, report, time.monotonic() - begin)


def _point(suite: Suite, tests: Path, folder: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    for name, pairs in suite.replacements.items():
        text = (tests / name).read_text()
        for old, new in pairs:
            if old not in text:
                msg = f"{suite.name}: {name} no longer holds {old!r}"
                raise SystemExit(msg)
            text = text.replace(old, new.format(port=port, folder=folder / "queue"))
        (tests / name).write_text(text)
    for name, text in suite.additions.items():
        (tests / name).parent.mkdir(exist_ok=True)
        (tests / name).write_text(text)
    (tests.parent / "conftest.py").write_text(CONFTEST.replace("{aliases}", json.dumps(dict(suite.aliases))))


def _compare(suite: Suite, report: Path, seconds: float) -> int:
    passed, wrong = 0, []
    for case in ET.parse(report).iter("testcase"):
        name = case.get("name", "")
        kinds = {child.tag for child in case}
        failed, skipped = bool(kinds & {"failure", "error"}), "skipped" in kinds
        passed += not failed and not skipped
        if failed != (name in suite.defects) or (skipped and name not in suite.skipped):
            wrong.append(f"{case.get('classname')}.{name} {'failed' if failed else 'skipped' if skipped else 'passed'}")
    print(f"{suite.distribution}: {passed} passed, {len(suite.defects)} assert a repaired defect, ", end="")
    print(f"{len(wrong)} not as known; {seconds:.0f} s on CPython {sys.version.split()[0]}")
    for line in wrong:
        print(f"  {line}")
    return len(wrong) or int(not passed)


def _call(command: list[str], environ: dict[str, str]) -> None:
    subprocess.run(command, env=environ, timeout=SECONDS, check=True)


if __name__ == "__main__":
    sys.exit(main())
