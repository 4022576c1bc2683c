"""Files and directories that belong to one user alone (reliability.md S1, S2, S17).

Everything is born private: ``O_EXCL`` and mode 0600 for files, ``mkdir`` with 0700 for directories. A umask can only
take further bits away, so no umask opens anything, and nothing is ever repaired with ``chmod`` afterwards: between
creation and ``chmod`` somebody else could have opened it. What is found already there is used only when it is ours.
"""

from __future__ import annotations

import contextlib
import os
import stat
import sys
from pathlib import Path
from typing import Final

from footfall.errors import UnsafeFileError

FILE_MODE: Final = 0o600
DIRECTORY_MODE: Final = 0o700
ROOT: Final = 0

_SAFE_FLAGS: Final = (
    getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_NOINHERIT", 0)
    | getattr(os, "O_BINARY", 0)
)


def current_uid() -> int | None:
    """Return the effective user id, or None where users have none (Windows)."""
    if sys.platform == "win32":
        return None
    return os.geteuid()


def open_private(path: Path, flags: int = os.O_WRONLY, *, mode: int = 0) -> int:
    """Create *path*, mode 0600, and return its descriptor.

    A symbolic link, FIFO or file that is already there is never opened.

    Args:
        path: In a directory of ours.
        flags: Access mode and more, such as ``os.O_WRONLY | os.O_APPEND``.
        mode: Another mode, for the rare file that others are to read.

    Raises:
        FileExistsError: Something is there already, be it a dangling link.
        OSError: As ``os.open`` says.
    """
    return os.open(path, flags | os.O_CREAT | os.O_EXCL | _SAFE_FLAGS, mode or FILE_MODE)


def write_private(path: Path, data: bytes, *, synced: bool = False) -> None:
    """Replace the content of *path* in one step: readers see the old or the new bytes, never a part.

    Args:
        path: In a directory of ours.
        data: The whole new content.
        synced: Also wait until the bytes are on the disk.

    Raises:
        OSError: Nothing has changed then, and no temporary file stays behind.
    """
    temporary = path.with_name(f".{path.name}.{os.urandom(6).hex()}.tmp")
    fd = open_private(temporary)
    try:
        try:
            write_all(fd, data)
            if synced:
                os.fsync(fd)
        finally:
            os.close(fd)
        temporary.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise


def sync_directory(directory: Path) -> None:
    """Make the name of a new file survive loss of power, where directories can be synced."""
    if os.name == "posix":
        fd = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)


def write_all(fd: int, data: bytes) -> None:
    """Write *data* to *fd*, also where the operating system takes it in pieces."""
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def read_private(path: Path, *, max_bytes: int = 2**20, uid: int | None = None) -> bytes:
    """Return the content of *path*, a regular file of ours (or root's) that others cannot write.

    Args:
        path: The file; a symbolic link in its last part is refused, a FIFO cannot make us wait.
        max_bytes: A larger file is refused unread.
        uid: Whose file it must be; default: the effective user's.

    Raises:
        UnsafeFileError: Somebody else owns it or could have written it, or it is no regular file.
        FileNotFoundError: There is none.
        OSError: It cannot be read.
    """
    uid = current_uid() if uid is None else uid
    # O_NONBLOCK: opening a FIFO that nobody writes to would wait for ever.
    flags = os.O_RDONLY | _SAFE_FLAGS | getattr(os, "O_NONBLOCK", 0)
    try:
        fd = os.open(path, flags)
    except FileNotFoundError:
        raise
    except OSError as error:
        if path.is_symlink():
            msg = f"{path}: is a symbolic link, which footfall does not follow; put the file itself there"
            raise UnsafeFileError(msg) from error
        raise
    try:
        found = os.fstat(fd)
        if why := _file_refusal(found, uid):
            msg = f"{path}: {why}"
            raise UnsafeFileError(msg)
        if found.st_size > max_bytes:
            msg = f"{path}: {found.st_size} bytes, more than the {max_bytes} that such a file may have"
            raise UnsafeFileError(msg)
        pieces: list[bytes] = []
        left = max_bytes
        while left > 0 and (piece := os.read(fd, min(left, 65536))):
            pieces.append(piece)
            left -= len(piece)
        return b"".join(pieces)
    finally:
        os.close(fd)


def private_directory(
    path: Path, *, uid: int | None = None, parents: bool = True, below_own: bool = False, listable: bool = False
) -> os.stat_result:
    """Make sure that *path* is a directory of ours which nobody else can enter; return its status.

    One ``lstat`` when it exists. Missing directories on the way are created private as well.

    Args:
        path: Absolute.
        uid: Whose directory it must be; default: the effective user's.
        parents: Create missing parents too.
        below_own: Create only below a directory of ours. Without this, ``sudo`` with the caller's HOME would leave
            directories of root in that home, and lock its owner out for good.
        listable: Others may list and enter it, if they cannot write: for a directory that the user may have made by
            hand, whose files are private each by itself.

    Raises:
        UnsafeFileError: It is a link or no directory, somebody else owns it, or its mode lets others in.
        OSError: It is not there and cannot be created.
    """
    uid = current_uid() if uid is None else uid
    try:
        found = path.lstat()
    except FileNotFoundError:
        if below_own and uid is not None and (owner := _nearest_owner(path)) != uid:
            msg = f"{path}: would have to be created in a directory of user {owner}, and we are user {uid}"
            raise UnsafeFileError(msg) from None
        _make(path, parents=parents)
        found = path.lstat()
    if why := _directory_refusal(found, uid, 0o022 if listable else 0o077):
        msg = f"{path}: {why}"
        raise UnsafeFileError(msg)
    return found


def _make(path: Path, *, parents: bool) -> None:
    with contextlib.suppress(FileExistsError):  # another process was quicker; the caller looks at what is there
        try:
            path.mkdir(mode=DIRECTORY_MODE)
        except FileNotFoundError:
            if not parents or path.parent == path:
                raise
            _make(path.parent, parents=True)
            path.mkdir(mode=DIRECTORY_MODE)


def _nearest_owner(path: Path) -> int:
    for ancestor in path.parents:
        with contextlib.suppress(FileNotFoundError):
            return ancestor.stat().st_uid
    return -1


def _directory_refusal(found: os.stat_result, uid: int | None, forbidden: int) -> str:
    if stat.S_ISLNK(found.st_mode):
        return "is a symbolic link, which footfall does not follow; name the directory itself"
    if not stat.S_ISDIR(found.st_mode):
        return "is not a directory; move it away or name another place"
    if uid is None:
        return ""
    if found.st_uid != uid:
        return f"belongs to user {found.st_uid}, and we are user {uid}; name a place of your own"
    if found.st_mode & forbidden:
        return f"is open to others (mode {stat.S_IMODE(found.st_mode):04o}); say chmod 700, or name another place"
    return ""


def _file_refusal(found: os.stat_result, uid: int | None) -> str:
    if not stat.S_ISREG(found.st_mode):
        return "is not a regular file"
    if uid is None:
        return ""
    if found.st_uid not in {uid, ROOT}:
        return f"belongs to user {found.st_uid}, and we are user {uid}; not read"
    if found.st_mode & 0o022:
        return f"can be written by others (mode {stat.S_IMODE(found.st_mode):04o}); say chmod go-w"
    return ""


def remove_files(directory: Path, *, changed_before: float | None = None) -> None:
    """Remove the files in *directory*; where there is none, nothing.

    Args:
        directory: Of our own.
        changed_before: UTC seconds: only those that were last changed before; one that stays is no trouble then.

    Raises:
        OSError: Something is still there, and all was to go.
    """
    for path in tuple(directory.iterdir()) if directory.is_dir() else ():
        if changed_before is None:
            path.unlink(missing_ok=True)
            continue
        with contextlib.suppress(OSError):  # another process removes it as well
            if path.lstat().st_mtime < changed_before:
                path.unlink()
