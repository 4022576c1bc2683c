"""How one reader sends: its server, its token, its waits; and what it learns from each answer.

The queue does not know where it goes. A reader says that at each sending, by its configuration as it is at that moment,
so a message that was refused under an old token goes out under the new one. The token lives in this process alone.
"""

from __future__ import annotations

import contextlib
import math
import threading
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeVar
from urllib.parse import urlsplit

import msgspec

from footfall.courier import credentials
from footfall.courier.courier import Courier
from footfall.courier.lane import MAX_SENDERS
from footfall.courier.transport import HttpTransport
from footfall.destination import is_loopback
from footfall.errors import ConfigurationError, TransportError, trouble
from footfall.facade.ramen.errors import data_error
from footfall.version import VERSION
from footfall.wire.base import Action, Response, Verdict
from footfall.wire.ramen import RamenWire
from footfall.wire.text import json_object

if TYPE_CHECKING:
    from footfall.courier.report import Delivered
    from footfall.facade.ramen.config import QueueReaderConfig
    from footfall.facade.ramen.engine import QueueDelivery
    from footfall.wire.base import Request

T = TypeVar("T")

TOKEN_HEADER: Final = "X-API-Token"  # noqa: S105  a name
MAX_WORDS: Final = 200

NOW_SECONDS: Final = 0.005
"""What is due within so long is due: the next in a row of messages has only just come up."""


class Outcome(msgspec.Struct):
    """What came of a round.

    Attributes:
        accepted: Messages that the server took.
        dropped: Messages that it, or one of its rules, did not want.
        failed: Tries after which the message stays.
        refusal: The server's words about the token, where it refused that.
        wake_seconds: After which something can be sent; None for nothing left.
    """

    accepted: int = 0
    dropped: int = 0
    failed: int = 0
    refusal: str | None = None
    wake_seconds: float | None = None

    @property
    def is_due(self) -> bool:
        """Whether something can be sent now."""
        return self.wake_seconds is not None and self.wake_seconds <= NOW_SECONDS

    @property
    def only_failed(self) -> bool:
        """Whether everything that was tried failed."""
        return bool(self.failed and not self.handled)

    @property
    def handled(self) -> int:
        """Messages that are gone."""
        return self.accepted + self.dropped

    def add(self, found: Delivered) -> None:
        """Add what a courier reports."""
        self.accepted += found.delivered
        self.dropped += found.dropped
        self.failed += found.retried + found.halted


class Sending:
    """Sends for one reader.

    Args:
        config: Looked at before each round.

    Raises:
        DataError: The host name, the token or the proxy cannot be used.
    """

    def __init__(self, config: QueueReaderConfig) -> None:
        self._config = config
        self._made_for: tuple[Any, ...] = ()
        self._http = HttpTransport(version=VERSION)
        self._base_url = ""
        self._headers: Mapping[str, str] = {}
        self._wire: _Wire | None = None
        self._courier: Courier | None = None
        self._outbox: object = None
        self._budget = _Budget(0, lambda: False)
        self.prepare()

    def prepare(self) -> None:
        """See to it that what is sent goes where the configuration says now.

        Raises:
            DataError: It cannot be used.
        """
        config = self._config
        # A hash of the token, which crash reports may show.
        made_for = (hash(config.auth_token), *(config.effective(name) for name in _ABOUT_SENDING))
        if made_for == self._made_for:
            return
        self._base_url, self._headers = _base_url(config), _headers(config)
        proxy = config.proxy
        self._http.close()
        self._http = HttpTransport(
            float(config.effective("server_timeout")),
            version=VERSION,
            proxies=(lambda: {"named": proxy}) if proxy else None,
        )
        self._wire = None
        self._courier = None
        self._made_for = made_for

    def send(self, request: Request, *, base_url: str, headers: Mapping[str, str], timeout_seconds: float) -> Response:
        """Send *request* to the reader's server with its token; see `footfall.courier.transport.Transport`.

        Raises:
            TransportError: No usable answer.
        """
        del base_url, headers  # of the queue's account, which knows neither
        return self._patiently(
            lambda: self._http.send(
                request, base_url=self._base_url, headers=self._headers, timeout_seconds=timeout_seconds
            )
        )

    def begin(
        self, request: Request, *, base_url: str, headers: Mapping[str, str], timeout_seconds: float
    ) -> Callable[[], Response] | None:
        """As `send`, without waiting; see `footfall.courier.transport.BeginningTransport`.

        Raises:
            TransportError: No usable answer.
        """
        del base_url, headers
        answer = self._patiently(
            lambda: self._http.begin(
                request, base_url=self._base_url, headers=self._headers, timeout_seconds=timeout_seconds
            )
        )
        return answer and partial(self._patiently, answer)

    def _patiently(self, do: Callable[[], T]) -> T:
        """Return what *do* returns; where it fails, say how long the reader wants to wait."""
        try:
            return do()
        except TransportError as error:
            error.retry_seconds = self._wire.retry_seconds if self._wire is not None else None
            raise

    def round(
        self,
        delivery: QueueDelivery,
        *,
        retry_seconds: float,
        most: float = math.inf,
        goes_on: Callable[[], bool] = lambda: True,
        anew: bool = False,
    ) -> Outcome:
        """Send what is due, each message once but for those that fail and are due again; return what came of it.

        Args:
            delivery: Held by this thread.
            retry_seconds: After which a message that failed is due again.
            most: Messages to send.
            goes_on: Asked before each.
            anew: Forget what earlier rounds learnt of the server.
        """
        self.prepare()
        wire = self._wire_for(retry_seconds)
        budget = _Budget(most, lambda: goes_on() and delivery.agreed())
        outcome = Outcome()
        courier = self._courier
        if anew or courier is None or self._outbox is not delivery.outbox or most != math.inf:
            courier = Courier(
                delivery.outbox,
                transport=self,
                clock=delivery.clock,
                wires=lambda _: wire,
                exchange_timeout_seconds=float(self._config.effective("server_timeout")),
                may_send=lambda: self._budget.take(),  # noqa: PLW0108  another one each round
                max_senders=1 if most == 1 else MAX_SENDERS,
            )
            self._outbox = delivery.outbox
            self._courier = courier if most == math.inf else None
        self._budget = budget
        wire.refusal = None
        self._resume(delivery)
        # Without an end: what is under way is waited for, and nothing is cut short.
        outcome.add(courier.deliver_once(deadline=math.inf))
        outcome.refusal = wire.refusal
        outcome.wake_seconds = courier.next_wake_seconds()
        return outcome

    def ask(self, request: Request) -> tuple[Verdict, int]:
        """Send *request* now, outside the queue; return what the answer means, and its status.

        Raises:
            TransportError: No usable answer.
        """
        self.prepare()
        response = self.send(
            request, base_url="", headers={}, timeout_seconds=float(self._config.effective("server_timeout"))
        )
        return self._wire_for(0.0).judge(response), response.status

    def _wire_for(self, retry_seconds: float) -> _Wire:
        config = self._config
        if self._wire is None or self._wire.rule_seconds != float(config.effective("blacklist_ttl")):
            self._wire = _Wire(
                system_serial=config.system_serial,
                sender=config.sender,
                system_version=config.system_version,
                rule_ttl=float(config.effective("blacklist_ttl")),
            )
            self._courier = None
        self._wire.retry_seconds = retry_seconds
        return self._wire

    def _resume(self, delivery: QueueDelivery) -> None:
        """End a pause after a refusal: whoever starts a round has a reason to try. What a server asked for stays."""
        for known in delivery.outbox.destinations():
            if known.id == delivery.number and known.pause_reason.startswith("halted"):
                delivery.outbox.resume(known.id)


class _Budget:
    """Allows so many messages; safe for threads."""

    def __init__(self, most: float, goes_on: Callable[[], bool]) -> None:
        self._left = most
        self._goes_on = goes_on
        self._lock = threading.Lock()

    def take(self) -> bool:
        with self._lock:
            if self._left <= 0 or not self._goes_on():
                return False
            self._left -= 1
            return True


class _Wire(RamenWire):
    """The wire of one reader: remembers a refusal of its token, and says how long a message waits that failed."""

    retry_seconds: float | None = None
    refusal: str | None = None

    def judge(self, response: Response) -> Verdict:
        verdict = super().judge(response)
        if verdict.action is Action.HALT and response.status in {401, 403}:
            self.refusal = _words(response)
        if verdict.action is Action.RETRY:
            return msgspec.structs.replace(verdict, retry_seconds=self.retry_seconds)
        return verdict


_ABOUT_SENDING: Final = ("hostname", "ssl", "proxy", "server_timeout")


def _base_url(config: QueueReaderConfig) -> str:
    scheme = "https" if config.effective("ssl") else "http"
    try:
        parts = urlsplit(f"{scheme}://{config.hostname}")
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise data_error({"hostname": f"is none: {error}"}) from None
    if not host or parts.username is not None or parts.query or parts.fragment:
        raise data_error({"hostname": "must be host[:port][/path]; a user, a query or a fragment do not belong there"})
    if scheme == "http" and not is_loopback(host):
        trouble.note("ramen ssl", "footfall: ssl=False sends the token and all messages to %s in clear", host)
    return f"{scheme}://{config.hostname}".rstrip("/")


def _headers(config: QueueReaderConfig) -> Mapping[str, str]:
    if not config.auth_token:
        return {}
    if "\n" not in config.auth_token:  # which would begin another header
        with contextlib.suppress(ConfigurationError):
            return credentials.headers(credentials.Secret(f"{TOKEN_HEADER}: {config.auth_token}"))
    raise data_error({"auth_token": "holds characters that no header may hold"})


def _words(response: Response) -> str:
    """Return what the server says about the token: its code and details where it gives them."""
    said = json_object(response.body) or {}
    words = [str(said[key])[:MAX_WORDS] for key in ("code", "details") if key in said]
    return " - ".join(words) or f"HTTP {response.status}: the server does not take the token (auth_token)"
