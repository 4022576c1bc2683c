"""Which container, if any: the runtime's own marks first, then the kernel's tables (otel.md section 4, "context").

Docker, Podman, CRI-O, containerd, Apptainer and Singularity are told apart; inside Kubernetes without any other mark
the runtime is ``unknown``. That it is Kubernetes is said by itself, and nothing else of it: a pod's name is its host
name, and a namespace is often called after a person. A container id is reported only when it is 64 hexadecimal digits
on its own and stands where a runtime writes it: session scopes (``session-5.scope``), pod sandboxes and the layers of
an overlay are none.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from footfall.attributes import CONTAINER_ID, CONTAINER_RUNTIME_NAME, KUBERNETES
from footfall.usage import AttributeValue

UNKNOWN: Final = "unknown"
"""Surely a container, by a runtime that left no mark."""

SERVICE_ACCOUNT: Final = "var/run/secrets/kubernetes.io/serviceaccount"

_ID: Final = re.compile(r"(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])")
_FILES_OF_A_CONTAINER: Final = frozenset({"/etc/hostname", "/etc/hosts", "/etc/resolv.conf"})
_ID_IN_MOUNT: Final = re.compile(r"/(?:overlay-)?containers/([0-9a-f]{64})/")

DECLARED: Final = frozenset(
    {
        *("docker", "flatpak", "lxc", "lxc-libvirt", "oci", "openvz"),
        *("podman", "pouch", "proot", "rkt", "systemd-nspawn", "toolbox"),
    }
)
"""What variable ``container`` may say. Scripts for object stores use that name for their own purposes."""

_CGROUP_WORDS: Final = (
    ("libpod", "podman"),
    ("crio", "cri-o"),
    ("cri-containerd", "containerd"),
    ("docker", "docker"),
)
"""How runtimes name a container's control group, just before the id."""


def detect(root: Path = Path("/"), environ: Mapping[str, str] | None = None) -> dict[str, AttributeValue]:
    """Return ``container.runtime.name``, ``container.id`` and ``footfall.kubernetes``, as far as they can be told.

    Empty outside a container.

    Args:
        root: Folder that stands for ``/``.
        environ: Environment; default: this process's.
    """
    environ = os.environ if environ is None else environ
    cgroup_name, cgroup_id = _from_cgroup(_read(root / "proc/self/cgroup"))
    mounts = _read(root / "proc/self/mountinfo")
    # The variable is gone after `su -` or `env -i`; the folder is missing where a pod gets no token. Not Path.is_dir,
    # which raises where a folder above may not be entered.
    in_pod = bool(environ.get("KUBERNETES_SERVICE_HOST")) or os.path.isdir(root / SERVICE_ACCOUNT)  # noqa: PTH112
    found: dict[str, AttributeValue] = {}
    if identifier := cgroup_id or _id_from_mounts(mounts):
        found[CONTAINER_ID] = identifier
    if name := _marked(root, environ, in_pod=in_pod) or cgroup_name or _root_layer(mounts):
        found[CONTAINER_RUNTIME_NAME] = name
    elif identifier or in_pod:
        found[CONTAINER_RUNTIME_NAME] = UNKNOWN
    if in_pod:
        found[KUBERNETES] = True
    return found


def _marked(root: Path, environ: Mapping[str, str], *, in_pod: bool) -> str:
    """Return the runtime that says so itself, the innermost first; "" without a mark.

    Apptainer sets Singularity's variable as well, and images made from Docker's may hold /.dockerenv: hence this order.
    """
    if environ.get("APPTAINER_CONTAINER"):
        return "apptainer"
    if environ.get("SINGULARITY_CONTAINER"):
        return "singularity"
    if (root / "run/.containerenv").exists():  # CRI-O writes it too, and runs under Kubernetes only
        return "cri-o" if in_pod else "podman"
    if (root / ".dockerenv").exists():
        return "docker"
    if (root / ".singularity.d").is_dir():
        return "singularity"
    # Set by systemd-nspawn, LXC, Podman and others (systemd's container interface).
    declared = environ.get("container", "").lower()
    return declared if declared in DECLARED else ""


def _from_cgroup(text: str) -> tuple[str, str]:
    """Return runtime and id from ``/proc/self/cgroup``; of nested ones the innermost."""
    for line in text.splitlines():
        path = line.rpartition(":")[2]
        ids = list(_ID.finditer(path))
        if ids:
            before = path[: ids[-1].start()].rstrip("-/").rpartition("/")[2]
            name = next((name for word, name in _CGROUP_WORDS if before.startswith(word)), "")
            return name, ids[-1].group()
    return "", ""


def _id_from_mounts(text: str) -> str:
    """Return the id from the files that a runtime mounts into each container (control groups v2 do not show it).

    Only these mounts: on a Docker *host* the table is full of other containers' directories.
    """
    for line in text.splitlines():
        fields = line.split(" ", 5)
        if len(fields) > 4 and fields[4] in _FILES_OF_A_CONTAINER and (match := _ID_IN_MOUNT.search(fields[3])):
            return match.group(1)
    return ""


def _root_layer(text: str) -> str:
    """Return the runtime whose layers make up the root file system, or ""."""
    for line in text.splitlines():
        fields = line.split(" ", 5)
        if len(fields) > 5 and fields[4] == "/" and " - overlay " in line:
            return next((name for name in ("containerd", "docker") if f"/{name}/" in fields[5]), "")
    return ""


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
