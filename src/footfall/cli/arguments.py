"""Kinds of arguments that several commands take."""

from __future__ import annotations

import argparse
import math


def seconds(text: str) -> float:
    """Return *text* as a finite number above zero.

    Raises:
        argparse.ArgumentTypeError: It is none.
    """
    try:
        found = float(text)
    except ValueError:
        found = math.nan
    if not 0 < found < math.inf:
        msg = f"{text!r} is not a number of seconds above zero"
        raise argparse.ArgumentTypeError(msg)
    return found
