"""Forget the random id of this installation; the next use makes a new one, which nothing links to the old.

Nor is a notebook kernel that restarts after that joined to what it was before. Programs that run already keep the id
they began with, and records that wait to be sent keep theirs: `footfall off` deletes those.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from footfall import settings as settings_module
from footfall.cli.main import DONE
from footfall.errors import FootfallError
from footfall.places import config_directory, find
from footfall.resource import installation, kernels

if TYPE_CHECKING:
    import argparse

EXAMPLE: Final = """\
$ footfall reset-id
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add nothing: there is nothing to choose."""
    del parser


def run(arguments: argparse.Namespace) -> int:
    """Forget the id, and say what happens next."""
    del arguments
    directory = config_directory(os.environ)
    try:
        was_there = directory is not None and installation.reset(directory)
    except NotADirectoryError:  # HOME=/dev/null
        was_there = False
    except OSError as error:
        msg = f"{directory}: the id is still there ({error.strerror}); delete the files installation-*.json yourself"
        raise FootfallError(msg) from error
    places = find(settings_module.read_or_default(os.environ).directory, os.environ, make=False)
    if places is not None:
        try:
            kernels.forget(places.state)
        except OSError as error:
            msg = f"{places.state / kernels.FOLDER}: still there ({error.strerror}); delete that folder yourself"
            raise FootfallError(msg) from error
    if was_there:
        print("the installation id is forgotten; the next use makes a new random one")
    else:
        print("there is no installation id; the first use that may be sent makes a random one")
    return DONE
