"""Runs the checks on real databases: ``python -m tests.database``, with ``ROWS=50000`` for a quick look.

They are no part of ``make test``: they take minutes. Where there is no PostgreSQL, SQLite has the same table, and the
last line says so.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.database.servers import find_postgres

HERE = Path(__file__).parent
CHECK_SECONDS = 1500
"""Longest time of one check: what hangs fails under its name."""


def main(arguments: list[str]) -> int:
    """Run the checks; return the exit status of pytest."""
    fixed = ["-n0", "-p", "no:randomly", "-o", "python_files=check_*.py", "-o", "python_functions=check_*"]
    is_there = find_postgres() is not None
    chosen = ["-k", "not sqlite" if is_there else "not postgres"]
    wanted = arguments or [str(HERE)]
    status = int(pytest.main([*fixed, "-o", "addopts=", "-o", f"timeout={CHECK_SECONDS}", *chosen, *wanted]))
    print("database:", "nothing skipped" if is_there else "skipped postgres (no initdb: apt-get install postgresql)")
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
