"""The interpreter: which Python, and whether a person types at it.

Never the command line, the executable's path or the owner, which OpenTelemetry's own detector reports.
"""

from __future__ import annotations

import sys

from footfall.attributes import (
    PROCESS_INTERACTIVE,
    PROCESS_RUNTIME_NAME,
    PROCESS_RUNTIME_VERSION,
    TELEMETRY_SDK_LANGUAGE,
)
from footfall.usage import AttributeValue


def detect() -> dict[str, AttributeValue]:
    """Return language, implementation, version of the language, and ``process.interactive``."""
    return {
        TELEMETRY_SDK_LANGUAGE: "python",
        PROCESS_RUNTIME_NAME: sys.implementation.name,
        PROCESS_RUNTIME_VERSION: python_version(),
        PROCESS_INTERACTIVE: bool(sys.flags.interactive) or hasattr(sys, "ps1"),
    }


def python_version() -> str:
    """Return the language's version, ``3.13.0`` or ``3.14.0rc1``.

    On PyPy this is not the implementation's version: servers compare it with what packages require.
    """
    major, minor, micro, level, serial = sys.version_info
    suffix = {"alpha": f"a{serial}", "beta": f"b{serial}", "candidate": f"rc{serial}"}.get(level, "")
    return f"{major}.{minor}.{micro}{suffix}"
