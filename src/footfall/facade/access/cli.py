"""The command ``access-py-telemetry`` (its manual says ``access-ipy-telemetry``), on `footfall.startup_file`.

    python -m footfall.facade.access.cli --enable | --disable | --status [--silent]

Words, texts and exit statuses are those of release 0.3.0, tried by running it. It manages footfall's startup file and
not the original's ``telemetry.py``. Repaired: the file goes where IPython looks (``IPYTHONDIR``); ``--disable`` does
not delete what somebody edited, and ``--enable`` does not call an edited file enabled: both say so on stderr, status 1.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from typing import Final

from footfall import startup_file
from footfall.errors import FootfallError
from footfall.startup_file import State

__all__ = ["configure_telemetry"]

PROGRAM: Final = "python -m footfall.facade.access.cli"

STATUS: Final = {
    State.MISSING: "Telemetry disabled.",
    State.ENABLED: "Telemetry enabled.",
    State.NEWER: "Telemetry enabled.",
    State.OLDER: f"Telemetry enabled but misconfigured. Run `{PROGRAM} --disable && {PROGRAM} --enable` to fix.",
    State.EDITED: "Telemetry enabled but misconfigured. Run `footfall notebook status` to see what to do.",
    State.FOREIGN: "Telemetry enabled but misconfigured. Run `footfall notebook status` to see what to do.",
}


def configure_telemetry(argv: Sequence[str] | None = None) -> int:
    """Do what the words in *argv* say for this user's default profile; return the exit status.

    Args:
        argv: Without the program's name; default: this process's.
    """
    parser = argparse.ArgumentParser(prog=PROGRAM, description="Configure ipython telemetry.")
    for word, meaning in {
        "disable": "Disable telemetry.",
        "enable": "Enable telemetry.",
        "status": "Check telemetry status.",
        "silent": "Suppress output.",
    }.items():
        parser.add_argument(f"--{word}", action="store_true", help=meaning)
    asked = parser.parse_args(argv)
    words = [word for word in ("disable", "enable", "status") if getattr(asked, word)]
    if not words:
        parser.print_help()
        return 0
    if len(words) > 1:
        print("Only one of --disable, --enable, or --status can be used at a time.")
        return 1
    try:
        said = _do(words[0])
    except FootfallError as error:  # also when silent: something is to be done by hand
        print(f"footfall: {error}", file=sys.stderr)
        return 1
    if not asked.silent:
        print(said)
    return 0


def _do(word: str) -> str:
    place = startup_file.user_place(os.environ)
    if word == "status":
        return STATUS[startup_file.look(place).state]
    if word == "disable":
        before = startup_file.disable(place)
        return "Telemetry already disabled." if before is State.MISSING else "Telemetry disabled."
    before = startup_file.enable(place)
    return "Telemetry enabled." if before in {State.MISSING, State.OLDER} else "Telemetry already enabled."


if __name__ == "__main__":
    sys.exit(configure_telemetry())
