"""S3 and S4 for the facade of trackerapi: the key goes to its server alone, and secrets in metadata to nobody."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import footfall
from footfall.errors import trouble
from footfall.facade.tracker import JobConfig, StepConfig, TrackerApi, accounts, api, known, telling
from footfall.scrub import bounded
from footfall.testing.sink.client import Sink
from tests.security.rules import everything_in, rule, without
from tests.security.test_s03_credentials import PlainHeaders, PlainSecret
from tests.security.whole import everything_logged, forget, roots

KEY = "canary-7f3a-92"
SECRETS = ("hunter2", "alice@example.org")

WORK = JobConfig("My Job", "my_job", [StepConfig("Say Hello", "say_hello", 10)])


def everything(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> dict[str, bytes]:
    """Do all that a program can do, with a server that is away, says no, and says yes; return what that left."""
    forget()
    accounts.accounts.forget()
    known.configurations.forget()
    directory, shown = tmp_path / "sink", list[str]()
    left = dict[str, bytes]()
    with Sink(directory) as sink, everything_logged() as said:
        for mode in ("ok", "refuse", "status:403"):
            trouble._logged_at.clear()
            sink.set_mode(mode)
            try:
                tracker = TrackerApi(KEY, sink.url)
            except OSError as error:  # requests' own, at 403
                shown.append(repr((error, vars(error))))
                tracker = TrackerApi(KEY, sink.url, skip_verify=True)
            tracker.register_job_config(WORK)
            job = tracker.create_job(f"job-{mode}", 142, "my_job")
            job.send_event("error", "say_hello", {"password": SECRETS[0], "message": f"mail to {SECRETS[1]}"})
            shown.append(repr((tracker, vars(tracker), job, vars(job), vars(tracker.account))))
            left |= everything_in(*roots())  # the journal, before the courier may remove it
            if mode != "refuse":
                footfall.drain(12)
        forget()
        assert all(each.auth_headers == ["x-api_key"] for each in sink.requests() if each.wire == "tracker")
    streams = capfd.readouterr()
    left |= everything_in(*roots(), directory)
    texts = {"log": said, "objects": shown, "streams": [streams.out, streams.err]}
    return left | {name: "\n".join(each).encode() for name, each in texts.items()}


def kept_as_text(text: str, label: str) -> str:
    """The stand-in for `credentials.hold`: a reference that is the secret."""
    del label
    return f"file:/{text}"


def assert_absent(left: dict[str, bytes], *texts: str) -> None:
    for where, content in left.items():
        for text in texts:
            assert text.encode() not in content, where


@rule(
    without(accounts.credentials, "hold", kept_as_text),
    without(api, "Secret", PlainSecret),
    without(accounts.credentials, "headers", lambda secret: PlainHeaders({"x-api_key": secret.reveal()[11:]})),
)
def test_the_key_is_nowhere(tmp_path: Path, capfd: pytest.CaptureFixture[str], footfall_on: None) -> None:
    """Journal, outbox, remembered configurations, log, both streams, objects and errors: not one byte of it."""
    assert_absent(everything(tmp_path, capfd), KEY)


@rule(without(telling, "scrub", bounded))
def test_secrets_in_metadata_are_nowhere(tmp_path: Path, capfd: pytest.CaptureFixture[str], footfall_on: None) -> None:
    """They are taken out before anything is written (D10), and the rest arrives."""
    left: Any = everything(tmp_path, capfd)
    assert_absent(left, *SECRETS)
    received = left[str(tmp_path / "sink" / "requests.jsonl")].decode()
    for kept in ("<redacted:key>", "mail to <redacted:email>"):
        assert kept in received
