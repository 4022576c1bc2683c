"""An account: one provider at one server, as a project of footfall with a destination of its own.

The project is called after the server, so that a user can switch it off, see it and count it. What is to be told of
jobs has the account's own service, and goes to its destination and to those that take all services, such as an
OpenTelemetry Collector. What the server was told directly has another service, which the account's destination does not
take. The key is held in memory alone (`footfall.courier.credentials.hold`).
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec

from footfall import runtime
from footfall.courier import credentials
from footfall.courier.backoff import retry_after_seconds
from footfall.courier.credentials import Headers, Secret
from footfall.destination import Destination, check, takers
from footfall.errors import ConfigurationError, TransportError, guard, trouble
from footfall.facade import asking
from footfall.facade.tracker.under_way import Jobs
from footfall.jobs import JobConfig
from footfall.registry.model import Registry, check_project
from footfall.runtime import Instrumented
from footfall.usage import Kind, Usage
from footfall.wire import tracker_answers
from footfall.wire.base import Action, Request, Response, Verdict
from footfall.wire.tracker import PROBE, TrackerWire

OWNER: Final = "tracker"
"""Of the project of a server for which the program names none."""

KEY_HEADER: Final = "x-api_key"  # one hyphen and one underscore

NO_KEY: Final = "tracker: the api_key is missing or cannot be sent in a header; give the key of the provider"

REFUSED: Final = frozenset({401, 403})
"""How a backend answers to a key that it does not know."""

PAUSE_SECONDS: Final = 60.0
"""After a question without a usable answer, so long none is asked: what would be asked is kept and sent later."""

WIRE: Final = TrackerWire()
"""Every record of this facade says what it is, so the wire needs no options."""


class Answer(msgspec.Struct, frozen=True):
    """What came back.

    Attributes:
        verdict: What it means.
        response: The answer itself, for errors that quote it.
    """

    verdict: Verdict
    response: Response

    @property
    def is_yes(self) -> bool:
        """Whether it was done."""
        return self.verdict.action is Action.DELIVERED

    @property
    def is_no(self) -> bool:
        """Whether it never will be."""
        return self.verdict.action is Action.DROP


class Account:
    """One provider at one server.

    Args:
        project: ``owner/name``.
        endpoint: Base URL.
        secret: The key; None where there is none that could be sent.
        insecure: Allow plain http to another machine.
        number: Of the keys that the program has for this server and project, from 1 on.
        service: Of what is to be told; no other account of the project has it.

    Attributes:
        project: ``owner/name``.
        server: What stands for server and provider where something is remembered of them; never the key.
        destination: None where the server cannot be used.
        problem: Why it cannot, or "".
        jobs: What is known of the jobs that were opened here.
        settled: By tag, the configuration that the server took or refused last.
    """

    def __init__(
        self, project: str, endpoint: str, secret: Secret | None, *, insecure: bool, number: int, service: str
    ) -> None:
        self.project = project
        self.server = f"tracker {endpoint} {project}" + (f" #{number}" if number > 1 else "")
        self.service = service
        self.answered = f"{service}.answered"
        self.jobs = Jobs()
        self.settled: dict[str, JobConfig] = {}
        self.destination: Destination | None = None
        self.problem = ""
        self._headers: Mapping[str, str] = Headers({})
        self._ask_at = 0.0
        try:
            self.destination = self._destination(endpoint, secret, insecure=insecure)
        except ConfigurationError as error:
            self.problem = str(error)

    def _destination(self, endpoint: str, secret: Secret | None, *, insecure: bool) -> Destination:
        if secret is None:
            raise ConfigurationError(NO_KEY)
        plain = check(Destination(wire="tracker", endpoint=endpoint, insecure=insecure, services=(self.service,)))
        self._headers = credentials.headers(Secret(_line(secret)))
        return msgspec.structs.replace(plain, credentials=credentials.hold(_line(secret), self.server))

    def instrumented(self) -> Instrumented | None:
        """Return the project, made known now where need be; None where nothing may be said or done.

        Asks for consent each time: who opts out while the program runs is heard at once.
        """
        here = runtime.current()
        if here.refusal(self.project):
            return None
        if self.problem:
            trouble.note("tracker server", "footfall: no job is reported: %s", self.problem)
        known = here.projects.get(self.project)
        ours = self.destination
        if known is None or (ours is not None and ours not in known.state.send_to):
            with here.lock:
                known = here.projects.get(self.project)
                others = known.state.send_to if known is not None else ()
                # A project that has the same server by itself would tell it of everything twice.
                kept = tuple(each for each in others if each.services or not _is_same_server(each, ours))
                send_to = kept if ours is None or ours in kept else (*kept, ours)
                here.instrument(Registry(project=self.project, send_to=send_to))
                known = here.projects.get(self.project)
        return known

    def record(self, name: str, fields: Mapping[str, Any], *, is_told: bool = False, is_refused: bool = False) -> None:
        """Write to the journal that *name* happened. Never raises, never waits.

        Args:
            name: Of the event, for other destinations.
            fields: ``tracker.<word>`` for the server, others for the other destinations.
            is_told: Whether the server knows.
            is_refused: Whether the server does not want to know. Counted as lost where nobody else is told.
        """
        known = self.instrumented()
        if known is None:
            return
        here, service = runtime.current(), self.answered if is_told or is_refused else self.service
        subject = here.subject(known, name, start=False, service=service)
        if is_told and known.state.send_to and not takers(known.state.send_to, service):
            with guard("host event"):
                extra = {**known.state.extra, **fields}
                ids = f"{here.recorder.bits(192):048x}"
                said = subject.event_attributes(ids[:32], ids[32:])
                known.state.host.emit(name, said, extra, time_ns=time.time_ns())
            return  # nobody else is to be told, and the books have no account for it
        here.recorder.event(subject, fields)

    def is_settled(self, job: JobConfig) -> bool:
        """Whether the server need not be told of *job*: it took it, or never will."""
        return self.settled.get(job.tag) == job

    def may_ask(self, known: Instrumented) -> bool:
        """Whether the server may be asked now, and is likely to answer."""
        return known.decision.sends and self.destination is not None and time.monotonic() >= self._ask_at

    def ask_about(self, fields: Mapping[str, Any], *, ends_at: float) -> Answer | None:
        """Say at once what *fields* say when they are recorded; the answer is that of `ask`."""
        use = Usage(
            project=self.project, name="", kind=Kind.EVENT, trace_id="", span_id="", time_ns=0, extra=dict(fields)
        )
        request = next(iter(WIRE.translate([use])), None)
        return self.ask(request, ends_at=ends_at) if request is not None else None

    def ask(self, request: Request, *, ends_at: float) -> Answer | None:
        """Return the server's answer to *request*; None where there is none that can be used, or no time left.

        Args:
            request: What is asked.
            ends_at: Monotonic seconds.
        """
        seconds = ends_at - time.monotonic()
        if seconds <= 0 or self.destination is None:
            return None
        here = runtime.current()
        here.disclosure.announce()  # nothing is sent before it
        try:
            base_url = WIRE.base_url(self.destination.endpoint)
            response = asking.ask(here, request, base_url=base_url, timeout_seconds=seconds, headers=self._headers)
        except TransportError as error:
            self._ask_at = time.monotonic() + PAUSE_SECONDS
            trouble.note("tracker unreachable", "footfall: tracker: %s; it is asked again later", error)
            return None
        judge = tracker_answers.judge_probe if request.path == PROBE else WIRE.judge
        answer = Answer(judge(response), response)
        if not (answer.is_yes or answer.is_no):
            # Status only: what else a server says may hold anybody's address (D5).
            is_refused = response.status in REFUSED
            what = "refused the api_key; what is to be told is kept" if is_refused else "is asked again later"
            trouble.note("tracker answer", "footfall: tracker answered %d and %s", response.status, what)
            wish = retry_after_seconds(response.headers.get("retry-after", ""), now_ns=time.time_ns())
            if wish or response.status != 500:  # 500 is the backend's word for what it does not like, too
                self._ask_at = time.monotonic() + max(wish or 0.0, PAUSE_SECONDS)
        return answer


class Accounts:
    """The accounts of this process."""

    def __init__(self) -> None:
        self._by_server: dict[tuple[str, str, bool], list[tuple[Secret, Account]]] = {}

    def of(self, project: str, endpoint: str, key: Secret | None, *, insecure: bool) -> Account:
        """Return the account for *key* at *endpoint*, the same each time.

        Args:
            project: ``owner/name``; "" calls it after the server.
            endpoint: Base URL.
            key: As the program gave it.
            insecure: Allow plain http to another machine.

        Raises:
            ConfigurationError: *project* cannot be that of a project.
        """
        project = check_project(project) if project else _project_of(endpoint)
        given = key or Secret("")
        with runtime.current().lock:
            several = self._by_server.setdefault((project, endpoint, insecure), [])
            for known, account in several:
                if known.reveal() == given.reveal():
                    return account
            others = sum(len(each) for (other, _, _), each in self._by_server.items() if other == project)
            account = Account(
                project,
                endpoint,
                key if is_sendable(key) else None,
                insecure=insecure,
                number=len(several) + 1,
                service=OWNER + (f".{others + 1}" if others else ""),
            )
            several.append((given, account))
            return account

    def forget(self) -> None:
        """Know none; for tests."""
        self._by_server.clear()


accounts: Final = Accounts()
"""The one instance of this process."""


def is_sendable(key: Secret | None) -> bool:
    """Whether *key* can stand in a header; blanks and line ends around it do no harm (D8)."""
    if key is None or "\n" in key.reveal().strip():
        return False
    try:
        credentials.headers(Secret(_line(key)))
    except ConfigurationError:
        return False
    return True


def _line(key: Secret) -> str:
    return f"{KEY_HEADER}: {key.reveal().strip()}"


def _project_of(endpoint: str) -> str:
    try:
        host = urlsplit(endpoint).hostname or ""
    except ValueError:
        host = ""
    return f"{OWNER}/{re.sub(r'[^A-Za-z0-9.-]+', '-', host).strip('.-')[:64] or 'server'}"


def _is_same_server(other: Destination, ours: Destination | None) -> bool:
    return ours is not None and (other.wire, other.endpoint) == (ours.wire, ours.endpoint)
