"""Where footfall's files live, and what is done when a place will not do.

The first place that is ours, writable and answers is taken:

1. ``FOOTFALL_DIR``;
2. the platform's state directory: ``$XDG_STATE_HOME/footfall`` or ``~/.local/state/footfall``;
3. ``$XDG_RUNTIME_DIR/footfall``: survives the process, not the login;
4. ``/var/tmp/footfall-<uid>``, made with ``mkdir`` 0700 and then looked at with ``lstat``.

Else there is none, and the caller keeps records in memory. Never the shared temporary directory, never the working
directory (reliability.md S1, D2).

A network home stays where it is in this order, although 3 and 4 are local: a compute node's journal must be where the
login node's ``footfall send`` finds it after the job (design.md section 3). It gets a directory for each machine and
boot there, so that every file has one writer: ``hosts/<host>-<boot id>/``.

    <state>/journal/  <state>/outbox/  <state>/status.json        and the same three below hosts/... on a network
    <state>/outbox/files/                                         packages on their way, made with the first
    <state>/kernels/                                              last sessions of notebook kernels
    <state>/jobs/                                                 job configurations that were registered

Cost when all exists, counted in a test: four looks at the file system (three ``lstat``, one ``access``), six on a
network file system, and one read of the mount table. A dead mount costs at most `PROBE_SECONDS`.
"""

from __future__ import annotations

import contextlib
import functools
import os
import sys
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import msgspec

from footfall.errors import UnsafeFileError, trouble
from footfall.places import mounts
from footfall.places.files import current_uid, private_directory
from footfall.places.processes import boot_id, host_name

PROBE_SECONDS: Final = 0.2
"""Longest wait for a file system that is not known to be local."""

VAR_TMP: Final = Path("/var/tmp")  # noqa: S108  the one checked directory there that reliability.md S1 allows


class Places(msgspec.Struct, frozen=True, kw_only=True):
    """Where the files of this user on this machine are. All directories but *config* exist, mode 0700.

    Attributes:
        state: The place that was chosen.
        journal: Directory of journals.
        outbox: Directory of the outbox.
        status: File in which the delivering process leaves its figures.
        config: Directory of the user's choices; may not exist. See `config_directory`.
        network: Whether the place may be shared with other machines: then single-writer files only, no SQLite WAL.
        host: ``<host>-<boot id>``: this machine in this life.
    """

    state: Path
    journal: Path
    outbox: Path
    status: Path
    config: Path | None
    network: bool
    host: str

    @property
    def files(self) -> Path:
        """Directory of the attachments beside the outbox; may not exist."""
        return self.outbox / "files"


class _Candidate(msgspec.Struct, frozen=True):
    path: Path
    parents: bool = True
    below_own: bool = True
    asked_for: bool = False


def find(
    settings_directory: str,
    environ: Mapping[str, str],
    *,
    uid: int | None = None,
    mountinfo: str | None = None,
    host: str = "",
    var_tmp: Path = VAR_TMP,
    make: bool = True,
) -> Places | None:
    """Return the first place that will do, with its directories made; None when there is none at all.

    Never raises for anything the disk does. A place that was asked for and will not do is logged once with the reason.

    Args:
        settings_directory: ``Settings.directory``, or "".
        environ: For HOME and the XDG variables.
        uid: Whose places they must be; default: the effective user's.
        mountinfo: Table of mounts; default: the kernel's.
        host: Name for the directory on a network file system; default: this machine in this boot.
        var_tmp: Parent of the last resort.
        make: Else only a place that holds files of ours already will do, nothing is made or logged, and directories may
            be missing: for those who look, or delete, after a no.
    """
    uid = current_uid() if uid is None else uid
    table = mounts.table() if mountinfo is None else mountinfo
    host = host or "-".join(filter(None, (host_name(), boot_id())))
    config = config_directory(environ, uid=uid)
    for candidate in _candidates(settings_directory, environ, uid, var_tmp):
        found = _within_time(candidate, uid, table, host, config, make=make)
        if isinstance(found, Places):
            return found
        if candidate.asked_for and make:
            trouble.note("places", "footfall: FOOTFALL_DIR is not used: %s", found)
    if not make:
        return None
    trouble.note(
        "places", "footfall: no directory for its files; records stay in memory. Set FOOTFALL_DIR to one of yours"
    )
    return None


def config_directory(environ: Mapping[str, str], *, uid: int | None = None) -> Path | None:
    """Return the directory of the user's choices and installation id, whether or not it exists.

    ``$XDG_CONFIG_HOME/footfall`` or ``~/.config/footfall``, or what the platform has instead; None without a home.
    """
    return _platform_directory("config", environ, uid)


def _candidates(
    settings_directory: str, environ: Mapping[str, str], uid: int | None, var_tmp: Path
) -> Iterator[_Candidate]:
    if settings_directory:
        yield _Candidate(Path(settings_directory), below_own=False, asked_for=True)
    if state := _platform_directory("state", environ, uid):
        yield _Candidate(state)
    yield from _of_this_machine(environ, uid, var_tmp)


def _of_this_machine(environ: Mapping[str, str], uid: int | None, var_tmp: Path) -> Iterator[_Candidate]:
    """Yield the places that do not follow a user to other machines."""
    if sys.platform != "win32":
        if runtime := _absolute(environ.get("XDG_RUNTIME_DIR", "")):
            yield _Candidate(runtime / "footfall", parents=False)
        if uid is not None:
            yield _Candidate(var_tmp / f"footfall-{uid}", parents=False, below_own=False)


def local_directory(environ: Mapping[str, str], *, uid: int | None = None, var_tmp: Path = VAR_TMP) -> Path | None:
    """Return a directory of ours on a file system of this machine, made where missing; None where there is none.

    For the locks of files that lie where there are no locks.
    """
    uid = current_uid() if uid is None else uid
    table = mounts.table()
    for candidate in _of_this_machine(environ, uid, var_tmp):
        if mounts.is_network(candidate.path, table):
            continue
        with contextlib.suppress(OSError):  # UnsafeFileError is one
            private_directory(candidate.path, uid=uid, parents=candidate.parents, below_own=candidate.below_own)
            return candidate.path
    return None


def _platform_directory(what: str, environ: Mapping[str, str], uid: int | None) -> Path | None:
    if sys.platform == "win32" or sys.platform == "darwin":
        import platformdirs  # noqa: PLC0415  see below

        return (
            platformdirs.user_state_path("footfall", False)
            if what == "state"
            else platformdirs.user_config_path("footfall", False)
        )
    # Elsewhere the XDG rules are two lines, and importing platformdirs took 20 to 27 ms here (9 on a quiet
    # machine), more than all the rest of this. tests/test_places.py compares the results.
    variable, default = {"state": ("XDG_STATE_HOME", ".local/state"), "config": ("XDG_CONFIG_HOME", ".config")}[what]
    base = _absolute(environ.get(variable, ""))
    if base is None and (home := _home(environ, uid)):
        base = home / default
    return base / "footfall" if base else None


def _home(environ: Mapping[str, str], uid: int | None) -> Path | None:
    if home := _absolute(environ.get("HOME", "")):
        return home
    if uid is None or sys.platform == "win32":
        return None
    import pwd  # noqa: PLC0415  only where HOME is missing

    try:
        return _absolute(pwd.getpwuid(uid).pw_dir)
    except KeyError:  # a container's arbitrary uid has no entry
        return None


def _absolute(text: str) -> Path | None:
    """Return *text* as a path; None when it is empty or relative, as the XDG specification has it."""
    path = Path(text)
    return path if path.is_absolute() else None


def _within_time(
    candidate: _Candidate, uid: int | None, table: str, host: str, config: Path | None, *, make: bool
) -> Places | str:
    """Return `_prepare`'s answer; from a thread of its own, and not for ever, unless the place is surely local."""
    if not candidate.path.is_absolute():
        return f"{str(candidate.path)!r} is relative to who knows where; give an absolute path"
    if not mounts.is_network(candidate.path, table):
        return _prepare(candidate, uid, table, host, config, make=make)
    answers: list[Places | str] = []
    thread = threading.Thread(
        target=lambda: answers.append(_prepare(candidate, uid, table, host, config, make=make)),
        name="footfall-probe",
        daemon=True,
    )
    try:
        thread.start()
    except RuntimeError:  # no thread to be had: at interpreter exit, or RLIMIT_NPROC
        return f"{candidate.path}: no thread to look at it with"
    thread.join(PROBE_SECONDS)
    return answers[0] if answers else f"{candidate.path}: its file system did not answer in {PROBE_SECONDS} s"


def _prepare(
    candidate: _Candidate, uid: int | None, table: str, host: str, config: Path | None, *, make: bool
) -> Places | str:
    """Return the places below *candidate*, made where missing if *make*; or, as a text, why not."""
    state = candidate.path
    try:
        if not make and not any((state / name).is_dir() for name in ("journal", "hosts")):
            return f"{state}: holds nothing of ours"
        found = private_directory(state, uid=uid, parents=candidate.parents, below_own=candidate.below_own)
        network = mounts.is_network(state, table, found.st_dev)
        base = state / "hosts" / host if network else state
        journal, outbox = base / "journal", base / "outbox"
        for directory in (*((state / "hosts", base) if network else ()), journal, outbox):
            if make or directory.is_dir():
                private_directory(directory, uid=uid)
    except UnsafeFileError as error:
        return str(error)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        return f"{state}: {getattr(error, 'strerror', None) or error}"
    # With the effective ids, as all else here: a program that runs as another user than the one who started it.
    writable = functools.partial(os.access, effective_ids=os.access in os.supports_effective_ids)
    if (make or journal.is_dir()) and not writable(journal, os.W_OK | os.X_OK):
        return f"{journal}: not writable"
    return Places(
        state=state,
        journal=journal,
        outbox=outbox,
        status=base / "status.json",
        config=config,
        network=network,
        host=host,
    )
