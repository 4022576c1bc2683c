"""Print every field that can leave the machine, what it means, and which formats read it.

With a project that is installed here, or a registry file: what that project adds, which arguments of which functions in
which form, and only the formats it sends. It is made from the code and the registry themselves, so it can stand in a
project's documentation as its data table: --format markdown. With --format django it is the server's side of the same
table: Django models and REST serializers for the records that the wire access sends, one of each a service.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec

from footfall import settings as settings_module
from footfall.cli import tables
from footfall.cli.installed import installed, reason
from footfall.cli.main import DONE
from footfall.cli.readers import ARGUMENTS, EXTRA, ROWS, readers
from footfall.errors import ConfigurationError, FootfallError
from footfall.registry.model import NAME_FIELDS
from footfall.registry.nearest import hint
from footfall.usage import ENDPOINT

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from footfall.destination import Destination
    from footfall.registry.model import Capture, Entry, Registry
    from footfall.wire.base import Wire

EXAMPLE: Final = """\
$ footfall fields
$ footfall fields --format markdown
  footfall fields nipreps/fmriprep
  footfall fields src/package/footfall.yaml --format json
  footfall fields src/package/footfall.yaml --format django > tracking/models.py
"""

FORM_MEANINGS: Final = {
    "choice": "the value where it is one of those listed, else `other`",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "len": "how many items or characters, none of them",
    "hash": "16 digits of a digest, which can be guessed back where there are few values",
    "text": "the text, scrubbed of what looks like a secret, an address or a home directory",
    "json": "the structure, scrubbed likewise",
}
"""What of an argument leaves, in words for the one whose argument it is; `footfall.registry.model.Form`."""

ALSO_SEEN: Final = (
    "Besides, each request has a User-Agent (footfall/version) and an Idempotency-Key made of the record's random ids,"
    " and a server sees the address that a connection comes from."
)


LOGIN_NAME: Final = "login name of the user"
NO_SERVER: Final = "no server"
SERVER: Final = ("server", "format", "services", "credentials")


class Section(msgspec.Struct, frozen=True):
    """A table under a title."""

    title: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``footfall fields``."""
    parser.add_argument(
        "of", nargs="?", default="", metavar="PROJECT|FILE", help="owner/name of an installed project, or a registry"
    )
    parser.add_argument(
        "--format",
        choices=("text", "markdown", "json", "django"),
        default="text",
        help="how to print it (default: text); django: models and serializers for the server of the wire access",
    )


def run(arguments: argparse.Namespace) -> int:
    """Print the table, or tables."""
    registry = _registry(arguments.of) if arguments.of else None
    if arguments.format == "django":
        if registry is None:
            msg = "--format django makes the tables of one registry; name an installed project, or a file"
            raise ConfigurationError(msg)
        from footfall.cli import django

        print("\n".join(django.code(registry)))
        return DONE
    wires = _wires(registry)
    if arguments.format == "json":
        print(json.dumps(as_data(wires, registry), indent=2))
        return DONE
    for section in sections(wires, registry):
        if arguments.format == "markdown":
            lines = [f"### {_safe(section.title)}", "", *tables.markdown(section.head, map(_cells, section.rows))]
        else:
            lines = [_safe(section.title), *tables.table(section.head, map(_cells, section.rows), indent="  ")]
        print("\n".join(lines), end="\n\n")
    print(ALSO_SEEN)
    return DONE


def _safe(text: str) -> str:
    return tables.escaped(text)


def _cells(row: Sequence[str]) -> list[str]:
    return [_safe(cell) for cell in row]


def _registry(text: str) -> Registry:
    """Return the registry that *text* names: a file, or an installed project.

    Raises:
        ConfigurationError: There is no such thing, or the file is wrong.
    """
    if Path(text).is_file() or text.endswith((".yaml", ".yml")):
        from footfall.registry.yaml import load_file
        from footfall.wire.load import NAMES

        try:
            return load_file(text, wires=NAMES)
        except OSError as error:
            raise ConfigurationError(reason(error)) from error
    found = installed(settings_module.read(os.environ))
    registry = found.of(text)
    if registry is None:
        projects = [each.project for each in found.registries]
        known = hint(text, projects) or "; none is. Name its registry file instead"
        problems = "".join(f"\n  {_safe(problem)}" for problem in found.problems)
        msg = f"no installed project is called {_safe(text)!r}{known}{problems}"
        raise ConfigurationError(msg)
    return registry


def _wires(registry: Registry | None) -> list[Wire]:
    """Return a wire for each server of *registry*, with its options; all that are installed where it names none."""
    from footfall.wire.load import installed as names
    from footfall.wire.load import load, sample

    if registry is not None and registry.send_to:
        return [load(each.wire, each.options) for each in registry.send_to]
    wires: list[Wire] = []
    for name in names():
        with contextlib.suppress(FootfallError):  # of somebody else, and broken: nothing is sent by it either
            wires.append(sample(name))
    return wires


def sections(wires: Sequence[Wire], registry: Registry | None) -> Iterator[Section]:
    """Yield the tables for people."""
    read_by = readers(wires)
    rows = [
        (f"`{row.key}`", row.where, row.stability, ", ".join(read_by[row.key]) or NO_SERVER, row.meaning)
        for row in ROWS
        if read_by[row.key] or registry is None
    ]
    title = (
        f"What can leave the machine for {registry.project}" if registry is not None else "What can leave the machine"
    )
    yield Section(title, ("field", "on", "stability", "read by", "meaning"), rows)
    if registry is None:
        return
    yield Section("Where it goes", SERVER, [_server(each) for each in registry.send_to])
    arguments = [(each.name, each.service, capture) for each in registry.entries for capture in each.capture]
    readers_of_arguments = ", ".join(read_by[ARGUMENTS]) or NO_SERVER
    yield Section(
        "Arguments of functions",
        ("function", "service", "argument", "what of it", "read by"),
        [(name, service, each.parameter, captured(each), readers_of_arguments) for name, service, each in arguments],
    )
    yield Section(
        "Fields that the project adds", ("field", "value", "to", "read by"), list(_extra(registry, wires, read_by))
    )
    dropped = [(entry.name, ", ".join(entry.drop)) for entry in registry.entries if entry.drop]
    if dropped:
        yield Section("Fields that are taken out", ("function", "fields"), dropped)
    yield Section(
        "Functions that are watched", ("function", "service"), [(each.name, each.service) for each in registry.entries]
    )


def _server(destination: Destination) -> tuple[str, str, str, str]:
    services = ", ".join(destination.services) or "all"
    return destination.endpoint, destination.wire, services, destination.credentials or "none"


def captured(capture: Capture) -> str:
    """Return in words what of an argument leaves."""
    meaning = FORM_MEANINGS[capture.form]
    return (
        f"{capture.form} ({', '.join(capture.choices)}): {meaning}" if capture.choices else f"{capture.form}: {meaning}"
    )


def _extra(
    registry: Registry, wires: Sequence[Wire], read_by: Mapping[str, tuple[str, ...]]
) -> Iterator[tuple[str, str, str, str]]:
    names = {wire.name for wire in wires}
    if registry.extra.keys().isdisjoint(NAME_FIELDS) and (registry.user_name or "access" in names):
        who = LOGIN_NAME if registry.user_name else "random id of the installation, no login name"
        yield NAME_FIELDS[-1], who, "every use", "access" if "access" in names else NO_SERVER
    for place, extra in [("every use", registry.extra), *((each.name, each.extra) for each in registry.entries)]:
        for name, value in extra.items():
            if name == ENDPOINT:  # says where a record goes, and is none of its fields
                continue
            wire = name.partition(".")[0] if "." in name else ""
            reads = [wire] if wire in names else read_by[EXTRA]
            yield name, json.dumps(value), place, ", ".join(reads) or NO_SERVER


def as_data(wires: Sequence[Wire], registry: Registry | None) -> dict[str, Any]:
    """Return the tables for programs."""
    read_by = readers(wires)
    data: dict[str, Any] = {
        "fields": [
            {
                "name": row.key,
                "on": row.where,
                "stability": row.stability,
                "read_by": list(read_by[row.key]),
                "meaning": row.meaning,
            }
            for row in ROWS
            if read_by[row.key] or registry is None
        ]
    }
    if registry is not None:
        data |= {
            "project": registry.project,
            "consent": registry.consent,
            "ci": registry.ci,
            "user_name": registry.user_name,
            "send_to": [
                dict(zip(("endpoint", "wire", "services", "credentials"), _server(each), strict=True))
                | {"services": list(each.services)}
                for each in registry.send_to
            ],
            "extra": dict(registry.extra),
            "functions": [_function(entry) for entry in registry.entries],
        }
    return data


def _function(entry: Entry) -> dict[str, Any]:
    return {
        "name": entry.name,
        "service": entry.service,
        "captured": [msgspec.to_builtins(capture) for capture in entry.capture],
        "extra": dict(entry.extra),
        "drop": list(entry.drop),
    }
