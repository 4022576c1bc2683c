"""``python -m footfall``: the same as the command ``footfall``."""

from __future__ import annotations

import sys

from footfall.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
