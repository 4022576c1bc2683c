"""Nothing vanishes uncounted: the reasons for loss, and the sum that must balance.

At every moment, for every destination: **accepted = delivered + pending + dropped** (reliability.md section 1). The
unit is a record: one journal line as one destination gets it.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping

import msgspec


class Reason(str, enum.Enum):
    """Why a record was given up. One enumeration for logs, metrics, `footfall status` and the docs."""

    EXPIRED = "expired"
    """Older than the outbox keeps."""
    OVER_SIZE = "over_size"
    """The outbox was full, and this was among the oldest."""
    REFUSED = "refused"
    """The server said no for good."""
    RULE = "rule"
    """The server ordered such records dropped."""
    NO_SPACE = "no_space"
    """The disk was full or unwritable."""
    TOO_BIG = "too_big"
    """Larger than the destination takes, and it could not be shortened or split."""
    OPTED_OUT = "opted_out"
    """The user said no before it was sent."""
    CORRUPT = "corrupt"
    """A journal line did not parse."""
    IN_DOUBT = "in_doubt"
    """Sent without an answer, to a destination that must not get a second copy."""
    UNTRANSLATABLE = "untranslatable"
    """The wire has no word for it, or failed on it."""
    NO_DESTINATION = "no_destination"
    """Its project names nowhere to send it."""


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """The books of one destination, in records."""

    destination: str
    accepted: int = 0
    delivered: int = 0
    pending: int = 0
    dropped: Mapping[Reason, int] = {}
    duplicates: int = 0
    """Records that were enqueued again under a known key and therefore not kept twice; not part of the sum."""

    @property
    def lost(self) -> int:
        """Records dropped, whatever the reason."""
        return sum(self.dropped.values())

    @property
    def balanced(self) -> bool:
        """Whether accepted = delivered + pending + dropped."""
        return self.accepted == self.delivered + self.pending + self.lost


class Ledger(msgspec.Struct, frozen=True, kw_only=True):
    """All accounts, as `footfall status --json` prints them.

    Attributes:
        accounts: One for each destination ever used.
        unread: Records in journals that nobody has read yet; they belong to no account so far.
        corrupt: Journal lines that did not parse; counted once, before they could belong to an account.
    """

    accounts: tuple[Account, ...] = ()
    unread: int = 0
    corrupt: int = 0

    @property
    def pending(self) -> int:
        """Records not yet settled, read or unread."""
        return self.unread + sum(account.pending for account in self.accounts)

    @property
    def balanced(self) -> bool:
        """Whether every account balances."""
        return all(account.balanced for account in self.accounts)
