"""A researcher's package that uses intake-esm; processes that import it observe that, where ``USAGE`` says so.

Workers of a pool or a cluster import it as soon as they get a task: that is all there is to instrumenting them.
"""

from __future__ import annotations

import os
from functools import lru_cache
from typing import Any

if "USAGE" in os.environ:
    import footfall

    footfall.instrument(registry=os.environ["USAGE"], send_to=[footfall.Access(os.environ["SINK"] + "/api")])


@lru_cache
def opened(catalogue: str) -> Any:
    import intake

    return intake.open_esm_datastore(catalogue)


def rows(catalogue: str, number: int) -> int:
    """Search for what tells this call from all others; return how many rows were found and looked through."""
    cat = opened(catalogue)
    return len(cat.search(path=f"marker-{number}").df) + len(cat.df)
