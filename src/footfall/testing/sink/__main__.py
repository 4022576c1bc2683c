"""``python -m footfall.testing.sink``."""

from __future__ import annotations

import sys

from footfall.testing.sink.server import main

if __name__ == "__main__":
    sys.exit(main())
