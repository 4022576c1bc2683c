"""S18: what is sent names no user, machine, address or path, nor a digest of one; and every field is in the table."""

from __future__ import annotations

import base64
import getpass
import hashlib
import os
import platform
import socket
import sys
import uuid
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import footfall
from footfall import attributes, runtime
from footfall.resource import installation, session
from footfall.testing.sink.client import Sink
from tests.security.rules import rule, without
from tests.security.whole import forget

USER, HOST, MAC = "c4nary-user", "c4nary-host", 0x001B44113AB7
MIGAS_FIELDS = frozenset({"project", "project_version", "language", "language_version", "ctx", "proc"})
OWN_EXTRA = frozenset({"footfall.extra.points", "footfall.args.number"})


def known() -> dict[str, str]:
    """What could tell who it is: by name what the text is."""
    return {
        "user": USER,
        "host": HOST,
        "home": f"/home/{USER}",
        "directory": os.getcwd(),
        "program": f"/opt/{USER}/program.py",
        "interpreter": sys.executable,
        "MAC": f"{MAC:012x}",
        "MAC with colons": ":".join(f"{MAC:012x}"[at : at + 2] for at in range(0, 12, 2)),
        "MAC as a number": str(MAC),
        "both": f"{USER}@{HOST}",
        "machine id": machine_id(),
    }


def machine_id() -> str:
    for path in ("/etc/machine-id", "/var/lib/dbus/machine-id", "/proc/sys/kernel/random/boot_id"):
        if Path(path).exists() and (text := Path(path).read_text(encoding="ascii").strip()):
            return text
    return "0" * 32


def needles() -> dict[str, str]:
    """Each of them, and what could be made of it: digests, UUIDs of names. Twelve digits of a digest tell."""
    found = dict(known())
    for name, text in known().items():
        for form in (text, text + "\n", text.lower(), text.replace("-", "")):
            for kind in ("md5", "sha1", "sha224", "sha256", "sha512", "blake2b", "blake2s"):
                found[f"{kind} of {name}, {form!r}"] = hashlib.new(kind, form.encode()).hexdigest()[:12]
            for space in (uuid.NAMESPACE_DNS, uuid.NAMESPACE_URL, uuid.NAMESPACE_OID, uuid.UUID(int=0)):
                found[f"UUID 5 of {name}, {form!r}, {space}"] = uuid.uuid5(space, form).hex[:12]
                found[f"UUID 3 of {name}, {form!r}, {space}"] = uuid.uuid3(space, form).hex[:12]
    return found


def with_host(*arguments: Any, **keywords: Any) -> dict[str, Any]:
    return {**dict(collected(*arguments, **keywords)), "host.name": os.uname().nodename}


def by_host(_: Path) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_DNS, os.uname().nodename))


def by_time_and_address() -> str:
    return str(uuid.UUID(fields=(1, 2, 3, 4, 5, uuid.getnode())))


collected = runtime.collect


def work(number: int) -> int:
    return number


def play(monkeypatch: pytest.MonkeyPatch, sink: Sink) -> None:
    """Everything footfall tells of: a run, an observed function, an event, an error; on a machine with that name."""
    with monkeypatch.context() as patch:
        name = SimpleNamespace(sysname="Linux", nodename=HOST, release="6", version="1", machine="x86_64")
        patch.setattr(os, "uname", lambda: name)
        patch.setattr(socket, "gethostname", lambda: HOST)
        patch.setattr(socket, "getfqdn", lambda *_: HOST)
        patch.setattr(platform, "node", lambda: HOST)
        patch.setattr(getpass, "getuser", lambda: USER)
        patch.setattr(uuid, "getnode", lambda: MAC)
        patch.setattr(sys, "argv", [known()["program"]])
        for variable in ("USER", "LOGNAME", "USERNAME", "SUDO_USER"):
            patch.setenv(variable, USER)
        patch.setenv("HOSTNAME", HOST)
        patch.setenv("HOME", f"/home/{USER}")
        forget()
        calls = [{"function": f"{__name__}:work", "capture": {"number": "int"}}]
        send_to = [footfall.Migas(sink.url), footfall.Otlp(sink.url, compression="none")]
        footfall.instrument("owner/tool", version="1.0", send_to=send_to, registry={"registry": {"calls": calls}})
        with footfall.track("owner/tool"):
            globals()["work"](7)
        footfall.event("step", project="owner/tool", points=3)
        with pytest.raises(OSError, match="x"), footfall.track("owner/tool"):
            raise OSError("x")
        ledger = footfall.drain(20)
        forget()
    assert ledger.pending == 0


@rule(
    without(runtime, "collect", with_host),
    without(runtime, "installation_id", by_host),
    without(installation, "random_uuid", by_time_and_address),
    without(session, "random_uuid", by_time_and_address),
)
def test_nobody_can_be_told_from_what_is_sent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, footfall_on: None
) -> None:
    """Every byte of every request, headers included, searched for names and for what could be made of them."""
    (tmp_path / USER).mkdir(exist_ok=True)
    monkeypatch.chdir(tmp_path / USER)
    for left in Path(os.environ["XDG_CONFIG_HOME"]).glob("footfall/*"):
        left.unlink()
    with Sink(tmp_path / "sink") as sink:
        play(monkeypatch, sink)
        received = sink.requests()
    assert len(received) > 4
    assert any(request.wire == "migas" for request in received)
    sought = {what: (needle, needle.replace("-", "")) for what, needle in needles().items()}
    for request in received:
        body = base64.b64decode(request.body) if request.body_encoding == "base64" else request.body.encode()
        text = body.decode("latin-1") + repr(request.headers) + request.path
        flat = text.replace("-", "")
        for what, (needle, bare) in sought.items():
            assert needle not in text, what
            assert bare not in flat, what


def allowed(prefix: str) -> frozenset[str]:
    return frozenset(row.key for row in attributes.TABLE if row.where == prefix)


@rule(without(runtime, "collect", with_host), without(attributes, "TABLE", attributes.TABLE[1:]))
def test_every_field_that_is_sent_is_in_the_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, footfall_on: None
) -> None:
    """docs/fields.md is made of `attributes.TABLE`; beyond it there is only what the project named itself."""
    with Sink(tmp_path / "sink") as sink:
        play(monkeypatch, sink)
        received = sink.requests()
    for request in received:
        for record in request.records:
            if record["type"] == "crumb":
                assert set(record) - {"type"} <= MIGAS_FIELDS | {"wait"}, record
                continue
            assert set(record["resource"]) <= allowed("resource"), record["resource"]
            assert set(record["attributes"]) <= allowed("use") | OWN_EXTRA, record["attributes"]


@rule(without(installation, "YEAR_SECONDS", 10**12))
def test_the_id_is_another_one_each_year(tmp_path: Path) -> None:
    """And after `reset`; the rest is in tests/resource/test_installation.py."""
    ids = [installation.installation_id(tmp_path, now=lambda day=day: day * 86400.0) for day in (0, 364, 366, 800)]
    assert ids[0] == ids[1]
    assert len(set(ids)) == 3
    installation.reset(tmp_path)
    assert installation.installation_id(tmp_path, now=lambda: 800 * 86400.0) not in ids
