"""One table of options, and the only reader of the environment.

`OPTIONS` is the table: one row a setting, with its name in the environment, its field in `Settings`, what it means. The
table in ``docs/configuration.md`` is made from it. A value that cannot be read raises in `read`, which only configuring
code calls; a running process uses the default instead and counts the trouble (`read_or_default`).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any, Final, Literal

import msgspec

from footfall.errors import ConfigurationError, trouble

Mode = Literal["off", "local", "log", "on"]
"""off: nothing at all; local: journal only; log: print each payload, send nothing; on: send."""

Durability = Literal["process", "power"]
"""What an accepted record survives: the death of the process, or also loss of power (one fsync a record)."""


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Settings of one process. Durations in seconds, sizes in bytes."""

    mode: Mode | None = None
    config: str = ""
    directory: str = ""
    rate_per_second: float = 20.0
    durability: Durability = "process"
    journal_max_bytes: int = 2**20
    journal_max_seconds: float = 60.0
    journals_max_bytes: int = 64 * 2**20
    outbox_max_bytes: int = 64 * 2**20
    outbox_files_max_bytes: int = 2**30
    outbox_max_age_seconds: float = 14 * 86400.0
    delivery_interval_seconds: float = 1.0
    connect_timeout_seconds: float = 2.0
    exchange_timeout_seconds: float = 10.0
    exit_budget_seconds: float | None = None
    session_id: str = ""
    previous_session_id: str = ""


class Option(msgspec.Struct, frozen=True):
    """A setting's row: variable, field of `Settings`, reader, and what it means."""

    variable: str
    field: str
    read: Callable[[str], Any]
    meaning: str


def _choice(*words: str, also: Mapping[str, str] | None = None) -> Callable[[str], str]:
    synonyms = dict(also or {})

    def read(text: str) -> str:
        word = text.strip().lower()
        word = synonyms.get(word, word)
        if word not in words:
            msg = f"must be one of {', '.join(words)}"
            raise ValueError(msg)
        return word

    return read


def _positive(kind: Callable[[str], float], *, zero: bool = False) -> Callable[[str], float]:
    def read(text: str) -> float:
        try:
            number = kind(text)
        except ValueError:
            msg = "must be a number"
            raise ValueError(msg) from None
        if not 0 <= number < float("inf") or (number == 0 and not zero):
            msg = "must be a finite number above zero" if not zero else "must be a finite number, zero or more"
            raise ValueError(msg)
        return number

    return read


_YES_OR_NO: Final = {"0": "off", "false": "off", "no": "off", "1": "on", "true": "on", "yes": "on"}

OPTIONS: Final = (
    Option(
        "FOOTFALL",
        "mode",
        _choice("off", "local", "log", "on", also=_YES_OR_NO),
        "`off` (nothing at all), `local` (journal only), `log` (print each payload to stderr, send nothing), `on`.",
    ),
    Option(
        "FOOTFALL_CONFIG",
        "config",
        str,
        "A `footfall.yaml` to instrument, owned by you or root and not writable by others.",
    ),
    Option(
        "FOOTFALL_DIR",
        "directory",
        str,
        "Where journals and outbox live, instead of the platform's state directory.",
    ),
    Option(
        "FOOTFALL_RATE",
        "rate_per_second",
        _positive(float, zero=True),
        "Uses of one entry reported each second; more are only counted. 0: no limit.",
    ),
    Option(
        "FOOTFALL_DURABILITY",
        "durability",
        _choice("process", "power"),
        "`process`: records survive SIGKILL; `power`: each is synced to disk as well.",
    ),
    Option(
        "FOOTFALL_JOURNAL_MAX_BYTES",
        "journal_max_bytes",
        _positive(int),
        "Size at which a process seals its journal file and opens the next.",
    ),
    Option(
        "FOOTFALL_JOURNALS_MAX_BYTES",
        "journals_max_bytes",
        _positive(int),
        "Size of all journals beyond which uses are only counted.",
    ),
    Option(
        "FOOTFALL_OUTBOX_MAX_BYTES",
        "outbox_max_bytes",
        _positive(int),
        "Size beyond which the oldest unleased requests are dropped and counted `over_size`.",
    ),
    Option(
        "FOOTFALL_OUTBOX_FILES_MAX_BYTES",
        "outbox_files_max_bytes",
        _positive(int),
        "The same for files that were gathered for delivery, which count apart.",
    ),
    Option(
        "FOOTFALL_OUTBOX_MAX_AGE_SECONDS",
        "outbox_max_age_seconds",
        _positive(float),
        "Age at which a request is dropped and counted `expired`.",
    ),
    Option(
        "FOOTFALL_DELIVERY_INTERVAL_SECONDS",
        "delivery_interval_seconds",
        _positive(float),
        "Pause between two looks of the courier at the journals.",
    ),
    Option(
        "FOOTFALL_CONNECT_TIMEOUT_SECONDS",
        "connect_timeout_seconds",
        _positive(float),
        "Longest wait for a connection.",
    ),
    Option(
        "FOOTFALL_EXCHANGE_TIMEOUT_SECONDS",
        "exchange_timeout_seconds",
        _positive(float),
        "Longest whole exchange of request and answer.",
    ),
    Option(
        "FOOTFALL_EXIT_BUDGET_SECONDS",
        "exit_budget_seconds",
        _positive(float, zero=True),
        "Longest delivery at exit while a destination answers. Default 0.5; 5 in CI and containers.",
    ),
    Option(
        "FOOTFALL_SESSION_ID",
        "session_id",
        str,
        "Session of this process, a UUID; default: a random one.",
    ),
    Option(
        "FOOTFALL_PREVIOUS_SESSION_ID",
        "previous_session_id",
        str,
        "Session this process was started from.",
    ),
)


def read(environ: Mapping[str, str] | None = None) -> Settings:
    """Return the settings of *environ* (default: this process's environment). Empty variables count as unset.

    Raises:
        ConfigurationError: A value cannot be read; the message names variable, value, and what would be right.
    """
    environ = os.environ if environ is None else environ
    fields: dict[str, Any] = {}
    for option in OPTIONS:
        text = environ.get(option.variable, "")
        if not text.strip():
            continue
        try:
            fields[option.field] = option.read(text)
        except ValueError as error:
            msg = f"{option.variable}={text!r}: {error}"
            raise ConfigurationError(msg) from None
    return Settings(**fields)


def read_or_default(environ: Mapping[str, str] | None = None) -> Settings:
    """Return the settings of *environ*, with the default in place of each value that cannot be read.

    For code that runs in the host program, where nothing may raise. `FOOTFALL` is different: a word that nobody
    understands was surely not meant as "send", so it turns footfall off.
    """
    environ = dict(os.environ if environ is None else environ)
    for _ in OPTIONS:
        try:
            return read(environ)
        except ConfigurationError as error:  # noqa: PERF203  once for each wrong variable, at configuration time
            trouble.note("settings", "%s; using the default", error)
            variable = str(error).partition("=")[0]
            if variable == "FOOTFALL":
                environ[variable] = "off"
            else:
                del environ[variable]
    return Settings(mode="off")
