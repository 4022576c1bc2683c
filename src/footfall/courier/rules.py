"""Drop rules of one destination, as its lane obeys them. Pure.

They are asked when a request has been claimed and is about to be sent, not when it is taken in: a rule mostly comes
while requests are waiting already, and one that is over by the time of sending should have cost nothing. So there is
one place that asks, and the outbox stays without a word about labels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from footfall.wire.base import DropRule

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from footfall.outbox.rows import KnownRule

MAX_RULE_SECONDS: Final = 86400.0
MOST_RULES: Final = 256
_NS: Final = 10**9


class Rules:
    """The rules in force, each with the monotonic time of its end. Not for several threads at once."""

    def __init__(self) -> None:
        self._ends: dict[tuple[tuple[str, str], ...], tuple[DropRule, float]] = {}

    def load(self, known: Iterable[KnownRule], *, now_ns: int, now: float) -> None:
        """Begin with what the outbox knows, which another process may have been told."""
        self._ends.clear()
        for rule in known:
            self.add(DropRule(labels=rule.labels, seconds=(rule.until_ns - now_ns) / _NS), now)

    def add(self, rule: DropRule, now: float) -> bool:
        """Obey *rule* from *now* on; return whether it is one: without labels it would stop everything."""
        if not rule.labels:
            return False
        key = tuple(sorted(rule.labels.items()))
        self._ends.pop(key, None)
        while len(self._ends) >= MOST_RULES:  # the oldest makes room
            del self._ends[next(iter(self._ends))]
        self._ends[key] = rule, now + min(rule.seconds, MAX_RULE_SECONDS)
        return True

    def against(self, labels: Mapping[str, str], now: float) -> DropRule | None:
        """Return the rule because of which a request with *labels* must not be sent, or None."""
        return next((rule for rule, end in self._ends.values() if now < end and rule.matches(labels)), None)

    def __bool__(self) -> bool:
        return bool(self._ends)
