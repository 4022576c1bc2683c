"""S8: no name that somebody chose becomes a name of ours on disk, or leads anywhere."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from types import SimpleNamespace

import pytest

import footfall
from footfall import places
from footfall.errors import RegistryError
from footfall.journal import writer
from footfall.places import layout
from footfall.registry import model
from tests.security.rules import refused, rule, without
from tests.security.whole import forget, state

OURS = re.compile(
    r"journal|outbox|status\.json|outbox\.db(-wal|-journal|\.lock|\.bad-\d+.*)?"
    r"|\d{20}-\d+-[0-9a-f]{8}\.(jsonl|new)|choice\.json|installation-\d+\.json"
)
NETWORK = "1 0 0:9001 / / rw,relatime - nfs4 server:/ rw\n"
CHOSEN = "../../escape/x"


def named_by_the_user(self: writer.Journal, who: writer.Identity) -> bytes:
    project = next((json.loads(line)["project"] for line in self._definitions if b'"project"' in line), "")
    writer.secrets = SimpleNamespace(token_hex=lambda _: project.replace("/", "-"))  # type: ignore[attr-defined]
    return head(self, who)


head = writer.Journal._head


@rule(without(writer.Journal, "_head", named_by_the_user, without(writer, "secrets", writer.secrets)))
def test_files_are_named_by_time_process_and_chance(footfall_on: None) -> None:
    """Whatever project, service, event and field are called: every file on disk has a name of ours."""
    forget()
    footfall.instrument("owner/name-of-the-project", registry={"registry": {"some": {"service": ["os:getppid"]}}})
    footfall.event(CHOSEN, **{CHOSEN: CHOSEN})
    os.getppid()
    footfall.drain(0.1)
    forget()
    found = list(state().rglob("*"))
    assert found
    for path in found:
        assert OURS.fullmatch(path.name), path.name


@rule(without(layout, "host_name", lambda: os.uname().nodename))
def test_the_name_of_the_machine_leads_nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It names a directory on network file systems, and whoever runs DHCP may have chosen it."""
    monkeypatch.setattr(os, "uname", lambda: SimpleNamespace(nodename=CHOSEN))
    found = places.find(str(tmp_path / "state"), {}, mountinfo=NETWORK)
    assert found is not None
    assert found.journal.resolve().is_relative_to(tmp_path / "state" / "hosts")
    assert found.journal.parent.parent == tmp_path / "state" / "hosts"


UNSAFE = ("..", ".", "a\n", "a/..", "-a", ".a", "a" * 65, "a b", "a\0b", "a\\b", "a:b", "é", "")


@rule(
    without(model, "_PROJECT", re.compile(r"[^/]*/[\s\S]*")),
    without(model, "_SERVICE_PART", re.compile(r"[\s\S]*")),
    without(model, "_SERVICE_PART", re.compile(rf"{model.NAME_PATTERN}\n?")),
)
def test_projects_and_services_have_safe_names() -> None:
    """Letters, digits, dot, line and hyphen, 64 at most, begun with a letter or digit, and no newline at the end."""
    for name in UNSAFE:
        refused(RegistryError, model.check_project, f"owner/{name}")
        refused(RegistryError, model.service_of, [name])
