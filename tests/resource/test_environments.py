"""Every recorded environment: what may leave from it, what only its owner sees, and what nobody does.

A file of ``environments/`` holds the variables as the vendor documents them, with made-up values, the files below
``/``, the IPython shell, and beside them the attributes that are expected: ``sent`` for usage servers, ``host`` for the
host's own resource on top. The word ``canary`` stands for what people named, ``hunter2`` for secrets, users, hosts and
paths.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import ci_info
import msgspec
import pytest
import yaml

from footfall.attributes import TABLE
from footfall.resource import batch, ci, ci_details, ci_vendors, container, host, notebook, process
from footfall.resource.collect import collect

FOLDER = Path(__file__).with_name("environments")
CANARIES = {
    "USER": "hunter2",
    "LOGNAME": "hunter2",
    "USERNAME": "hunter2",
    "HOME": "/home/hunter2",
    "HOSTNAME": "hunter2-host",
    "COMPUTERNAME": "hunter2-host",
    "PWD": "/home/hunter2/secret",
    "SSH_CONNECTION": "hunter2",
    "EMAIL": "hunter2@example.org",
}
FORBIDDEN = (
    "host.name",
    "host.id",
    "user.",
    "enduser.",
    "process.owner",
    "process.executable",
    "process.command",
    "k8s.",
)


class Recorded(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """One file. *shell* is the classes of IPython's shell; empty: imported, and none made; None: not imported."""

    environ: dict[str, str] = {}
    files: dict[str, str | None] = {}
    shell: list[str] | None = None
    application: dict[str, Any] | None = None
    sent: dict[str, str | bool]
    host: dict[str, str] = {}

    def root(self, folder: Path) -> Path:
        """Write the files below *folder*; a final slash makes a directory."""
        for name, text in self.files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.mkdir() if text is None else path.write_text(text)
        return folder

    def modules(self) -> dict[str, object]:
        """Return what IPython and traitlets leave in `sys.modules`."""
        if self.shell is None:
            return {}
        base: type = object
        for name in reversed(self.shell):
            base = type(name, (base,), {})
        application = type("Application", (), {})
        if self.application is not None:
            application._instance = application()  # type: ignore[attr-defined]
            application._instance._trait_values = self.application  # type: ignore[attr-defined]
        kind = type("InteractiveShell", (), {"_instance": base() if self.shell else None})
        return {
            "IPython.core.interactiveshell": module("IPython.core.interactiveshell", InteractiveShell=kind),
            "traitlets.config.application": module("traitlets.config.application", Application=application),
        }


def module(name: str, **names: object) -> ModuleType:
    made = ModuleType(name)
    vars(made).update(names)
    return made


def read(path: Path) -> Recorded:
    return msgspec.convert(yaml.safe_load(path.read_text(encoding="utf-8")), Recorded)


PATHS = sorted(FOLDER.glob("*/*.yaml"))
every = pytest.mark.parametrize("path", PATHS, ids=lambda path: f"{path.parent.name}-{path.stem}")


def host_only(environ: Mapping[str, str]) -> dict[str, Any]:
    """What the host's own resource holds beyond what is sent."""
    found: dict[str, Any] = {}
    for detect in (batch.job, ci_details.pipeline, ci_details.repository):
        found |= detect(environ)
    return found


@every
def test_what_is_sent(path: Path, tmp_path: Path) -> None:
    """Exactly the expected attributes, besides those that every process has."""
    recorded = read(path)
    found = collect(recorded.environ, recorded.root(tmp_path), modules=recorded.modules())
    always = {"telemetry.distro.name": "footfall", **process.detect(), **host.detect(tmp_path / "none", {})}
    assert found == {**always, **recorded.sent}


@every
def test_what_only_the_host_sees(path: Path) -> None:
    """The rest of what a vendor tells, cleaned; the forge's kind is in both."""
    recorded = read(path)
    assert {"vcs.provider.name": recorded.sent.get("vcs.provider.name"), **host_only(recorded.environ)} == {
        "vcs.provider.name": recorded.sent.get("vcs.provider.name"),
        **recorded.host,
    }


@every
def test_nothing_personal_leaves(path: Path, tmp_path: Path) -> None:
    """No name that people gave goes to usage servers; no secret, user, host or path goes anywhere."""
    recorded = read(path)
    environ = {**CANARIES, **recorded.environ}
    sent = collect(environ, recorded.root(tmp_path), modules=recorded.modules(), version="1.2.3")
    own = host_only(environ)
    assert "canary" not in repr(sent).lower()
    assert "hunter2" not in repr([sent, own]).lower()
    assert not [key for key in {**sent, **own} if key.startswith(FORBIDDEN)]


@every
def test_every_key_has_a_row(path: Path, tmp_path: Path) -> None:
    """S18: what is sent is in the table as such, what is the host's as that."""
    recorded = read(path)
    sent = collect(recorded.environ, recorded.root(tmp_path), modules=recorded.modules(), version="1.2.3")
    where = {row.key: row.where for row in TABLE}
    assert {where[key] for key in sent} == {"resource"}
    assert {where[key] for key in host_only(recorded.environ)} <= {"host", "resource"}
    assert [key for key in host_only(recorded.environ) if where[key] == "resource"] in ([], ["vcs.provider.name"])


@pytest.mark.parametrize("detect", [ci.detect, ci_details.pipeline, ci_details.repository, batch.detect, batch.job])
def test_outside_everything_there_is_nothing(detect: Callable[[Mapping[str, str]], Mapping[str, object]]) -> None:
    """Variables of people's shells mean nothing."""
    assert detect(CANARIES) == {}
    assert detect({}) == {}


def test_a_bare_process_is_in_no_container_and_no_notebook(tmp_path: Path) -> None:
    """Nor in WSL."""
    assert container.detect(tmp_path, CANARIES) == {}
    assert notebook.detect(CANARIES, {}) == {}
    assert "footfall.wsl" not in host.detect(tmp_path, CANARIES)


def test_every_vendor_in_the_table_is_recorded() -> None:
    """A row that no environment shows to be right would be a guess; one that ci-info does not know is never read."""
    recorded = {read(path).sent.get("footfall.cicd.system") for path in FOLDER.glob("ci/*.yaml")}
    assert set(ci_vendors.VENDORS) <= recorded
    assert recorded - {"unknown", None} <= {vendor["name"] for vendor in ci_info.vendors}


def test_every_template_is_filled_by_an_environment() -> None:
    """Each field of each vendor is read from at least one recorded environment."""
    environments = {
        str(recorded.sent.get("footfall.cicd.system")): recorded.environ
        for recorded in map(read, FOLDER.glob("ci/*.yaml"))
    }
    unread = [
        (name, field)
        for name, vendor in ci_vendors.VENDORS.items()
        for field, templates in msgspec.structs.asdict(vendor).items()
        if templates and not ci_vendors.filled(templates, environments[name])
    ]
    assert unread == []


def test_every_batch_system_and_word_for_a_notebook_is_recorded() -> None:
    """The tables of these two detectors, and what the documentation promises."""
    assert {read(path).sent.get("footfall.batch.system") for path in FOLDER.glob("batch/*.yaml")} - {None} == set(
        batch.SYSTEMS
    )
    assert {read(path).sent.get("footfall.notebook") for path in FOLDER.glob("notebook/*.yaml")} - {None} == {
        *("jupyter", "ipython", "colab", "kaggle", "vscode")
    }


def test_recorded_files_are_not_this_machines() -> None:
    """The values are made up: nothing of the machine that recorded them."""
    text = "".join(path.read_text(encoding="utf-8") for path in PATHS)
    assert sys.prefix not in text
