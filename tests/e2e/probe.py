"""An application that says, as JSON on its stdout, what footfall did to it."""

from __future__ import annotations

import json
import sys
import threading
from pathlib import Path

from tests.e2e import lib

for _ in range(3):
    lib.work()
lib.rest()
print(
    json.dumps(
        {
            "wrapped": sorted(name for name in ("work", "rest") if type(getattr(lib, name)).__name__ != "function"),
            "threads": sorted(each.name for each in threading.enumerate() if "footfall" in each.name),
            "state": Path(sys.argv[1]).exists(),
        }
    )
)
