"""The machine, as far as it is not one machine in particular: operating system and processor family. Never its name."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from typing import Final

from footfall.attributes import HOST_ARCH, OS_TYPE
from footfall.usage import AttributeValue

ARCHITECTURES: Final[Mapping[str, str]] = {
    **dict.fromkeys(("x86_64", "amd64", "x64"), "amd64"),
    **dict.fromkeys(("aarch64", "arm64", "armv8l"), "arm64"),
    **dict.fromkeys(("arm", "armv5tel", "armv6l", "armv7l", "armv7"), "arm32"),
    **dict.fromkeys(("i386", "i486", "i586", "i686", "x86"), "x86"),
    **dict.fromkeys(("ppc64", "ppc64le"), "ppc64"),
    **dict.fromkeys(("ppc", "powerpc"), "ppc32"),
}
"""What kernels say, to what the convention's enumeration says. Others (``riscv64``, ``s390x``) are the same in both."""

SYSTEMS: Final[Mapping[str, str]] = {
    "win32": "windows",
    "cygwin": "windows",
    "sunos": "solaris",
    "dragonfly": "dragonflybsd",
}
"""`sys.platform` to ``os.type``, where they differ."""


def detect() -> dict[str, AttributeValue]:
    """Return ``os.type`` and ``host.arch``."""
    found: dict[str, AttributeValue] = {OS_TYPE: os_type(sys.platform)}
    if name := architecture(_machine()):
        found[HOST_ARCH] = name
    return found


def os_type(platform: str) -> str:
    """Return the convention's word for `sys.platform`; versions at its end (``freebsd14``) are cut off."""
    name = platform if platform in SYSTEMS else platform.rstrip("0123456789")
    return SYSTEMS.get(name, name)


def architecture(machine: str) -> str:
    """Return the convention's word for what a kernel calls its processor; "" for what is no such name."""
    machine = machine.lower()
    return ARCHITECTURES.get(machine, machine if re.fullmatch(r"[a-z0-9_]{1,32}", machine) else "")


def _machine() -> str:
    # Not platform.machine(): importing platform took 7 ms here, and it may start a process.
    return os.environ.get("PROCESSOR_ARCHITECTURE", "") if sys.platform == "win32" else os.uname().machine
