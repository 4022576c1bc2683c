"""The machine, as far as it is not one machine in particular: operating system and processor family. Never its name.

Of a kernel's release only the numbers are taken: sites that build their own kernels write their names into it.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from footfall.attributes import HOST_ARCH, OS_TYPE, OS_VERSION, WSL
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


_NUMBERS: Final = re.compile(r"[0-9]{1,9}(?:\.[0-9]{1,9}){0,2}")


def detect(root: Path = Path("/"), environ: Mapping[str, str] | None = None) -> dict[str, AttributeValue]:
    """Return ``os.type``, ``os.version``, ``host.arch``, and in WSL ``footfall.wsl``.

    Args:
        root: Folder that stands for ``/``.
        environ: Environment; default: this process's.
    """
    environ = os.environ if environ is None else environ
    found: dict[str, AttributeValue] = {OS_TYPE: os_type(sys.platform)}
    if number := os_version(_release()):
        found[OS_VERSION] = number
    if name := architecture(_machine()):
        found[HOST_ARCH] = name
    if _is_wsl(root, environ):
        found[WSL] = True
    return found


def os_type(platform: str) -> str:
    """Return the convention's word for `sys.platform`; versions at its end (``freebsd14``) are cut off."""
    name = platform if platform in SYSTEMS else platform.rstrip("0123456789")
    return SYSTEMS.get(name, name)


def os_version(release: str) -> str:
    """Return the first three numbers of a kernel's release, ``5.14.0`` of ``5.14.0-427.el9.site3.x86_64``."""
    match = _NUMBERS.match(release)
    return match.group() if match else ""


def architecture(machine: str) -> str:
    """Return the convention's word for what a kernel calls its processor; "" for what is no such name."""
    machine = machine.lower()
    return ARCHITECTURES.get(machine, machine if re.fullmatch(r"[a-z0-9_]{1,32}", machine) else "")


def _machine() -> str:
    # Not platform.machine(): importing platform took 7 ms here, and it may start a process.
    return os.environ.get("PROCESSOR_ARCHITECTURE", "") if sys.platform == "win32" else os.uname().machine


def _release() -> str:
    """Return what OpenTelemetry's detector takes for the version, without importing `platform`."""
    if sys.platform == "win32":
        windows = sys.getwindowsversion()
        return f"{windows.major}.{windows.minor}.{windows.build}"
    return os.uname().version if sys.platform == "sunos5" else os.uname().release


def _is_wsl(root: Path, environ: Mapping[str, str]) -> bool:
    """Whether Windows runs this Linux: its variable, or Microsoft's kernel, which containers see as well."""
    if environ.get("WSL_DISTRO_NAME"):
        return True
    try:
        release = (root / "proc/sys/kernel/osrelease").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    return "microsoft" in release.lower()
