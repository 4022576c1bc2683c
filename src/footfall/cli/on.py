"""Take back a no, or say yes to one project.

Without a project it lifts `footfall off`; a no to a single project stays until it is taken back by name. With one, that
project may report even while everything else is off, and needs no further leave where it asks first. What the
environment forbids stays forbidden.
"""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING, Final

from footfall import settings as settings_module
from footfall.cli import choices, tables
from footfall.cli.common import refusals
from footfall.cli.main import DONE
from footfall.consent import choice, runner
from footfall.consent.switches import decide

if TYPE_CHECKING:
    from collections.abc import Iterator

    from footfall.consent.choice import Choice

EXAMPLE: Final = """\
$ footfall on
$ footfall on nipreps/fmriprep
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``footfall on``."""
    parser.add_argument("project", nargs="?", default="", metavar="PROJECT", help="owner/name; default: everything")


def run(arguments: argparse.Namespace) -> int:
    """Record the yes; print what it does not lift, and what happens now."""
    project = arguments.project
    said = choices.record(choice.turn_on, project, instead="FOOTFALL=on")
    if project:
        print(f"yes to {tables.escaped(project)}, as {tables.escaped(said.path)} says")
        if hint := choices.unknown(project, settings_module.read_or_default(os.environ)):
            print(hint)
    else:
        print(f"no general no is recorded in {tables.escaped(said.path)}")
    for line in _not_lifted(said, project):
        print(line)
    print(_now(said, project))
    return DONE


def _not_lifted(said: Choice, project: str) -> Iterator[str]:
    for no in refusals(os.environ):
        yield f"not lifted: {tables.escaped(no)}"
    if project:
        if said.everything == "off":
            yield "not lifted: everything else stays off; `footfall on` takes that back"
        return
    for name, word in sorted(said.projects.items()):
        if word == "off":
            named = tables.escaped(name)
            yield f"not lifted: {named} is off by name; `footfall on {named}` takes it back"


def _now(said: Choice, project: str) -> str:
    decision = decide(os.environ, runner=runner.from_environment(os.environ), project=project, choice=said)
    named = tables.escaped(project) or "installed projects"
    what = {
        "on": f"{named} report from their next start on",
        "off": "nothing is observed or sent from here",
        "local": "uses are kept on this machine and not sent",
        "log": "uses are printed, not sent",
    }[decision.mode]
    if project and decision.mode == "on":
        what = f"{named} reports from its next start on"
    return f"now: {what}: {tables.escaped(decision.reason)}"
