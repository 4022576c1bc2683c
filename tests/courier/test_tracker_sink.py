"""Tracker the whole way out, against a backend with faults: order kept, nothing sent twice, nothing uncounted."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, final

import pytest
import urllib3
from courierline import CourierLine

from footfall.ledger import Reason
from footfall.testing.ledger import assert_ledger
from footfall.testing.sink import Received, Sink
from footfall.usage import Kind, Outcome, Usage
from footfall.wire.destinations import Tracker

STEPS = 6
CONFIGURATION = {
    "tag": "my_job",
    "name": "My Job",
    "version": "1.0.0",
    "step_configurations": [{"tag": f"step{number}", "points": 1, "name": "Step"} for number in range(STEPS)],
}
EXPECTED = ["job_configurations", "jobs", *(f"step{number}" for number in range(STEPS)), "complete"]

IN_DOUBT = ("lostack", "closemid", "hang", "drip:0.2", "drip:0.2:body", "interim", "noanswer", "garbage", "headers")
"""Sent without an answer that can be read: dropped and counted, for a second copy would be a second event."""

COMES_BACK = [
    *("refuse", "half500", "status:500", "status:503", "status:408", "status:429", "badjson", "portal", "cookie", "ok"),
    *("status:204", "status:401", "status:403", "redirect:302:http://127.0.0.1:9/", "ratelimit:2:60:retry-after=5"),
]


@final
class Line(CourierLine):
    """A job on its way."""

    def __init__(self, folder: Path, sink: Sink, *, timeout_seconds: float = 5, **options: Any) -> None:
        self.seen = len(sink.requests())
        super().__init__(
            folder,
            sink,
            Tracker(sink.url, credentials="env:TRACKER", **options),
            timeout_seconds=timeout_seconds,
            environ={"TRACKER": "x-api_key: canary-7\n"},
        )

    def requests(self) -> list[Received]:
        """What reached the backend since this line is there."""
        return self.sink.requests()[self.seen :]

    def told(self, job_id: str) -> list[str]:
        """What the backend took of that job, in words, in its order."""
        return [word(each) for each in self.requests() if each.accepted and job_of(each) in {job_id, None}]


def word(request: Received) -> str:
    """A path, or of an event its step or kind."""
    fields = request.records[0]["fields"]
    return (fields["tag"] or fields["kind"]) if request.path == "/events" else request.path[1:]


def job_of(request: Received) -> str | None:
    """Whose request it is; None for a configuration."""
    return request.records[0]["fields"].get("provider_job_id")


def uses_of(job_id: str, *, first: int = 1, outcome: Outcome = Outcome.OK, steps: int = STEPS) -> list[Usage]:
    """A whole job, with its configuration before it."""
    made: list[Usage] = []

    def use(kind: Kind, *, ended: Outcome | None = None, **own: Any) -> None:
        number = first + (0 if "job" in own else len(made) + 1)
        made.append(
            Usage(
                project="owner/name",
                name="owner/name",
                kind=kind,
                trace_id=f"{first:032x}",
                span_id=f"{number:016x}",
                time_ns=1_700_000_000_000_000_000,
                outcome=ended,
                extra={"tracker.provider_job_id": job_id, **{f"tracker.{name}": value for name, value in own.items()}},
            )
        )

    job = {"job": "my_job", "customer_id": 142}
    use(Kind.EVENT, configuration=CONFIGURATION)
    use(Kind.START, **job)
    for number in range(steps):
        use(Kind.END, ended=Outcome.OK, tag=f"step{number}")
    use(Kind.END, ended=outcome, **job)
    return made


@pytest.fixture(scope="module")
def sink(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sink]:
    """One backend for all tests of this module; each has jobs of its own."""
    with Sink(tmp_path_factory.mktemp("sink")) as it:
        yield it


@pytest.fixture
def line(tmp_path: Path, sink: Sink) -> Iterator[Line]:
    """A line that ends with the test."""
    with Line(tmp_path, sink, timeout_seconds=5) as it:
        yield it
    sink.set_mode("ok")


@pytest.mark.parametrize("mode", COMES_BACK)
def test_it_comes_back_by_itself_in_order(sink: Sink, line: Line, mode: str) -> None:
    """The fault may last as long as it likes: afterwards the whole job is there, each request once, in order."""
    job_id = f"job-{mode}"
    line.take(uses_of(job_id))
    line.deliver_through(mode)
    ledger = line.outbox.ledger()
    assert_ledger(ledger)
    assert (ledger.accounts[0].delivered, ledger.pending) == (len(EXPECTED), 0)
    assert line.told(job_id) == EXPECTED


@pytest.mark.parametrize("mode", IN_DOUBT)
def test_what_may_have_arrived_is_not_sent_again(tmp_path: Path, sink: Sink, mode: str) -> None:
    """Each request reaches the backend once at the most; what got no answer is counted, and the rest goes on."""
    job_id = f"job-{mode}"
    with Line(tmp_path, sink, timeout_seconds=0.4) as line:
        line.take(uses_of(job_id))
        line.deliver_through(mode, "/events")
        ledger = line.outbox.ledger()
        assert_ledger(ledger)
        account = ledger.accounts[0]
        assert ledger.pending == 0
        assert set(account.dropped) <= {Reason.IN_DOUBT}
        keys = [each.key for each in line.requests()]
        assert len(keys) == len(set(keys)) == len(EXPECTED)
        told = line.told(job_id)
        assert told == [each for each in EXPECTED if each in told]
        assert told[:2] == EXPECTED[:2]


@pytest.mark.parametrize("where", ["/job_configurations", "/jobs"])
@pytest.mark.parametrize("mode", ["lostack", "noanswer", "hang"])
def test_an_opening_that_may_have_arrived_is_sent_again(tmp_path: Path, sink: Sink, mode: str, where: str) -> None:
    """Else all events behind it would be refused; the backend takes a configuration twice, and a job once."""
    job_id = f"job-{mode}-{where}"
    with Line(tmp_path, sink, timeout_seconds=0.4) as line:
        line.take(uses_of(job_id))
        line.deliver_through(mode, where)
        assert_ledger(line.outbox.ledger())
        assert line.outbox.ledger().pending == 0
        told = line.told(job_id)
        assert list(dict.fromkeys(told)) == EXPECTED
        assert told.count("jobs") == 1


def test_a_job_that_exists_already_goes_on(sink: Sink, line: Line) -> None:
    """A restarted program: the backend fails at its job a few times, and takes the events."""
    line.take(uses_of("again", first=1, steps=2))
    line.deliver_all()
    line.take(uses_of("again", first=500, steps=4)[1:])
    line.deliver_all()
    first, second = ["job_configurations", "jobs", "step0", "step1"], ["step0", "step1", "step2", "step3", "complete"]
    assert line.told("again") == [*first, "complete", *second]
    repeated = [each.answer for each in line.requests() if each.path == "/jobs"]
    assert repeated == [200, *[500] * 5]
    ledger = line.outbox.ledger()
    assert_ledger(ledger)
    assert ledger.accounts[0].dropped == {Reason.REFUSED: 1}


def test_a_job_that_the_backend_refuses_holds_no_other_up(sink: Sink, line: Line) -> None:
    """Two jobs are two chains; the events of the refused one are each given up after a few attempts."""
    bad = uses_of("bad", first=1, steps=1)
    bad[1] = Usage(**{name: getattr(bad[1], name) for name in bad[1].__struct_fields__} | {"extra": refused(bad[1])})
    line.take(bad)
    line.take(uses_of("good", first=500))
    line.courier.deliver_once()
    assert line.told("good")[-1] == "complete"
    line.deliver_all()
    assert line.told("bad") == ["job_configurations"] * 2
    assert line.outbox.ledger().accounts[0].dropped == {Reason.REFUSED: 3}


def refused(usage: Usage) -> dict[str, Any]:
    """The same fields with a customer that the backend does not have."""
    return {**usage.extra, "tracker.customer_id": 999}


def test_the_key_goes_with_each_request_and_stays_out_of_the_outbox(tmp_path: Path, sink: Sink, line: Line) -> None:
    """`x-api_key` is added at send time; the line end that files put behind it does no harm (D8)."""
    line.take(uses_of("key"))
    assert b"canary" not in b"".join(path.read_bytes() for path in tmp_path.glob("outbox.db*"))
    line.deliver_all()
    assert [each.auth_headers for each in line.requests()] == [["x-api_key"]] * len(EXPECTED)
    assert b"canary" not in b"".join(path.read_bytes() for path in tmp_path.glob("outbox.db*"))


def test_a_killed_job_ends_as_an_error(sink: Sink, line: Line) -> None:
    """The backend knows no failed end, so an `error` is the last that it hears."""
    line.take(uses_of("killed", outcome=Outcome.KILLED, steps=2))
    line.deliver_all()
    last = line.requests()[-1].records[0]["fields"]
    assert (last["kind"], last["event_metadata"]) == ("error", {"exception.type": "ProcessKilled"})


def test_the_question_about_the_key(sink: Sink) -> None:
    """The probe of the wire against the backend."""
    from footfall.wire import tracker_answers
    from footfall.wire.base import Action, Response
    from footfall.wire.tracker import TrackerWire

    probe, actions = TrackerWire().probe(), []
    with urllib3.PoolManager() as pool:
        for key in ("good", "wrong"):
            answer = pool.request(probe.method, sink.url + probe.path, headers={"x-api_key": key}, retries=False)
            response = Response(status=answer.status, headers={}, body=answer.data)
            actions.append(tracker_answers.judge_probe(response).action)
    assert actions == [Action.DELIVERED, Action.HALT]
    assert json.loads(probe.body or b"null") is None
