"""The version of footfall. A constant, since asking ``importlib.metadata`` for it costs a process 30 ms."""

from __future__ import annotations

from typing import Final

VERSION: Final = "0.1.0"
"""Of the distribution; ``tests/test_packaging.py`` compares the two."""
