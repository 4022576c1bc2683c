"""`setup` and what it sets: where crumbs go, and what every one of them says of this process.

What the original keeps in a predictable, world-readable file of the shared temporary folder (defect D10) stays in this
process. Nothing that nobody set is stored here: `Config` shows what footfall found out, and a crumb carries only what
was set to something else.
"""

from __future__ import annotations

import functools
import json
import logging
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Generic, Literal, TypeVar, overload

from footfall import runtime
from footfall.destination import Destination
from footfall.errors import ConfigurationError, guard
from footfall.facade.migas.fields import CONTEXT, extra_fields
from footfall.places import config_directory, read_private, write_private
from footfall.resource import installation
from footfall.resource.collect import collect
from footfall.resource.session import random_uuid
from footfall.usage import Kind, Usage
from footfall.version import VERSION
from footfall.wire import migas_fields
from footfall.wire.destinations import Dialect, Migas
from footfall.wire.text import json_object

T = TypeVar("T")

DEFAULT_ENDPOINT: Final = "https://migas.nipreps.org/graphql"
"""The official server, as release 0.4.0 names it."""

DEFAULT_TIMEOUT_SECONDS: Final = 3.0
"""Of the release; its manual says 5."""

MAX_FILE_BYTES: Final = 64 * 1024

File = str | os.PathLike[str]

logger = logging.getLogger("migas-py")
"""Of the original's name, so that what the host's logging says of it still applies."""

logger.addHandler(logging.NullHandler())  # or `logging.lastResort` would print; the original prints itself (D12)


class _Told(Generic[T]):
    """An attribute of `Configuration` that crumbs carry: reads as set, else as found out; None takes it out of crumbs.

    Args:
        name: Of the crumb's field.
    """

    def __init__(self, name: str) -> None:
        self._name = name

    @overload
    def __get__(self, instance: None, owner: type[Configuration]) -> _Told[T]: ...
    @overload
    def __get__(self, instance: Configuration, owner: type[Configuration]) -> T | None: ...
    def __get__(self, instance: Configuration | None, owner: type[Configuration]) -> _Told[T] | T | None:
        if instance is None:
            return self
        value: T | None = instance.value(self._name)
        return value

    def __set__(self, instance: Configuration, value: T | None) -> None:
        instance.given[self._name] = value


class Configuration:
    """What `Config` is: the one configuration of this process.

    Attributes:
        endpoint: As it was given; None before `setup`.
        given: Fields that were set, by the names of the crumb's fields.
        insecure: Whether plain http to another machine was allowed.
    """

    language = _Told[str]("language")
    language_version = _Told[str]("language_version")
    user_id = _Told[str]("user_id")
    session_id = _Told[str]("session_id")
    user_type = _Told[str]("user_type")
    platform = _Told[str]("platform")
    container = _Told[str]("container")
    is_ci = _Told[bool]("is_ci")

    def __init__(self) -> None:
        self.endpoint: str | None = None
        self.given: dict[str, Any] = {}
        self.insecure = False
        self._dialect: Dialect | None = None

    @property
    def dialect(self) -> Dialect:
        """What the server is spoken to in.

        Unless told otherwise, an endpoint that ends in ``/graphql`` is one of release 0.4.0, whose servers may be older
        than the REST interface; any other is a base URL, as the development version has it, which speaks REST.
        """
        if self._dialect is not None:
            return self._dialect
        return "graphql" if (self.endpoint or "").rstrip("/").endswith("/graphql") else "rest"

    @dialect.setter
    def dialect(self, dialect: Dialect | None) -> None:
        self._dialect = dialect

    def init(
        self,
        *,
        endpoint: str | None = None,
        user_id: str | None = None,
        session_id: str | None = None,
        **fields: Any,
    ) -> None:
        """Take over what is given; ids that are no UUIDs are left aside, as in the original."""
        given = endpoint if isinstance(endpoint, str) else ""
        self.endpoint = given or self.endpoint or DEFAULT_ENDPOINT
        for name, value in (("user_id", user_id), ("session_id", session_id)):
            if value is None:
                continue
            known = migas_fields.canonical_uuid(str(value))
            if known is None:
                logger.warning("migas: %s is no UUID and is not used", name)
            else:
                self.given[name] = known
        self.given.update((name, value) for name, value in fields.items() if name in CONTEXT)

    def load(self, filename: File) -> bool:
        """Take over a file that `save` wrote; return whether there was one.

        A file that somebody else could have written is not read: it would choose the endpoint (defect D10).
        """
        try:
            data = json_object(read_private(Path(filename), max_bytes=MAX_FILE_BYTES)) or {}
        except FileNotFoundError:
            return False
        except OSError as error:
            logger.warning("migas: the configuration file is not read (%s)", type(error).__name__)
            return False
        self.init(**{name: value for name, value in data.items() if name in {"endpoint", *CONTEXT}})
        return True

    def save(self, filename: File) -> None:
        """Write what was set to *filename*, mode 0600."""
        path = Path(filename)
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_private(path, json.dumps({"endpoint": self.endpoint, **self.given}, default=str).encode())
        except OSError as error:
            logger.warning("migas: the configuration file is not written (%s)", type(error).__name__)

    def populate(self) -> dict[str, Any]:
        """Return what crumbs say of this process, as far as it is known."""
        values = {name: self.value(name) for name in CONTEXT}
        return {name: value for name, value in values.items() if value is not None}

    def value(self, name: str) -> Any:
        """Return field *name* as it was set, else as footfall found it out."""
        if name in self.given:
            return self.given[name]
        here = runtime.current()
        if name in {"user_id", "session_id"} and here.refusal():
            return None
        return migas_fields.derived(_this_process(with_user=name == "user_id"))[name]

    def fields(self) -> dict[str, Any]:
        """Return what was set, as extra fields of every use."""
        return extra_fields(self.given, CONTEXT)

    def destination(self) -> Destination | str:
        """Return where crumbs go, or the sentence that says why they cannot go there."""
        return _destination(self.endpoint or DEFAULT_ENDPOINT, self.dialect, self.insecure)

    def forget(self) -> None:
        """Be as before `setup`."""
        self.__init__()  # type: ignore[misc]  # of this class itself: nobody derives from it


Config: Final = Configuration()
"""The configuration of this process. Attributes may be set; unlike the original's it is no class."""


def setup(
    *,
    endpoint: str | None = None,
    user_id: str | None = None,
    session_id: str | None = None,
    filename: File | None = None,
    save_config: bool = True,
    dialect: Dialect | None = None,
    insecure: bool = False,
) -> None:
    """Say where crumbs go. Required before any other call.

    Nothing is opened, made or sent. An endpoint that cannot be used is logged, and told by every later call.

    Args:
        endpoint: Base URL of the server, with or without a final ``/graphql``; default: what an earlier call said, else
            the official server.
        user_id: A UUID that stands for the user; default: footfall's random installation id.
        session_id: A UUID of this run; default: footfall's, so that dashboards can count the run at all (migas.md
            section 4).
        filename: A file to share the configuration through. What is given here wins over what is in it.
        save_config: Write *filename*, where one is given.
        dialect: ``graphql`` or ``rest``; default: by the endpoint, see `Configuration.dialect`.
        insecure: Allow plain http to another machine.

    Raises:
        ConfigurationError: *dialect* is not offered.
    """
    if dialect not in (None, "graphql", "rest"):
        msg = f"migas: dialect {dialect!r} is not offered; say 'graphql' or 'rest'"
        raise ConfigurationError(msg)
    _set_log_level(runtime.current().environ)
    allowed = not runtime.current().refusal()
    if filename is not None and allowed:
        Config.load(filename)
    Config.init(endpoint=endpoint, user_id=user_id, session_id=session_id)
    if dialect is not None or endpoint is not None:
        Config.dialect = dialect
    if insecure or endpoint is not None:
        Config.insecure = insecure
    Config.destination()
    if filename is not None and save_config and allowed:
        Config.save(filename)


def print_config() -> None:
    """Print the configuration, a line for each attribute: what every crumb says, and to whom."""
    shown = {"endpoint": Config.endpoint, "dialect": Config.dialect, **{name: Config.value(name) for name in CONTEXT}}
    sys.stdout.write("".join(f"{name}: {value}\n" for name, value in shown.items()))


def clear_user_id() -> None:
    """Forget who the user is: the next crumb comes from somebody new.

    Resets footfall's installation id, for all projects of this user. The original's own file is neither read nor
    removed: what it holds can be guessed back to ``user@host`` (defect D11).
    """
    Config.given.pop("user_id", None)
    here = runtime.current()
    directory = config_directory(here.environ)
    if directory is None:
        return
    with guard("clear user id"):
        installation.reset(directory)
        if here.journal.fd >= 0 and not here.refusal():
            Config.given["user_id"] = gen_uuid()  # the journal of this process began with the old one


def gen_uuid(uuid_factory: Literal["safe", "random"] = "safe", container: str | None = None) -> str | None:
    """Return the id that stands for the user.

    Never made of a user or host name, as the original's is (defect D11).

    Args:
        uuid_factory: ``safe``: footfall's installation id, the same in all processes of the user, and None under
            opt-out; ``random``: a new one each time.
        container: Not used: in a container the id is random like any other.

    Raises:
        NotImplementedError: There is no such factory.
    """
    del container
    if uuid_factory == "random":
        return random_uuid()
    if uuid_factory != "safe":
        raise NotImplementedError(uuid_factory)
    here = runtime.current()
    directory = None if here.refusal() else config_directory(here.environ)
    return (installation.installation_id(directory) or None) if directory is not None else None


def timeout_seconds() -> float:
    """Return how long a question may take, by ``MIGAS_TIMEOUT``; 0 means that none is asked."""
    return _seconds(runtime.current().environ.get("MIGAS_TIMEOUT", ""))


@functools.lru_cache(maxsize=8)
def _seconds(text: str) -> float:
    try:
        seconds = float(text or DEFAULT_TIMEOUT_SECONDS)
    except ValueError:
        seconds = -1.0
    if 0 <= seconds < float("inf"):
        return seconds
    logger.warning("migas: MIGAS_TIMEOUT=%r is no number of seconds; using %s", text, DEFAULT_TIMEOUT_SECONDS)
    return DEFAULT_TIMEOUT_SECONDS


@functools.lru_cache(maxsize=8)
def _destination(endpoint: str, dialect: Dialect, insecure: bool) -> Destination | str:
    try:
        return Migas(endpoint.rstrip("/").removesuffix("/graphql"), dialect=dialect, insecure=insecure)
    except ConfigurationError as error:
        logger.warning("%s; nothing is sent", error)
        return str(error)


def _set_log_level(environ: Mapping[str, str]) -> None:
    text = environ.get("MIGAS_LOG_LEVEL", "").strip()
    if not text:
        return
    try:
        logger.setLevel(int(text) if text.isdigit() else text.upper())
    except ValueError:
        logger.warning("migas: MIGAS_LOG_LEVEL=%r is no logging level and is not used", text)


def _this_process(*, with_user: bool) -> Usage:
    """Return a use of nothing in this process, for what the wire derives from it."""
    here = runtime.current()
    return Usage(
        project="",
        name="",
        kind=Kind.EVENT,
        trace_id="",
        span_id="",
        time_ns=0,
        resource=collect(here.environ, version=VERSION),
        session_id=here.session.id,
        installation_id=(gen_uuid() or "") if with_user else "",
    )
