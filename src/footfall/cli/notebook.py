"""Load footfall in every notebook and IPython shell before the first cell, or stop doing so.

`enable` writes one startup file, 50-footfall.py, below $IPYTHONDIR (default ~/.ipython) for all kernels of a profile;
with --system below etc/ipython of this Python environment, for all its users (for a Python in /usr: below
/usr/local/etc/ipython). The file loads the extension footfall.ipython, prints nothing, and does nothing where footfall
is not installed. `disable` removes it. Both may be repeated, and hold from the next start of a kernel on. A file that
somebody edited, or that footfall did not write, is reported and left alone: status 1.

`status` tells of all places that IPython reads. Its exit status is 0 when footfall is loaded and nothing is to be
mended, else 1. What is recorded then is up to the registered projects and to `footfall off`.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from typing import Final

from footfall import startup_file
from footfall.cli import tables
from footfall.cli.main import DONE, UNFINISHED
from footfall.consent import choice, runner
from footfall.consent.switches import decide
from footfall.places import config_directory
from footfall.startup_file import LOADS, Found, Place, State

EXAMPLE: Final = """\
$ footfall notebook enable
$ footfall notebook status
$ footfall notebook disable
  footfall notebook enable --profile work
  footfall notebook enable --system
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``footfall notebook``."""
    parser.add_argument("action", choices=("enable", "disable", "status"), help="what to do")
    place = parser.add_mutually_exclusive_group()
    place.add_argument("--profile", metavar="P", default="", help="IPython profile (default: default)")
    place.add_argument("--system", action="store_true", help="for all users of this Python environment")


def run(arguments: argparse.Namespace) -> int:
    """Do it, and print what is so now."""
    system = startup_file.system_places(os.environ)
    if arguments.system:
        place, shown = startup_file.system_place(os.environ), system
    else:
        place = startup_file.user_place(os.environ, arguments.profile or startup_file.DEFAULT_PROFILE)
        shown = (place, *system)
    option = "--system" if arguments.system else f"--profile {arguments.profile}" if arguments.profile else ""
    others = [each for each in shown if each != place]
    if arguments.action == "enable":
        return _enable(place, others)
    if arguments.action == "disable":
        return _disable(place, others)
    return _status(place, shown, option)


def _file(place: Place) -> str:
    return tables.escaped(str(place.file))


def _command(action: str, option: str = "") -> str:
    return f"`{f'footfall notebook {action} {option}'.rstrip()}`"


def _enable(place: Place, others: list[Place]) -> int:
    before = startup_file.enable(place)
    said = {
        State.MISSING: "enabled",
        State.OLDER: "updated",
        State.NEWER: "already enabled, by a newer footfall",
    }.get(before, "already enabled")
    print(f"{said} for {place.whose}: {_file(place)}")
    if before is not State.ENABLED:
        print("kernels and shells load footfall from their next start on; running ones: %load_ext footfall.ipython")
    for other in others:
        if startup_file.look(other).state in LOADS:
            print(f"it is enabled for {other.whose} too, which does no harm: {_file(other)}")
    _print_originals((place, *others))
    _print_refusal()
    return DONE


def _disable(place: Place, others: list[Place]) -> int:
    before = startup_file.disable(place)
    print(f"{'already disabled' if before is State.MISSING else 'disabled'} for {place.whose}: {_file(place)}")
    for other in others:
        if startup_file.look(other).state in LOADS:
            print(
                f"still enabled for {other.whose}: {_file(other)}; {_command('disable', '--system')} takes that away, "
                "`footfall off` is a no of your own"
            )
    return DONE


def _status(place: Place, shown: tuple[Place, ...], option: str) -> int:
    found = {each: startup_file.look(each) for each in shown}
    rows = [(each.whose, found[each].state.value, _file(each)) for each in shown]
    print("\n".join(tables.table(("for", "state", "file"), rows)))
    commands = {startup_file.system_place(os.environ): "--system", place: option}
    for each in shown:
        enable = _command("enable", commands[each]) if each in commands else ""
        for line in _to_do(each, found[each], enable):
            print(line)
    loaded = any(each.state in LOADS for each in found.values())
    if not loaded:
        print(f"no kernel loads footfall by itself; {_command('enable', option)} changes that")
    _print_originals(shown)
    _print_refusal()
    fine = found[place].state in {State.MISSING, State.ENABLED, State.NEWER}
    return DONE if loaded and fine else UNFINISHED


def _to_do(place: Place, found: Found, enable: str) -> Iterator[str]:
    if found.state is State.OLDER and enable:
        yield f"{_file(place)}: {enable} updates it"
    elif found.why:
        fresh = f". Move it away and say {enable} for a fresh one" if enable else ""
        yield f"{_file(place)}: {found.why}; footfall leaves it alone{fresh}"


def _print_originals(places: tuple[Place, ...]) -> None:
    for path, its_own in startup_file.originals(os.environ, places):
        do = (
            "run `access-py-telemetry --disable`"
            if its_own
            else "remove its import of access_py_telemetry, or ask who keeps that file"
        )
        print(
            f"note: {tables.escaped(str(path))} loads access-py-telemetry, and both would record the same uses; "
            f"to have them once, {do}"
        )


def _print_refusal() -> None:
    """Print why nothing is recorded though footfall is loaded, if so."""
    said = choice.read(config_directory(os.environ))
    decision = decide(os.environ, runner=runner.from_environment(os.environ), choice=said)
    if not decision.records:
        print(f"note: footfall is off here, so nothing is recorded: {tables.escaped(decision.reason)}")
