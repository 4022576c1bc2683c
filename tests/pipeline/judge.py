"""What arrived at the sink, by its journal: each numbered call, how often, and under which idempotency keys."""

from __future__ import annotations

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterator, Mapping
from pathlib import Path
from typing import Any

from footfall.testing.sink.server import REQUESTS_FILE

NUMBER = "footfall.args.number"


class Arrivals:
    """The records that a sink took; its journal is read on from where it was, and its bodies are not kept.

    Attributes:
        keys: By project, number of a call to the idempotency keys under which it was told of. Where a format has no
            place for a number, the key itself stands for the call. A span's key are its ids: a request holds many, and
            a Collector that was killed puts them together anew.
        requests: By wire, how many were taken.
        attributes: Keys of all attributes of spans and their resources.
    """

    def __init__(self, directory: Path) -> None:
        self._path = directory / REQUESTS_FILE
        self._offset = 0
        self.keys: dict[str, dict[Hashable, set[str]]] = defaultdict(lambda: defaultdict(set))
        self.requests: Counter[str] = Counter()
        self.attributes: set[str] = set()
        self._bodies: dict[tuple[str, str], set[str]] = defaultdict(set)
        self._records: Counter[str] = Counter()

    def read(self) -> None:
        """Read what is new."""
        with self._path.open("rb") as file:
            file.seek(self._offset)
            for line in file:
                if not line.endswith(b"\n"):
                    break
                self._offset += len(line)
                self._take(json.loads(line))

    def arrived(self, project: str) -> int:
        """Return how many calls of *project* arrived."""
        return len(self.keys[project])

    def copies(self) -> int:
        """Return how many records came again."""
        return sum(self._records.values()) - sum(map(len, self.keys.values()))

    def keyed_with_other_bytes(self) -> list[str]:
        """Return the paths and keys that came with more than one body; the order of spans in it is no matter."""
        return [f"{path} {key}" for (path, key), bodies in self._bodies.items() if key and len(bodies) > 1]

    def under_several_keys(self) -> list[Hashable]:
        """Return the calls that were told of under more than one key: a server cannot know these for copies."""
        return [number for calls in self.keys.values() for number, keys in calls.items() if len(keys) > 1]

    def _take(self, request: Mapping[str, Any]) -> None:
        if not request["accepted"]:
            return
        key = request["key"]
        self.requests[request["wire"]] += 1
        self._bodies[request["path"], key].add(_digest(request))
        for record in request["records"]:
            if "refused" not in record:
                self._record(record, key)

    def _record(self, record: Mapping[str, Any], key: str) -> None:
        if record["type"] == "package":
            for row in _rows(record):
                # As for spans: a run holds many uses, and a copy may come in another run.
                self._call("pipeline/insights", row.get(NUMBER), f"{row['trace_id']}-{row['span_id']}")
            return
        project, number = _call_of(record, key)
        if record["type"] == "span" and number is not None:
            key = f"{record['trace_id']}-{record['span_id']}"
            self.attributes.update(record["attributes"])
            self.attributes.update(record["resource"])
        self._call(project, number, key)

    def _call(self, project: str, number: Hashable, key: str) -> None:
        if number is not None:
            self._records[project] += 1
            self.keys[project][number].add(key)


def _rows(package: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield the rows of calls, their numbers as numbers."""
    for name, rows in package["members"].items():
        if name.endswith(".csv") and name != "./data_collection_status.csv":
            for row in rows:
                yield {**row, NUMBER: int(row[NUMBER])}


def _digest(request: Mapping[str, Any]) -> str:
    if request["wire"] != "otlp":
        return request["body_sha256"]
    # The key of a request in this format is made of the ids in it, in whatever order they come.
    records = sorted(json.dumps(record, sort_keys=True) for record in request["records"])
    return hashlib.sha256("\n".join(records).encode()).hexdigest()


def _call_of(record: Mapping[str, Any], key: str) -> tuple[str, Hashable]:
    """Return project and number of the call that *record* tells of; None for what tells of none."""
    match record["type"]:
        case "span":
            said = record["attributes"]
            # A span of the host's own SDK says no arguments; there the span stands for the call.
            return said.get("footfall.project", ""), said.get(NUMBER, record["span_id"])
        case "record":
            return "pipeline/access", record["fields"]["kwargs"].get("number")
        case "message":
            return "pipeline/ramen", record["data"]["attributes"].get(NUMBER)
        case "event" if record["fields"]["kind"] == "step":
            return "pipeline/tracker", record["fields"]["event_metadata"].get("number")
        case "crumb":
            return "pipeline/migas", key
    return "", None
