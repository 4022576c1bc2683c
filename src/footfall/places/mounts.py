"""Which kind of file system a path is on: local, or one that several machines share.

Read from the kernel's table of mounts, which costs no look at the file system itself: a dead mount hangs ``stat``.
SQLite in WAL mode and ``flock`` are safe only where one kernel sees all accesses, so a kind nobody listed counts as a
network's (reliability.md section 3, "Network file systems").
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Final

LOCAL: Final = frozenset(
    {
        *("ext2", "ext3", "ext4", "xfs", "btrfs", "zfs", "f2fs", "jfs", "reiserfs", "bcachefs", "nilfs2"),
        *("tmpfs", "ramfs", "rootfs", "devtmpfs", "overlay", "aufs"),
        *("vfat", "exfat", "msdos", "ntfs", "ntfs3", "hfsplus", "apfs", "ufs", "udf"),
        *("fuseblk", "fuse.fuse-overlayfs", "ecryptfs"),  # fuseblk: FUSE on a disk of this machine
    }
)
"""Kinds that only this machine's kernel writes to. nfs, nfs4, lustre, gpfs, beegfs, cifs, smb3, ceph, afs, 9p,
virtiofs, autofs and every other FUSE (sshfs, GlusterFS, ...) are not among them."""

_ESCAPES: Final = {"\\040": " ", "\\011": "\t", "\\012": "\n", "\\134": "\\"}


def table(proc: Path = Path("/proc")) -> str:
    """Return the kernel's table of mounts as this process sees them, or "" where there is none."""
    try:
        return (proc / "self" / "mountinfo").read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return ""


def kind(mountinfo: str, path: str, device: int | None = None) -> str:
    """Return the type of the file system that holds *path*, such as ``ext4``; "" when the table does not say.

    Args:
        mountinfo: Text of ``/proc/self/mountinfo`` (proc(5)).
        path: Absolute. Links in it are not resolved, which is why *device* is the better witness.
        device: ``st_dev`` of *path*, where it is known. btrfs and overlay report numbers that the table does not have;
            then the longest mount point that leads to *path* decides.
    """
    number = "" if device is None else f"{os.major(device)}:{os.minor(device)}"
    best, longest = "", -1
    for line in mountinfo.splitlines():
        before, _, after = line.partition(" - ")
        fields = before.split(" ", 5)
        if len(fields) < 5 or not after:
            continue
        of_mount = after.split(" ", 1)[0]
        if fields[2] == number:
            return of_mount
        point = _plain(fields[4])
        # Not "longer than": of two mounts at one point the later one covers the earlier.
        if len(point) >= longest and (path == point or path.startswith(point.rstrip("/") + "/")):
            best, longest = of_mount, len(point)
    return best


def is_network(path: Path, mountinfo: str, device: int | None = None) -> bool:
    """Whether *path* may be shared with other machines. Without a table, by the look of the path.

    macOS mounts what comes from elsewhere below /Volumes and /Network; on Windows such a path begins with two
    backslashes. A mapped drive letter is not recognised.
    """
    if mountinfo:
        return kind(mountinfo, str(path), device) not in LOCAL
    if sys.platform == "win32":
        return str(path).startswith("\\\\")
    if sys.platform == "darwin":
        return str(path).startswith(("/Volumes/", "/Network/"))
    return True


def _plain(point: str) -> str:
    if "\\" in point:
        for escape, character in _ESCAPES.items():
            point = point.replace(escape, character)
    return point
