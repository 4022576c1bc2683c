"""The demo's judgement: what the programs say they did, against what the server wrote down. Pure.

The server's journal is the only truth about delivery, the programs' own counts the only one about calls. footfall
stands between the two, and its books are checked against both.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec

from footfall.ledger import Reason
from footfall.testing.sink import Received

OURS: Final = "example/club-study"
KILLED: Final = "ProcessKilled"
FAILED: Final = "NodeNotFound"
LIMITED: Final = "networkx:common_neighbors"
FORKED: Final = ("networkx:shortest_path_length", "networkx:density")


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that must hold.

    Attributes:
        says: What, in words.
        expected: By the programs' own counts, or by promise.
        found: At the server, or in footfall's books.
    """

    says: str
    expected: Any
    found: Any

    @property
    def holds(self) -> bool:
        """Whether it does."""
        return bool(self.expected == self.found)


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """Everything there is to judge by.

    Attributes:
        calls: By program and registered name, as the programs counted.
        refused: Requests that reached the server while it refused connections.
        waiting: ``footfall status --json`` at the end of that time.
        sent: Exit status of ``footfall send``.
        status: ``footfall status --json`` at the end.
        requests: All that the server wrote down.
        paths: Destination, as the books call it, to the beginning of its paths at the server.
    """

    calls: Mapping[str, Counter[str]]
    refused: int
    waiting: Mapping[str, Any]
    sent: int
    status: Mapping[str, Any]
    requests: Sequence[Received]
    paths: Mapping[str, str]

    @property
    def accepted(self) -> list[Received]:
        """The requests that the server took."""
        return [request for request in self.requests if request.accepted]

    def records(self, kind: str) -> list[dict[str, Any]]:
        """Return the records of *kind* (``crumb``, ``span``, ``log``) that the server took."""
        return [record for request in self.accepted for record in request.records if record["type"] == kind]

    def called(self) -> Counter[str]:
        """Return the calls of all programs, by registered name."""
        return sum(self.calls.values(), Counter[str]())


def judge(evidence: Evidence) -> list[Check]:
    """Return all checks, in the order of the story."""
    return [*_while_refused(evidence), *_counts(evidence), *_fates(evidence), *_books(evidence), *_manners(evidence)]


def _while_refused(evidence: Evidence) -> list[Check]:
    ledger = evidence.waiting["ledger"]
    delivered = sum(account["delivered"] for account in ledger["accounts"])
    return [
        Check(says="while the server refused, nothing reached it", expected=0, found=evidence.refused),
        Check(says="nothing was taken for delivered then", expected=0, found=delivered),
        Check(says="all of it was kept, and the books balanced", expected=True, found=_kept(ledger)),
    ]


def _kept(ledger: Mapping[str, Any]) -> bool:
    return bool(ledger["pending"] > 0 and ledger["balanced"])


def _counts(evidence: Evidence) -> list[Check]:
    spans, logs = evidence.records("span"), evidence.records("log")
    called, counted = evidence.called(), uses(spans, logs)
    told = Counter(span["name"] for span in spans)
    return [
        Check(says="uses at the server, name by name", expected=dict(called), found=dict(counted)),
        Check(says="all uses at the server", expected=called.total(), found=counted.total()),
        Check(
            says="all uses in footfall's books",
            expected=called.total(),
            found=sum(evidence.status["observed"].values()),
        ),
        Check(
            says=f"calls of {LIMITED} beyond its rate were counted, not told one by one",
            expected=True,
            found=0 < told[LIMITED] < called[LIMITED] // 10,
        ),
    ]


def uses(spans: Iterable[Mapping[str, Any]], logs: Iterable[Mapping[str, Any]]) -> Counter[str]:
    """Return how many uses *spans* and *logs* stand for, by registered name. A start is no use of its own."""
    found: Counter[str] = Counter()
    for span in spans:
        found[span["name"]] += span["attributes"].get("footfall.count", 1)
    for log in logs:
        if log["name"] == "footfall.count":
            found[log["body"]] += log["attributes"]["footfall.count"]
        elif log["name"] != "footfall.start":
            found[log["name"]] += log["attributes"].get("footfall.count", 1)
    return found


def _fates(evidence: Evidence) -> list[Check]:
    spans, crumbs = evidence.records("span"), evidence.records("crumb")
    runs = [span for span in spans if span["name"] == OURS]
    killed = [span for span in runs if span["attributes"]["footfall.outcome"] == "killed"]
    starts = {log["span_id"] for log in evidence.records("log") if log["name"] == "footfall.start"}
    parents = {span["session"] for span in map(_session, runs) if span["session"]}
    children = Counter(span["name"] for span in spans if _session(span)["previous"] in parents)
    forked = {name: evidence.calls.get("library", Counter())[name] for name in FORKED}
    return [
        Check(
            says="the call that raised is told as failed",
            expected=[FAILED],
            found=[
                span["attributes"].get("error.type")
                for span in spans
                if span["status"] == "error" and span not in killed
            ],
        ),
        Check(
            says="its crumb says so too: failed, and why",
            expected=[("F", FAILED)],
            found=[fate for crumb in crumbs if (fate := _fate(crumb))[1] and fate[1] != KILLED],
        ),
        Check(
            says="the killed run is told once as killed, with the ids of its start",
            expected=(1, True),
            found=(len(killed), all(span["span_id"] in starts for span in killed)),
        ),
        Check(
            says="its crumb says so too: suspended, and why",
            expected=[("S", KILLED)],
            found=[_fate(crumb) for crumb in crumbs if _fate(crumb)[1] == KILLED],
        ),
        Check(says="uses in forked workers, told in sessions of their own", expected=forked, found=dict(children)),
    ]


def _session(span: Mapping[str, Any]) -> dict[str, str]:
    attributes = span["attributes"]
    return {"session": attributes.get("session.id", ""), "previous": attributes.get("session.previous_id", "")}


def _fate(crumb: Mapping[str, Any]) -> tuple[str, str]:
    process: dict[str, Any] = crumb.get("proc") or {}
    return process.get("status", ""), process.get("error_type") or ""


def arrived(evidence: Evidence) -> dict[str, int]:
    """Return how many records the server took, by destination."""
    return {
        destination: sum(len(request.records) for request in evidence.accepted if request.path.startswith(path))
        for destination, path in evidence.paths.items()
    }


def _books(evidence: Evidence) -> list[Check]:
    ledger = evidence.status["ledger"]
    accounts = ledger["accounts"]
    counts = [log for log in evidence.records("log") if log["name"] == "footfall.count"]
    return [
        Check(says="`footfall send` delivered everything", expected=0, found=evidence.sent),
        Check(says="nothing is pending", expected=0, found=ledger["pending"]),
        Check(says="every account balances", expected=True, found=ledger["balanced"]),
        Check(
            says="what the books call delivered is what the server took, at each destination",
            expected=arrived(evidence),
            found={account["destination"]: account["delivered"] for account in accounts},
        ),
        Check(
            says="dropped are only records that are mere counts, for which migas has no word",
            expected={Reason.UNTRANSLATABLE.value: len(counts)} if counts else {},
            found=dict(sum((Counter[str](account["dropped"]) for account in accounts), Counter[str]())),
        ),
    ]


def _manners(evidence: Evidence) -> list[Check]:
    keys = Counter(request.key for request in evidence.accepted)
    spans = Counter(span["span_id"] for span in evidence.records("span"))
    return [
        Check(says="requests without an idempotency key", expected=0, found=keys[""]),
        Check(says="requests taken twice, by idempotency key", expected=0, found=keys.total() - len(keys)),
        Check(says="spans taken twice, by id", expected=0, found=spans.total() - len(spans)),
        Check(
            says="requests that carried credentials",
            expected=0,
            found=sum(bool(request.auth_headers) for request in evidence.requests),
        ),
        Check(
            says="requests that the server refused to take",
            expected=0,
            found=len(evidence.requests) - len(evidence.accepted),
        ),
    ]
