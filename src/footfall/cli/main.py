"""The command ``footfall``: which commands there are, and what all of them share.

Exit statuses: 0, done; 1, something is still pending or failed; 2, wrong use or a wrong setting; 130 after Ctrl-C.
Results go to stdout, everything else to stderr. A command is one module with `add_arguments` and `run`, imported
when it is asked for: `footfall --help` loads none of them.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol, cast

import msgspec

from footfall.errors import ConfigurationError, FootfallError

DONE: Final = 0
UNFINISHED: Final = 1
WRONG_USE: Final = 2
INTERRUPTED: Final = 130


class Command(Protocol):
    """What a command's module offers."""

    EXAMPLE: str
    """Lines for the end of its ``--help``; those that begin with ``$ `` can be run as they are."""

    add_arguments: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], int]


class Listed(msgspec.Struct, frozen=True):
    """A row of the table of commands: where it is, and what it does in a line."""

    module: str
    summary: str


COMMANDS: Final = {
    "status": Listed("footfall.cli.status", "what was seen, delivered, dropped, and is still pending"),
    "show": Listed("footfall.cli.show", "the exact requests that wait to be sent; sends nothing"),
    "send": Listed("footfall.cli.send", "deliver what is pending now, from cron or at the end of a job"),
    "gather": Listed("footfall.cli.gather", "ask the collectors of a module, and keep what they say for delivery"),
    "off": Listed("footfall.cli.off", "say no, to everything or one project, and delete what was not sent"),
    "on": Listed("footfall.cli.on", "take back a no, or say yes to one project"),
    "reset-id": Listed("footfall.cli.reset_id", "forget the random id of this installation"),
    "doctor": Listed("footfall.cli.doctor.command", "what would happen here, what does not work, and what to do"),
    "fields": Listed("footfall.cli.fields", "every field that can leave the machine, and who gets it"),
    "schema": Listed("footfall.cli.schema", "the JSON Schema of footfall.yaml and other files, for editors"),
    "notebook": Listed("footfall.cli.notebook", "load footfall in every notebook and IPython shell, or stop doing so"),
    "gateway": Listed("footfall.cli.gateway", "receive OTLP over HTTP and feed usage servers from it"),
    "demo": Listed(
        "footfall.cli.demo.command", "watch a real package, deliver to a server here, and check every number"
    ),
}
"""All commands, in the order of ``--help``."""


class _CommandParser(argparse.ArgumentParser):
    """The parser of one command, which loads the command's module when it has something to parse."""

    def __init__(self, *, listed: Listed, **options: Any) -> None:
        super().__init__(**options, formatter_class=argparse.RawDescriptionHelpFormatter)
        self._listed: Listed | None = listed

    def load(self) -> _CommandParser:
        """Load the command's module, once, and return the parser with all that it says."""
        listed, self._listed = self._listed, None
        if listed is not None:
            command = cast("Command", importlib.import_module(listed.module))
            self.description = (sys.modules[listed.module].__doc__ or listed.summary).strip()
            self.epilog = "example:\n" + "\n".join(f"  {line}" for line in command.EXAMPLE.strip().splitlines())
            command.add_arguments(self)
            self.set_defaults(run=command.run)
        return self

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]  three overloads of one function
        return super(_CommandParser, self.load()).parse_known_args(args, namespace)


def command_parser(name: str) -> argparse.ArgumentParser:
    """Return the parser of one command, loaded; the docs are made from it."""
    return _CommandParser(listed=COMMANDS[name], prog=f"footfall {name}").load()


def parser() -> argparse.ArgumentParser:
    """Return the parser of the whole command line."""
    top = argparse.ArgumentParser(
        prog="footfall",
        description="Usage telemetry that stays under your control: see it, send it, stop it.",
        epilog="example:\n  $ footfall status\n\n`footfall COMMAND --help` tells more about each.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--version", action="store_true", help="print the version and exit")
    commands = top.add_subparsers(title="commands", dest="command", metavar="COMMAND", parser_class=_CommandParser)
    for name, listed in COMMANDS.items():
        commands.add_parser(name, help=listed.summary, listed=listed)
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit status.

    Args:
        arguments: Without the program's name; default: this process's.
    """
    top = parser()
    chosen = top.parse_args(arguments)
    if chosen.version:
        chosen.run = _version
    if not hasattr(chosen, "run"):
        top.print_help(sys.stderr)
        return WRONG_USE
    try:
        status = int(chosen.run(chosen))
        sys.stdout.flush()
    except FootfallError as error:
        print(f"footfall: {error}", file=sys.stderr)
        status = WRONG_USE if isinstance(error, ConfigurationError) else UNFINISHED
    except BrokenPipeError:
        # `footfall show | head` has what it wanted. Python would complain again when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = UNFINISHED
    except KeyboardInterrupt:
        print("footfall: interrupted; what was not sent is kept", file=sys.stderr)
        status = INTERRUPTED
    return status


def _version(chosen: argparse.Namespace) -> int:
    from footfall.version import VERSION

    del chosen
    print(f"footfall {VERSION}")
    return DONE
