"""The gateway's own configuration: what it listens to, whom it believes, and where each project's uses go.

Nothing that comes in over the network chooses a host, a port, a path or a credential: all of that stands here
(reliability.md S11). The file must belong to the user that runs the gateway, or to root, and nobody else may write it
(S2). Secrets are references, ``env:NAME`` or ``file:/path``, as everywhere (S3).
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Mapping
from fnmatch import translate
from functools import lru_cache
from pathlib import Path
from re import Pattern
from re import compile as compile_pattern
from typing import Final, Literal, get_args

import msgspec

from footfall.destination import Destination
from footfall.gateway.from_otlp import Foreign, Rule
from footfall.registry.model import is_project

Export = Literal["auto", "otlp", "none"]

EXPORTS: Final = get_args(Export)


class Listen(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where requests come in.

    Attributes:
        host: Name or address.
        port: 0 takes any that is free.
        certificate: PEM file with the certificate and those between it and its root; "" listens without TLS.
        key: PEM file with its key.
        insecure: Listen to other machines although there is no TLS, or no token.
    """

    host: str = "127.0.0.1"
    port: int = 4318
    certificate: str = ""
    key: str = ""
    insecure: bool = False


class Token(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Somebody who may send.

    Attributes:
        token: ``env:NAME`` or ``file:/path``; what stands there comes in as ``Authorization: Bearer ...``.
        projects: Names or ``owner/*`` that it may speak for; empty: all.
    """

    token: str
    projects: tuple[str, ...] = ()


class Accept(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Records that footfall did not make, and what is made of them.

    Attributes:
        scope: Pattern of the instrumentation scope's name; ``*`` and ``?`` stand for others.
        name: Pattern of the span's or event's name.
        project: ``owner/name``.
        service: As a registry's group, or "".
        as_name: Name of the use; "" keeps the record's.
        attributes: Attributes that become extra fields; none else is taken.
    """

    scope: str = "*"
    name: str = "*"
    project: str
    service: str = ""
    as_name: str = ""
    attributes: tuple[str, ...] = ()


class Limits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How much is taken (reliability.md G1, G2). Sizes in bytes, times in seconds.

    Attributes:
        body_bytes: A body as it comes.
        unpacked_bytes: The same, unpacked.
        ratio: Between the two, where what is unpacked is more than 1 MiB.
        body_seconds: In which a body must have come.
        head_seconds: In which the head of a request must have come.
        requests: At work at once; further ones are answered 429.
        connections: At once; further ones are answered 503.
        outbox_bytes: Of all that is kept; beyond it nothing more is taken.
        backlog_bytes: Of what is kept for one destination; 0 for a quarter of `outbox_bytes`.
        age_seconds: At which what could not be delivered is dropped, and counted.
        retry_after_seconds: Said to who is to come back.
        stop_seconds: In which the gateway has stopped after a signal.
    """

    body_bytes: int = 4 * 2**20
    unpacked_bytes: int = 16 * 2**20
    ratio: int = 100
    body_seconds: float = 10.0
    head_seconds: float = 10.0
    requests: int = 32
    connections: int = 4096
    outbox_bytes: int = 2**30
    backlog_bytes: int = 0
    age_seconds: float = 14 * 86400.0
    retry_after_seconds: int = 5
    stop_seconds: float = 10.0

    @property
    def share_bytes(self) -> int:
        """What one destination may have waiting."""
        return self.backlog_bytes or self.outbox_bytes // 4


class Configuration(msgspec.Struct, frozen=True, kw_only=True):
    """One gateway.

    Attributes:
        listen: Where requests come in.
        state: Directory of the outbox, this gateway's alone; "" for the platform's.
        tokens: Who may send; empty: anybody who reaches it.
        projects: Name or ``owner/*`` to destinations.
        accept: For records that footfall did not make; the first that fits holds.
        limits: How much is taken.
        metrics: Whether its figures go out as OTLP too: ``auto`` where an ``OTEL_EXPORTER_OTLP_*`` endpoint is set.
    """

    listen: Listen = Listen()
    state: str = ""
    tokens: tuple[Token, ...] = ()
    projects: Mapping[str, tuple[Destination, ...]] = {}
    accept: tuple[Accept, ...] = ()
    limits: Limits = Limits()
    metrics: Export = "auto"

    def send_to(self, project: str) -> tuple[Destination, ...] | None:
        """Return where uses of *project* go: its own entry, else its owner's; None where neither is there."""
        found = self.projects.get(project)
        if found is None and is_project(project):
            return self.projects.get(project.partition("/")[0] + "/*")
        return found

    def destinations(self) -> list[Destination]:
        """Return every destination once, in the order of the file."""
        return list({each.key: each for several in self.projects.values() for each in several}.values())


def allows(patterns: Collection[str], project: str) -> bool:
    """Whether *patterns*, names or ``owner/*``, hold *project*; no patterns hold all."""
    return not patterns or project in patterns or project.partition("/")[0] + "/*" in patterns


def rule_of(accept: Iterable[Accept]) -> Rule:
    """Return what finds the first of *accept* that fits scope and name of a record."""
    rules: list[tuple[Pattern[str], Pattern[str], Foreign]] = [
        (
            compile_pattern(translate(each.scope)),
            compile_pattern(translate(each.name)),
            Foreign(project=each.project, service=each.service, name=each.as_name, attributes=each.attributes),
        )
        for each in accept
    ]
    if not rules:
        return lambda _scope, _name: None

    # Names of spans are few by convention, but whoever sends decides: hence the bounds.
    @lru_cache(maxsize=4096)
    def find(scope: str, name: str) -> Foreign | None:
        return next((made for scopes, of, made in rules if scopes.match(scope) and of.match(name)), None)

    return lambda scope, name: find(scope[:256], name[:256])


def state_directory(configuration: Configuration) -> Path:
    """Return the absolute path of the state directory, which may not exist."""
    if configuration.state:
        return Path(os.path.abspath(configuration.state))  # noqa: PTH100  `Path.absolute` keeps ".."
    import platformdirs  # noqa: PLC0415  only where the file names none

    return platformdirs.user_state_path("footfall", appauthor=False) / "gateway"
