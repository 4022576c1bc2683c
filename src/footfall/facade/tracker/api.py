"""`TrackerApi`, and the job and event objects that it returns."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, Final, NoReturn

from footfall import jobs
from footfall.courier.credentials import Secret
from footfall.errors import ConfigurationError, guard, trouble
from footfall.facade.tracker import telling
from footfall.facade.tracker.accounts import KEY_HEADER, NO_KEY, Account, Answer, accounts, is_sendable
from footfall.facade.tracker.schemas import JobConfig
from footfall.wire import tracker, tracker_fields

__all__ = ["ApiUrls", "TrackerApi", "TrackerEventApi", "TrackerJobApi"]

TIMEOUT_SECONDS: Final = 5.0
"""Longest wait of a call that the server answers; the original waits for ever (tracker.md D1)."""


class ApiUrls:
    """Where the server's resources are.

    Args:
        base_url: A final slash does no harm (tracker.md D9).
    """

    def __init__(self, base_url: str = "") -> None:
        self.base_url = base_url

    def set_base_url(self, base_url: str = "") -> None:
        """Talk to another server from now on."""
        self.base_url = base_url

    def url(self, path: str) -> str:
        """Return the URL of *path*, which begins with a slash."""
        return tracker.TrackerWire().base_url(self.base_url) + path

    @property
    def events_url(self) -> str:
        """Of events."""
        return self.url(tracker.EVENTS)

    @property
    def jobs_url(self) -> str:
        """Of jobs."""
        return self.url(tracker.JOBS)

    @property
    def jobs_config_url(self) -> str:
        """Of job configurations."""
        return self.url(tracker.CONFIGURATIONS)

    @property
    def api_key_verify_url(self) -> str:
        """Which tells whether a key is good."""
        return self.url(tracker.PROBE)


class TrackerApi:
    """One provider at one server.

    Args:
        api_key: Of the provider. Blanks and line ends around it do no harm.
        base_url: Of the server; default: `DEFAULT_BASE_URL`.
        skip_verify: Do not ask whether the key is good.
        project: ``owner/name`` by which users switch this off, see it and count it; default: called after the server.
            Not in the original, as the rest of these.
        insecure: Allow plain http to another machine.
        timeout_seconds: Longest wait of each call that the server answers.

    Raises:
        requests.exceptions.HTTPError: The server does not know the key, or its time is over.
        ConfigurationError: The key is missing or cannot be sent, *project* cannot be that of a project, or
            *timeout_seconds* is no such number.

    Attributes:
        base_url: As it was given.
        urls: Where the server's resources are.
    """

    DEFAULT_BASE_URL: Final = "http://localhost:8000"
    HTTP_API_KEY_HEADER_KEY: Final = KEY_HEADER

    def __init__(
        self,
        api_key: str | None,
        base_url: str | None = None,
        skip_verify: bool = False,
        *,
        project: str = "",
        insecure: bool = False,
        timeout_seconds: float = TIMEOUT_SECONDS,
    ) -> None:
        if not 0 <= timeout_seconds < float("inf"):
            msg = f"tracker: timeout_seconds {timeout_seconds!r} must be a number of seconds from 0 on, such as 5"
            raise ConfigurationError(msg)
        self._key = Secret(api_key) if isinstance(api_key, str) else None
        del api_key  # from what tracebacks with local variables would show
        self.base_url = base_url or TrackerApi.DEFAULT_BASE_URL
        self.urls = ApiUrls(self.base_url)
        self._project = project
        self._insecure = insecure
        self._timeout_seconds = timeout_seconds
        self._account = self._find_account()
        if not skip_verify:
            self.verify_api_key()

    @property
    def api_key(self) -> str | None:
        """As it was given."""
        return self._key.reveal() if self._key is not None else None

    @api_key.setter
    def api_key(self, key: str | None) -> None:
        self._key = Secret(key) if isinstance(key, str) else None
        self._account = self._find_account()

    def verify_api_key(self) -> None:
        """Ask the server whether the key is good, within the time-out.

        Nothing is raised where it does not say: jobs go on, and what they tell is kept.

        Raises:
            requests.exceptions.HTTPError: It does not know the key, or its time is over.
            ConfigurationError: The key cannot be sent.
        """
        refused: Answer | None = None
        is_asked = False
        with guard("verify_api_key"):
            known = self.account.instrumented()
            is_asked = known is not None and known.decision.sends
            if is_asked and is_sendable(self._key):
                refused = telling.refusal(self.account, ends_at=self._ends_at())
        if is_asked and not is_sendable(self._key):
            raise ConfigurationError(NO_KEY)
        if refused is not None:
            raise_refused(refused, self.urls.api_key_verify_url)

    def register_job_config(self, config: JobConfig | jobs.JobConfig) -> None:
        """Tell the server which steps a job has; safe at every start.

        Never raises. Where the server does not answer, it is told later; where it refuses, the log says why.

        Args:
            config: What it has.
        """
        with guard("register_job_config"):
            model: Any = getattr(config, "model", config)
            if not isinstance(model, jobs.JobConfig):  # nobody checked what the program handed over
                trouble.note("tracker no configuration", "footfall: what was to be registered is no JobConfig")
                return
            telling.register(self.account, model, ends_at=self._ends_at())

    def create_job(self, provider_job_id: str, customer_id: int, tag: str) -> TrackerJobApi:
        """Tell the server that a job begins, and return what its events are sent by.

        Never raises. Where the server does not answer in time, it is told later, before the job's events. Where it
        refuses the job, the log says why, and the events are not sent.

        Args:
            provider_job_id: Unique for ever; a job that goes on after a restart says the same one.
            customer_id: Whose job it is: an existing user of the server.
            tag: Of the job's configuration; the name that it is shown by does as well, where this process has loaded
                the configuration.
        """
        job_id: Any = provider_job_id
        with guard("create_job"):
            job_id = tracker_fields.job_id(provider_job_id) or provider_job_id
            telling.open_job(self.account, job_id, customer_id, tag, ends_at=self._ends_at())
        return TrackerJobApi(api=self, provider_job_id=job_id)

    def send_event(
        self,
        kind: str,
        tag: str | None = None,
        provider_job_id: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        *,
        name: str | None = None,
    ) -> TrackerEventApi:
        """Tell the server, later, that something happened in a job. Never raises, never waits.

        Args:
            kind: ``step``, ``error``, ``info`` or ``complete``.
            tag: Of the step; None for none.
            provider_job_id: Of the job.
            metadata: Scalars by name. Scrubbed before anything is written.
            name: *tag*, as the original's manual calls it.
        """
        with guard("send_event"):
            telling.send_event(self.account, kind, name if tag is None else tag, provider_job_id, metadata)
        return TrackerEventApi(api=self)

    @property
    def account(self) -> Account:
        """What is told under this key at this server."""
        if self.urls.base_url != self._account_at:
            self._account = self._find_account()
        return self._account

    def _find_account(self) -> Account:
        self._account_at = self.urls.base_url
        return accounts.of(self._project, self._account_at, self._key, insecure=self._insecure)

    def _ends_at(self) -> float:
        return time.monotonic() + self._timeout_seconds


class TrackerJobApi:
    """A job.

    Args:
        api: By which it is told.
        provider_job_id: Of a job that was opened here or elsewhere.
    """

    def __init__(self, api: TrackerApi, provider_job_id: str) -> None:
        self.provider_job_id = provider_job_id
        self.api = api

    def send_event(
        self,
        kind: str,
        tag: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        *,
        name: str | None = None,
    ) -> TrackerEventApi:
        """Tell the server, later, that something happened. Never raises, never waits.

        Args:
            kind: ``step``, ``error``, ``info`` or ``complete``.
            tag: Of the step; None for none.
            metadata: Scalars by name. Scrubbed before anything is written.
            name: *tag*, as the original's manual calls it.
        """
        return self.api.send_event(kind, tag, self.provider_job_id, metadata, name=name)


class TrackerEventApi:
    """An event.

    Args:
        api: By which it was told.
        event_id: The server's number of it. None: nobody waits for the server to say it.
    """

    def __init__(self, api: TrackerApi, event_id: int | None = None) -> None:
        self.event_id = event_id
        self.api = api


def raise_refused(answer: Answer, url: str) -> NoReturn:
    """Raise the error that the original raises at this *answer* of *url*."""
    import io  # noqa: PLC0415  only to say that the key is wrong
    from http import HTTPStatus  # noqa: PLC0415

    import requests  # noqa: PLC0415

    response = requests.Response()
    response.status_code = answer.response.status
    response.reason = HTTPStatus(answer.response.status).phrase
    response.url = url
    response.headers.update(answer.response.headers)
    response.raw = io.BytesIO(answer.response.body)
    response.raise_for_status()
    raise AssertionError(response.status_code)  # only refusals come here
