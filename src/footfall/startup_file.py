"""The file that has IPython load ``footfall.ipython`` when a shell or a kernel starts: where it is, and whose it is.

IPython runs the ``*.py`` of these directories at each start, before the first cell, sorted by path (its
``core/shellapp.py``; read in 8.18 and 9.18):

1. ``$IPYTHONDIR/profile_<name>/startup``, of one user and one profile;
2. ``<sys.prefix>/etc/ipython/startup``, of all users of an environment;
3. ``/usr/local/etc/ipython/startup`` and ``/etc/ipython/startup``, of all users of the machine. On Windows only
   ``ipython/startup`` in ``%PROGRAMDATA%``, and in later releases only with ``IPYTHON_USE_PROGRAMDATA=1``.

A file that raises keeps those after it from running, so ours never does. Its first line holds a version and a digest of
the rest: a file is changed or removed only while the digest says that nobody else changed it. IPython itself is not
needed here, and nothing of it is imported.
"""

from __future__ import annotations

import contextlib
import enum
import hashlib
import os
import re
import stat
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import msgspec

from footfall.errors import ConfigurationError, FootfallError
from footfall.places.files import FILE_MODE, current_uid, open_private, write_all

NAME: Final = "50-footfall.py"
"""In the middle, so that a user's own files can run before it (00 to 49) and after it."""

VERSION: Final = 1

DEFAULT_PROFILE: Final = "default"
"""The profile of every kernel and shell that is not told another one."""

BODY: Final = b"""\
# IPython runs this file when a shell or a kernel starts. It loads the extension footfall.ipython, which records uses of
# functions that installed projects registered. `footfall notebook disable` removes it, `footfall off` stops recording
# and leaves it here. After an edit, footfall neither changes nor removes it.
try:
    with __import__("warnings").catch_warnings():
        __import__("warnings").simplefilter("ignore")
        get_ipython().extension_manager.load_extension("footfall.ipython")
except (Exception, SystemExit):  # not installed here, or broken: the shell starts as if this file were not there
    pass
"""
# No statement of it binds a name, since it runs in the user's namespace; hence `__import__`.

_HEAD = re.compile(rb"# footfall startup file, version ([1-9][0-9]{0,5}), sha256 ([0-9a-f]{64})\r?\n")
_PROFILE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,63}")
_MAX_BYTES: Final = 64 * 2**10

SHARED_FILE_MODE: Final = 0o644
SHARED_DIRECTORY_MODE: Final = 0o755

ORIGINAL: Final = re.compile(rb"^[ \t]*(?:from|import)[ \t]+access_py_telemetry\b", re.MULTILINE)
"""How a startup file of the original client, or one written after its example, begins to record."""


class StartupFileError(FootfallError):
    """A startup file cannot be written or removed; the message says why, and what to do."""


class State(str, enum.Enum):
    """What is at a place."""

    MISSING = "not enabled"
    ENABLED = "enabled"
    OLDER = "enabled, by an older footfall"
    NEWER = "enabled, by a newer footfall"
    EDITED = "edited"
    """It begins as ours does, and the digest says that somebody changed it."""
    FOREIGN = "not ours"
    """Another file, a link, a directory, or something that cannot be read."""


LOADS: Final = frozenset({State.ENABLED, State.OLDER, State.NEWER})
"""Where footfall is loaded for sure."""

UNTOUCHED: Final = frozenset({State.EDITED, State.FOREIGN})
"""What is reported, and neither changed nor removed."""


class Place(msgspec.Struct, frozen=True):
    """One directory that IPython reads at its start.

    Attributes:
        directory: It may not exist.
        whose: For people: whose shells it is for.
        shared: Whether other users read it too.
    """

    directory: Path
    whose: str
    shared: bool = False

    @property
    def file(self) -> Path:
        """Our file there, whether or not it exists."""
        return self.directory / NAME


class Found(msgspec.Struct, frozen=True):
    """What was found at a place, and for `State.FOREIGN` what it is."""

    state: State
    why: str = ""


def content() -> bytes:
    """Return the whole file that this footfall writes; always the same."""
    digest = hashlib.sha256(BODY).hexdigest().encode()
    return b"# footfall startup file, version %d, sha256 %s\n%s" % (VERSION, digest, BODY)


def user_place(environ: Mapping[str, str], profile: str = DEFAULT_PROFILE) -> Place:
    """Return the startup directory of this user's *profile*.

    Raises:
        ConfigurationError: *profile* is no name of one, or ``IPYTHONDIR`` depends on the working directory.
    """
    if not _PROFILE.fullmatch(profile):
        msg = f"profile {profile!a} must be a name of letters, digits, '.', '_' and '-', such as 'default'"
        raise ConfigurationError(msg)
    return Place(_ipython_directory(environ) / f"profile_{profile}" / "startup", f"you, profile {profile}")


def _ipython_directory(environ: Mapping[str, str]) -> Path:
    """Return the directory that IPython would take, without making it."""
    home = _home(environ)
    asked = environ.get("IPYTHONDIR")
    if asked is not None:
        directory = home / asked[2:] if asked.startswith("~/") else Path(asked).expanduser()
        if not directory.is_absolute():
            msg = (
                f"IPYTHONDIR={asked!a} depends on the working directory, which each kernel has its own of; "
                "set it to an absolute path, or unset it"
            )
            raise ConfigurationError(msg)
        return Path(os.path.normpath(directory))
    usual = home / ".ipython"
    if os.name == "posix" and not usual.exists():
        # Where IPython 1 had it. Later ones still take it when it is a directory and they can write there.
        old = Path(environ.get("XDG_CONFIG_HOME") or home / ".config") / "ipython"
        if old.is_dir() and not old.is_symlink() and os.access(old, os.W_OK):
            return old
    return usual


def _home(environ: Mapping[str, str]) -> Path:
    home = environ.get("HOME") if os.name == "posix" else None
    return Path(home or "~").expanduser()


def system_places(environ: Mapping[str, str], *, prefix: str = sys.prefix) -> tuple[Place, ...]:
    """Return the startup directories of this environment and this machine, in IPython's order."""
    environment = Place(Path(prefix, "etc", "ipython", "startup"), "all users of this environment", shared=True)
    if os.name == "nt":
        data = environ.get("PROGRAMDATA") if environ.get("IPYTHON_USE_PROGRAMDATA") == "1" else None
        roots = [Path(data)] if data else []
    else:
        roots = [Path("/usr/local/etc"), Path("/etc")]
    machine = [Place(root / "ipython" / "startup", "all users of this machine", shared=True) for root in roots]
    known = {place.directory for place in machine}
    return (*(() if environment.directory in known else (environment,)), *machine)


def system_place(environ: Mapping[str, str], *, prefix: str = sys.prefix) -> Place:
    """Return the one that ``--system`` writes: the environment's, or for the machine's own Python the machine's.

    ``/usr`` has its settings in ``/etc``: below ``/usr/etc``, where IPython would look too, nobody would search.
    """
    places = system_places(environ, prefix=prefix)
    return places[1] if prefix == "/usr" else places[0]


def look(place: Place) -> Found:
    """Return what is at *place*; never raises for what the disk does."""
    try:
        data = _read(place.file)
    except FileNotFoundError:
        return Found(State.MISSING)
    except StartupFileError as error:
        return Found(State.FOREIGN, str(error))
    except OSError as error:
        return Found(State.FOREIGN, f"cannot be read ({error.strerror or type(error).__name__})")
    return _judged(data)


def _judged(data: bytes) -> Found:
    head = _HEAD.match(data)
    if head is None:
        return Found(State.FOREIGN, "is a file that footfall did not write")
    if hashlib.sha256(data[head.end() :]).hexdigest().encode() != head[2]:
        return Found(State.EDITED, "was edited after footfall wrote it")
    version = int(head[1])
    if version > VERSION:
        return Found(State.NEWER)
    return Found(State.ENABLED if data == content() else State.OLDER)


def _read(file: Path) -> bytes:
    # O_NONBLOCK: opening a FIFO that nobody writes to would wait for ever.
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
    if file.is_symlink():
        msg = "is a symbolic link, which footfall does not follow"
        raise StartupFileError(msg)
    if file.is_dir():  # which Windows would not open
        msg = "is a directory"
        raise StartupFileError(msg)
    descriptor = os.open(file, flags | getattr(os, "O_NOFOLLOW", 0))
    with os.fdopen(descriptor, "rb") as stream:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            msg = "is not a regular file"
            raise StartupFileError(msg)
        return stream.read(_MAX_BYTES)


def enable(place: Place) -> State:
    """Have IPython load footfall from *place*; return what was there before.

    Nothing is written where it is enabled already, be it by a newer footfall or by another process at this moment.

    Raises:
        StartupFileError: Something else is there, or it cannot be written.
    """
    found = look(place)
    if found.state in UNTOUCHED:
        raise _left_alone(place, found)
    if found.state in {State.MISSING, State.OLDER}:
        try:
            _make_directory(place)
            if not _write(place, replace=found.state is State.OLDER):
                return _another_was_quicker(place)
        except OSError as error:
            raise _failed(place, "written", error) from error
    return found.state


def disable(place: Place) -> State:
    """Have IPython no longer load footfall from *place*; return what was there before.

    Raises:
        StartupFileError: Something else is there, or it cannot be removed.
    """
    found = look(place)
    if found.state in UNTOUCHED:
        msg = f"{place.file}: {found.why}, so it is left alone; delete it yourself if nothing in it is to stay"
        raise StartupFileError(msg)
    if found.state is not State.MISSING:
        try:
            place.file.unlink(missing_ok=True)
        except OSError as error:
            raise _failed(place, "removed", error) from error
    return found.state


def _another_was_quicker(place: Place) -> State:
    found = look(place)
    if found.state in UNTOUCHED:
        raise _left_alone(place, found)
    return State.ENABLED


def _left_alone(place: Place, found: Found) -> StartupFileError:
    do = "keep what was added in another file there, delete this one" if found.state is State.EDITED else "move it away"
    return StartupFileError(f"{place.file}: {found.why}, so it is left alone; {do}, and run this again")


def _failed(place: Place, what: str, error: OSError) -> StartupFileError:
    where = f" ({error.filename})" if error.filename and str(error.filename) != str(place.file) else ""
    why = f"{error.strerror or type(error).__name__}{where}"
    instead = (
        "do so as the user who keeps that directory, or leave out --system for yourself alone"
        if place.shared
        else "make it writable, or set IPYTHONDIR to a directory of yours"
    )
    return StartupFileError(f"{place.file}: cannot be {what}: {why}; {instead}")


def _make_directory(place: Place) -> None:
    """Make the directory, and what is missing on the way, as IPython would, except that no umask opens it to others."""
    missing = [path for path in (place.directory, *place.directory.parents) if not path.exists()]
    nearest = place.directory if not missing else missing[-1].parent
    uid = current_uid()
    if not place.shared and uid is not None and (owner := nearest.stat().st_uid) != uid:
        # `sudo` with the caller's HOME would leave files of root in that home.
        msg = (
            f"{place.file}: {nearest} belongs to user {owner}, and we are user {uid}; "
            "run this as that user, or say --system for all"
        )
        raise StartupFileError(msg)
    for path in reversed(missing):
        with contextlib.suppress(FileExistsError):  # another process was quicker
            path.mkdir(mode=SHARED_DIRECTORY_MODE)
            if place.shared and _is_hidden(path.stat().st_mode, SHARED_DIRECTORY_MODE):
                path.rmdir()
                raise _hidden_by_umask(place)
    if not place.directory.is_dir():
        msg = f"{place.file}: {place.directory} is not a directory; move it away"
        raise StartupFileError(msg)


def _is_hidden(mode: int, wanted: int) -> bool:
    return sys.platform != "win32" and stat.S_IMODE(mode) & wanted != wanted


def _hidden_by_umask(place: Place) -> StartupFileError:
    # Not mended with `chmod`, which nothing in footfall does. IPython warns of a file that it may not read, so that
    # each shell of the others would complain.
    return StartupFileError(
        f"{place.file}: others could not read it, since the umask of this shell forbids that; "
        "say `umask 022` and run this again"
    )


def _write(place: Place, *, replace: bool) -> bool:
    """Write the file in one step; return False, with nothing changed, if it is to be new and something is there."""
    file = place.file
    temporary = file.with_name(f".{file.name}.{os.urandom(6).hex()}.tmp")  # which IPython does not run
    descriptor = open_private(temporary, mode=SHARED_FILE_MODE if place.shared else FILE_MODE)
    try:
        try:
            write_all(descriptor, content())
            if place.shared and _is_hidden(os.fstat(descriptor).st_mode, SHARED_FILE_MODE):
                raise _hidden_by_umask(place)
        finally:
            os.close(descriptor)
        if not replace:
            try:
                os.link(temporary, file)  # unlike a rename, never over a file that appeared since we looked
            except FileExistsError:
                return False
            except OSError:  # a file system without hard links
                if os.path.lexists(file):
                    return False
            else:
                return True
        temporary.replace(file)
        return True
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()


def originals(environ: Mapping[str, str], places: tuple[Place, ...]) -> Iterator[tuple[Path, bool]]:
    """Yield startup files that load ACCESS-NRI's own client, and whether its own command made and can remove each.

    It would record the same uses again. Its command writes ``telemetry.py``, below ``~/.ipython`` whatever
    ``IPYTHONDIR`` says; sites may have put the same lines into another file.
    """
    its_own = _home(environ) / ".ipython" / "profile_default" / "startup" / "telemetry.py"
    seen = dict.fromkeys([its_own])
    for place in places:
        with contextlib.suppress(OSError):
            seen |= dict.fromkeys(sorted(path for path in place.directory.iterdir() if path.suffix in {".py", ".ipy"}))
    for path in seen:
        with contextlib.suppress(OSError, StartupFileError):
            if ORIGINAL.search(_read(path.resolve())):
                yield path, path == its_own
