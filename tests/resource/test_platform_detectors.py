"""Host, process, and all detectors together: words of the conventions, and nothing that names anybody."""

from __future__ import annotations

import getpass
import json
import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from footfall.attributes import TABLE
from footfall.resource import host, process
from footfall.resource.collect import collect


@pytest.mark.parametrize(
    ("machine", "word"),
    [
        ("x86_64", "amd64"),
        ("AMD64", "amd64"),
        ("aarch64", "arm64"),
        ("arm64", "arm64"),
        ("armv7l", "arm32"),
        ("i686", "x86"),
        ("ppc64le", "ppc64"),
        ("s390x", "s390x"),
        ("riscv64", "riscv64"),
        ("", ""),
        ("Intel(R) of alice", ""),
    ],
)
def test_architecture(machine: str, word: str) -> None:
    """The enumeration's word, or the kernel's where it is one."""
    assert host.architecture(machine) == word


@pytest.mark.parametrize(
    ("name", "word"),
    [
        ("linux", "linux"),
        ("darwin", "darwin"),
        ("win32", "windows"),
        ("cygwin", "windows"),
        ("freebsd14", "freebsd"),
        ("sunos5", "solaris"),
        ("dragonfly6", "dragonflybsd"),
        ("aix", "aix"),
    ],
)
def test_os_type(name: str, word: str) -> None:
    """`os.type` as the conventions list it."""
    assert host.os_type(name) == word


@pytest.mark.parametrize(
    ("release", "numbers"),
    [
        ("6.8.0-45-generic", "6.8.0"),
        ("5.14.0-427.13.1.el9_4.alice.x86_64", "5.14.0"),
        ("5.15.153.1-microsoft-standard-WSL2", "5.15.153"),
        ("23.6.0", "23.6.0"),
        ("14.1-RELEASE", "14.1"),
        ("10.0.20348", "10.0.20348"),
        ("alice-6.1", ""),
        ("", ""),
    ],
)
def test_os_version(release: str, numbers: str) -> None:
    """Numbers only: sites and people name the kernels that they build."""
    assert host.os_version(release) == numbers


def test_this_host(tmp_path: Path) -> None:
    """What the standard library says of this machine, in the conventions' words."""
    assert host.detect(tmp_path, {}) == {
        "os.type": host.os_type(sys.platform),
        "os.version": host.os_version(platform.release()),
        "host.arch": host.architecture(platform.machine()),
    }


def test_this_interpreter() -> None:
    """Implementation and version as `platform` has them."""
    found = process.detect()
    assert found["process.runtime.name"] == platform.python_implementation().lower()
    assert str(found["process.runtime.version"]) == platform.python_version().rstrip("+")
    assert found["telemetry.sdk.language"] == "python"


@pytest.mark.parametrize(("options", "typed"), [([], False), (["-i"], True)])
def test_interactive(options: list[str], typed: bool) -> None:
    """Only where a person types: ``python -i`` and the prompt."""
    code = "import json; from footfall.resource import process; print(json.dumps(process.detect()))"
    run = subprocess.run(
        [sys.executable, *options, "-c", code], check=True, input="", capture_output=True, text=True, timeout=60
    )
    assert json.loads(run.stdout)["process.interactive"] is typed


def test_collect_emits_documented_attributes_only(tmp_path: Path) -> None:
    """S18: each key is in the table of attributes, and belongs to the resource."""
    (tmp_path / ".dockerenv").touch()
    environ = {"GITHUB_ACTIONS": "true", "GITHUB_WORKFLOW": "tests", "GITHUB_RUN_ID": "42"}
    found = collect(environ, tmp_path, version="1.2.3")
    documented = {row.key for row in TABLE if row.where == "resource"}
    assert set(found) <= documented
    assert found == {
        "telemetry.distro.name": "footfall",
        "telemetry.distro.version": "1.2.3",
        **process.detect(),
        **host.detect(tmp_path, {}),
        "container.runtime.name": "docker",
        "footfall.cicd.system": "GitHub Actions",
        "cicd.pipeline.run.id": "42",
        "vcs.provider.name": "github",
    }
    json.dumps(found)


def test_collect_names_nobody() -> None:
    """No host name, login name, home, working directory, executable or command line, in this very process."""
    text = "\n".join(str(value) for value in collect().values())
    for secret in (os.uname().nodename, os.getcwd(), sys.executable, str(Path.home()), sys.argv[0]):
        assert secret not in text
    assert getpass.getuser() not in text.split()


IMPORTS = """
import json, os, pathlib, re, sys, types, typing, msgspec, footfall
before = set(sys.modules)
from pathlib import Path
from footfall.resource.collect import collect
collect({"SLURM_JOB_ID": "1", "JPY_PARENT_PID": "2", "container": "podman"}, Path("/"), version="1")
outside = set(sys.modules) - before
collect({"CI": "true", "GITHUB_ACTIONS": "true", "GITHUB_RUN_ID": "1"}, Path("/"))
print(json.dumps([sorted(outside), sorted(set(sys.modules) - before - outside)]))
"""


def test_what_collecting_imports() -> None:
    """Our own small modules, and inside CI the two tables; no SDK, no network, no `platform`, no IPython."""
    out = subprocess.run([sys.executable, "-c", IMPORTS], check=True, capture_output=True, text=True, timeout=60).stdout
    outside, inside = json.loads(out)
    assert {name for name in outside if name not in {"footfall.attributes", "footfall.usage"}} == {
        "footfall.resource",
        *(
            f"footfall.resource.{name}"
            for name in ("batch", "ci", "collect", "container", "host", "notebook", "process")
        ),
    }
    assert {name for name in inside if not name.startswith(("ci_info", "json"))} == {"footfall.resource.ci_vendors"}
