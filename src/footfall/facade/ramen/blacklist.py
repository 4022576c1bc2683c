"""`Blacklist`: drop rules as the original's users handle them. Those that a server sends live in the outbox."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

import msgspec

from footfall.clock import Clock, SystemClock
from footfall.facade.ramen.errors import data_error
from footfall.wire import ramen_names as names

if TYPE_CHECKING:
    from footfall.facade.ramen.config import QueueReaderConfig

FIELDS: Final = ("category", "system_serial", "sender", "data_type", "data_version", "system_version")
TIMES: Final = ("added", "last_seen")


class Rule(msgspec.Struct, kw_only=True):
    """An order to drop what equals it in every field that is not None."""

    category: str | None = None
    system_serial: int | None = None
    sender: str | None = None
    data_type: str | None = None
    data_version: str | None = None
    system_version: str | None = None
    added: datetime | None = None
    last_seen: datetime | None = None

    def __getitem__(self, name: str) -> Any:
        if name not in (*FIELDS, *TIMES):
            raise KeyError(name)
        return getattr(self, name)

    def __str__(self) -> str:
        said = (f"{name}={value}" for name in FIELDS if (value := getattr(self, name)) is not None)
        return f"Rule({', '.join(said)})"

    def to_primitive(self) -> dict[str, Any]:
        """Return the fields that say something."""
        return {name: value for name in FIELDS if (value := getattr(self, name)) is not None}


class Blacklist:
    """Rules, each for ``blacklist_ttl`` seconds from its arrival.

    Args:
        config: Whose messages they are, and how long a rule holds.
        clock: Time; rules go by its monotonic side, so that no jump of the wall clock ends or prolongs one.
    """

    def __init__(self, config: QueueReaderConfig, *, clock: Clock | None = None) -> None:
        self._config = config
        self._clock = clock or SystemClock()
        self._rules: list[tuple[float, Rule]] = []

    def add(self, rule_fields: Mapping[str, Any]) -> None:
        """Add a rule. Times in it are passed over: how long a rule holds is ours to say.

        Raises:
            DataError: It has an unknown field, a value of the wrong type, or says nothing and would match everything.
        """
        given = {name: value for name, value in rule_fields.items() if value is not None and name not in TIMES}
        wrong = {str(name): "is no field of a rule" for name in given if name not in FIELDS}
        if "system_serial" in given:
            try:
                given["system_serial"] = int(given["system_serial"])
            except (ValueError, TypeError):
                wrong["system_serial"] = "must be an integer"
        if not given:
            wrong["rule"] = "is empty and would match every message"
        if wrong:
            raise data_error(wrong)
        now = datetime.now()  # noqa: DTZ005  local time, as the original shows it
        texts: dict[str, Any] = {
            name: value if name == "system_serial" else str(value) for name, value in given.items()
        }
        self._rules.append((self._clock.monotonic(), Rule(**texts, added=now, last_seen=now)))

    def matches(self, item: Mapping[str, Any]) -> bool:
        """Whether a rule matches the message *item*, of which category, data type and data version are looked at."""
        config = self._config
        said: dict[str, Any] = {
            "sender": config.sender,
            "system_serial": config.system_serial,
            "system_version": config.system_version,
            "category": str(item["category"]),
            "data_type": str(item["data_type"]),
            "data_version": _version(item["data_version"]),
        }
        return any(_matches(rule, said) for rule in self.get_list())

    def get_list(self) -> list[Rule]:
        """Return the rules that still hold."""
        oldest = self._clock.monotonic() - self._config.effective("blacklist_ttl")
        self._rules = [(added, rule) for added, rule in self._rules if added > oldest]
        return [rule for _, rule in self._rules]


def _matches(rule: Rule, said: Mapping[str, Any]) -> bool:
    for name, value in rule.to_primitive().items():
        wanted = _version(value) if name == "data_version" else value
        if wanted != said[name]:
            return False
    return True


def _version(value: Any) -> str:
    """Return a version as it stands in the URL: 1, "1" and "01" are one (the original never matches 1 with "1")."""
    return names.data_version(value) or str(value)
