"""One shape for wires: what to say, and how to understand the answer.

A wire is pure: no state, no clock, no network, no environment. It is made once for each destination with that
destination's options, and found through entry point group ``footfall.wires``. A new format is one file, one
entry-point line, one folder of golden cases (design.md section 4).
"""

from __future__ import annotations

import enum
import hashlib
from collections.abc import Mapping, Sequence
from typing import Final, Literal, Protocol

import msgspec

from footfall.ledger import Reason
from footfall.usage import Usage


class Request(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One HTTP request, complete but for credentials, which the courier adds at send time.

    Attributes:
        path: From the base URL on, beginning with "/"; may end in a query.
        body: The very bytes that are sent, on every attempt.
        content_type: Header value.
        headers: Further headers (never credentials).
        idempotency_key: Derived from the ids of the records, never from chance: the same records give the same key in
            every process and on every attempt.
        order_key: Requests that share one are sent in order, one at a time; "" for no order.
        records: How many records it carries (`footfall.ledger` counts in records).
    """

    method: str = "POST"
    path: str
    body: bytes
    content_type: str
    headers: tuple[tuple[str, str], ...] = ()
    idempotency_key: str
    order_key: str = ""
    records: int = 1


class Response(msgspec.Struct, frozen=True, kw_only=True):
    """What a server answered.

    Attributes:
        status: HTTP status.
        headers: Names in lower case.
        body: At most 64 KiB, decoded from its content encoding.
    """

    status: int
    headers: Mapping[str, str] = {}
    body: bytes = b""


class Action(str, enum.Enum):
    """What the courier does with a request after its answer."""

    DELIVERED = "delivered"
    RETRY = "retry"
    """Later, with back-off; `Verdict.wait_seconds` holds the whole destination back."""
    SPLIT = "split"
    """Too large: ask `Wire.split` for smaller ones."""
    DROP = "drop"
    """Never; `Verdict.reason` says why."""
    HALT = "halt"
    """Nothing more to this destination until settings change or a long pause is over; requests are kept."""


class DropRule(msgspec.Struct, frozen=True, kw_only=True):
    """A server's order not to send it certain requests for a while (reliability.md N9).

    It holds for the requests of that destination whose `RuledWire.labels` have all of its `labels`.

    Attributes:
        labels: What a request must say; never empty. Made by the wire, which has checked names and types.
        seconds: How long it holds from its arrival; 24 hours at the most, whatever is said here.
    """

    labels: Mapping[str, str]
    seconds: float

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether a request with these *labels* is one that the server does not want."""
        return bool(self.labels) and all(labels.get(name) == value for name, value in self.labels.items())


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What an answer means.

    Attributes:
        action: What to do.
        reason: For DROP, and for the rejected part of a partial success.
        wait_seconds: For RETRY: no request to this destination before that time. None leaves it to the courier
            (``Retry-After``, else back-off).
        retry_seconds: For RETRY: this request waits so long; None leaves it to the courier's back-off.
        max_attempts: For RETRY: at that many attempts in all, drop with `reason`. 0 for no limit.
        rejected: For DELIVERED: how many of the request's records the server did not take.
        detail: A few words for `footfall doctor`, may quote the server; never logged, escaped when shown.
        rule: What else of this kind the server does not want, whatever became of this request. Only from wires that
            tell the labels of their requests (`RuledWire`).
    """

    action: Action
    reason: Reason | None = None
    wait_seconds: float | None = None
    retry_seconds: float | None = None
    max_attempts: int = 0
    rejected: int = 0
    detail: str = ""
    rule: DropRule | None = None


MAX_DETAIL_CHARACTERS: Final = 200
"""Of `Verdict.detail` (reliability.md S19)."""


def key_of(*parts: str) -> str:
    """Return an idempotency key: 32 hexadecimal digits of a digest over *parts*, the same in every process."""
    return hashlib.sha256("\n".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:32]


DELIVERED = Verdict(action=Action.DELIVERED)
RETRY = Verdict(action=Action.RETRY)


class Wire(Protocol):
    """One wire format.

    Attributes:
        name: As in the entry point.
        in_doubt: Whether a request that got no answer is sent again (same key) or dropped and counted.
        batch_records: How many records `translate` wants at once at the most.
        tells_starts: Whether the server hears of a START. Where it does not, it is no record that was left out: the END
            tells of the same use. A wire without this attribute is asked for each.
    """

    name: str
    in_doubt: Literal["retry", "drop"]
    batch_records: int
    tells_starts: bool

    def base_url(self, endpoint: str) -> str:
        """Return *endpoint* as the base that `Request.path` is appended to: no final slash, no known suffix."""
        ...

    def translate(self, batch: Sequence[Usage]) -> list[Request]:
        """Return the requests that tell the server about *batch*; the same batch gives the same bytes.

        A record for which the format has no word is left out: the sum of `Request.records` says how many were told.
        """
        ...

    def judge(self, response: Response) -> Verdict:
        """Say what *response* means. Never raises, whatever the body."""
        ...

    def split(self, request: Request) -> list[Request]:
        """Return smaller requests that together say what *request* said, or an empty list."""
        ...


class RuledWire(Wire, Protocol):
    """A wire whose server can order requests dropped. A wire without this method pays nothing for drop rules."""

    def labels(self, request: Request) -> Mapping[str, str]:
        """Return what a rule may ask of *request*, a few short texts by name; pure, cheap, and without its body."""
        ...
