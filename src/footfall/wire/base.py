"""One shape for wires: what to say, and how to understand the answer.

A wire is pure: no state, no clock, no network, no environment. It is made once for each destination with that
destination's options, and found through entry point group ``footfall.wires``. A new format is one file, one
entry-point line, one folder of golden cases (design.md section 4).
"""

from __future__ import annotations

import enum
import hashlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import BinaryIO, Final, Literal, Protocol

import msgspec

from footfall.ledger import Reason
from footfall.usage import Usage

SLOWEST_BYTES_PER_SECOND: Final = 128 * 1024
"""Of a network over which a file must still arrive: 100 MiB get 800 s, beside what any exchange gets."""


class Attachment(msgspec.Struct, frozen=True, kw_only=True):
    """A file beside the outbox that is part of a body, too large for a database and for memory.

    Attributes:
        name: In the outbox's directory of files; never a path.
        size: Bytes.
        crc32: Of all of them: a file that is not what was kept is not sent.
        at: Where in `Request.body` its bytes are inserted.
        parcel: Key of what was handed over, of which this is all or, after a split, a part.
    """

    name: str
    size: int
    crc32: int
    at: int
    parcel: str


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
        attachment: A file whose bytes belong into the body.
        hold_seconds: Not sent so long, in case that more comes which it can be joined with (`JoiningWire`). Whole in
            itself: where nothing joins it, it is sent as it is.
        joins: Requests are joined only with those that have the same.
    """

    method: str = "POST"
    path: str
    body: bytes
    content_type: str
    headers: tuple[tuple[str, str], ...] = ()
    idempotency_key: str
    order_key: str = ""
    records: int = 1
    attachment: Attachment | None = None
    hold_seconds: float = 0.0
    joins: str = ""

    @property
    def size(self) -> int:
        """Bytes of the body as it is sent, the attachment included."""
        return len(self.body) + (self.attachment.size if self.attachment else 0)

    @property
    def upload_seconds(self) -> float:
        """How much longer than another exchange this one may last, for the sake of its attachment."""
        return self.attachment.size / SLOWEST_BYTES_PER_SECOND if self.attachment else 0.0


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
    """Nothing more to this destination until a long pause is over; requests are kept. Another endpoint or reference to
    credentials is another destination; that the text behind a reference changed is not noticed before (N6)."""


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


class RepeatingWire(Wire, Protocol):
    """A wire that drops in doubt, but for requests of which its server may get a second copy without harm."""

    def may_repeat(self, request: Request) -> bool:
        """Whether *request* is sent again after no answer, whatever `in_doubt` says; pure, cheap, without its body."""
        ...


class RuledWire(Wire, Protocol):
    """A wire whose server can order requests dropped. A wire without this method pays nothing for drop rules."""

    def labels(self, request: Request) -> Mapping[str, str]:
        """Return what a rule may ask of *request*, a few short texts by name; pure, cheap, and without its body."""
        ...


class JoiningWire(Wire, Protocol):
    """A wire whose server wants few large uploads: its requests are held for a while (`Request.hold_seconds`).

    Attributes:
        run_bytes: Size of what is held at which it is joined and sent, however short a time it was held.
    """

    run_bytes: int

    def join(self, requests: Sequence[Request]) -> list[Request]:
        """Return fewer requests that together say what *requests* said; none of them is held. Pure, like `translate`.

        All of *requests* have one `Request.joins`. The same requests in any order give the same keys.
        """
        ...


class FileSplittingWire(Wire, Protocol):
    """A wire that knows how to make smaller files of an attachment that its server found too large."""

    def split_file(
        self, request: Request, source: BinaryIO, make: Callable[[int], AbstractContextManager[BinaryIO]]
    ) -> list[Request]:
        """Return smaller requests that together say what *request* said, or an empty list.

        Args:
            request: With an attachment.
            source: Its bytes, from the beginning; can be sought in.
            make: Opens the file for the part of that number, from 0 on, for writing. It is kept where the block ends
                well, and the attachment of that part has its `Attachment.name`, `Attachment.size` and
                `Attachment.crc32` filled in by the caller.
        """
        ...
