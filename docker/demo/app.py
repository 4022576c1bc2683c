"""A program whose functions are observed: a few uses a second, now and then a failure, for ever or for DEMO_USES uses.

It sends plain OTLP to DEMO_OTLP_ENDPOINT. Plain http to another machine has to be asked for (`insecure`): here it goes
to the Collector next door, over a network that nothing else is on.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import time

import footfall

PROJECT = "example/demo"


@footfall.register("catalog", project=PROJECT)
def search(number: int) -> int:
    """Find something."""
    return number % 7


@footfall.register("analysis", project=PROJECT)
def fit(number: int) -> float:
    """Fail for each seventh number."""
    return 1 / search(number)


def main() -> None:
    """Use both functions until told to stop."""
    footfall.instrument(
        PROJECT,
        version="1.0",
        send_to=[footfall.Otlp(os.environ["DEMO_OTLP_ENDPOINT"], insecure=True)],
    )
    uses = int(os.environ.get("DEMO_USES", "0"))
    pause_seconds = float(os.environ.get("DEMO_PAUSE_SECONDS", "0.5"))
    with footfall.track(PROJECT):
        for number in range(1, uses + 1) if uses else itertools.count(1):
            with contextlib.suppress(ZeroDivisionError):
                fit(number)
            time.sleep(pause_seconds)


if __name__ == "__main__":
    main()
