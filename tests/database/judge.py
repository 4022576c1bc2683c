"""What a server got, read from the sink's journal a request at a time: two million rows are no list."""

from __future__ import annotations

import json
from array import array
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from footfall.testing.sink.server import REQUESTS_FILE
from tests.database.servers import digest

PATH = "/api/ingress/v1/upload"
MEMBER = "./uses.csv"


class Judged:
    """The rows that arrived, copies of a request counted once.

    Attributes:
        packages: Different ones that were taken.
        copies: Further ones of the same request id, with the same bytes.
        refused: Requests that the server did not take.
    """

    def __init__(self, directory: Path, rows: int) -> None:
        self.packages = self.copies = self.refused = 0
        self._package_of = array("I", bytes(4 * (rows + 1)))  # by row, counted from 1; 0 for none yet
        self._requests: dict[str, tuple[str, str]] = {}
        self._wrong: Counter[str] = Counter()
        for received in _uploads(directory):
            self._take(received)

    def _take(self, received: dict[str, Any]) -> None:
        if not received["accepted"]:
            self.refused += 1
            return
        (package,) = received["records"]
        same = (received["key"], received["body_sha256"])
        known = self._requests.setdefault(package["request_id"], same)
        if known != same:
            self._wrong["other bytes or another key under the same request id"] += 1
        if len(self._requests) == self.packages:
            self.copies += 1
            return
        self.packages += 1
        for row in package["members"].get(MEMBER, ()):
            self._row(row)

    def _row(self, row: dict[str, str]) -> None:
        if list(row) != ["id", "at", "host", "digest"] or not row["id"].isdecimal():
            self._wrong["torn row"] += 1
            return
        number = int(row["id"])
        at = round(datetime.fromisoformat(row["at"]).timestamp())
        if row["digest"] != digest(number, at, row["host"]):
            self._wrong["row that is not as in the table"] += 1
        elif not 0 < number < len(self._package_of):
            self._wrong["row that is not in the table"] += 1
        elif first := self._package_of[number]:
            ids = list(self._requests)
            self._wrong[f"row that came twice, in {ids[first - 1]} and {ids[self.packages - 1]}"] += 1
        else:
            self._package_of[number] = self.packages

    def assert_each_row_once(self) -> None:
        """All rows of the table arrived, each once, none torn."""
        missing = self._package_of.count(0) - 1
        assert not self._wrong, dict(self._wrong)
        assert not missing, f"{missing} of {len(self._package_of) - 1} rows never arrived"


def _uploads(directory: Path) -> Iterator[dict[str, Any]]:
    with (directory / REQUESTS_FILE).open(encoding="utf-8") as file:
        for line in file:
            received: dict[str, Any] = json.loads(line)
            assert not received.get("sink_error"), received["sink_error"]
            if received["path"] == PATH:
                yield received
