"""The facade beyond the recordings: locks, consent, ways to authenticate, large tarballs, what is remembered."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

import footfall
from footfall import runtime
from footfall.collect import run
from footfall.courier import credentials
from footfall.facade import insights
from tests.facade import insightshelp as help_

CALL: dict[str, Any] = {
    "collector_module": [
        {"function": "config", "key": "config", "config": True, "returns": {"v": 1}},
        {"function": "a", "key": "json_a", "returns": {"a": 1}},
        {"function": "t", "key": "table1", "format": "csv", "writes": "18 rows, max_file_size 100"},
    ],
    "collector": {"collection_type": "manual"},
    "package": {
        "PAYLOAD_CONTENT_TYPE": "application/vnd.redhat.example.payload+tgz",
        "MAX_DATA_SIZE": 1000,
        "_get_http_request_headers": {"X-Extra": "kept"},
    },
    "clock": "2024-03-01T12:00:00+00:00",
    "stored_before": {"last_gather": None, "entries": {}},
}
UNTIL = datetime.fromisoformat("2024-02-23T00:00:00+00:00")


@pytest.fixture(autouse=True)
def on(footfall_on: None) -> None:
    """Packages are sent."""


def program(url: str, **package: Any) -> insights.Collector:
    return help_.program({**CALL, "package": {**CALL["package"], **package}}, url)


def test_one_run_at_a_time_without_a_database() -> None:
    """A second one in the same moment is refused; after it, all is free."""
    with help_.Ingress() as server:
        first, second = program(server.url), program(server.url)
        inside, leave = threading.Event(), threading.Event()

        def hold(**_: Any) -> Any:
            inside.set()
            leave.wait(20)
            return 1

        first.collector_module.a = insights.register("json_a", "1.0")(hold)
        thread = threading.Thread(target=first.gather, kwargs={"until": UNTIL})
        thread.start()
        assert inside.wait(20)
        assert second.gather(until=UNTIL) is None
        assert second.log == [("ERROR", "Not gathering analytics, another task holds lock")]
        leave.set()
        thread.join(20)
        assert second.gather(until=UNTIL) is not None


def test_another_database_takes_the_lock_of_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    """Django says which it is; only PostgreSQL knows advisory locks."""

    class Connection:
        vendor = "sqlite"

    with help_.Ingress() as server:
        collector = program(server.url)
        monkeypatch.setattr(collector, "db_connection", Connection)
        assert len(collector.gather(until=UNTIL) or []) == 2


@pytest.mark.parametrize("said", ["off", "local"])
def test_the_user_decides(said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Off: nothing. Local: kept, and not sent. A dry run is always possible."""
    monkeypatch.setenv("FOOTFALL", said)
    with help_.Ingress() as server:
        collector = program(server.url)
        returned = collector.gather(until=UNTIL)
        assert server.asked == []
    assert (returned is None) == (said == "off")
    assert len(collector._kept.progress.ids()) == (0 if said == "off" else 2)
    rehearsal = help_.program({**CALL, "collector": {"collection_type": "dry-run"}}, "")
    paths = rehearsal.gather(until=UNTIL) or []
    assert all(Path(path).exists() for path in paths)
    rehearsal.delete_tarballs()


def test_a_no_to_this_collector_alone(tmp_path: Path) -> None:
    """Under its own name."""
    from footfall.consent import choice

    collector = program("http://127.0.0.1:9/upload")
    assert collector.project() == "insights/tests.facade.insightshelp.program.Collector"
    folder = tmp_path / "xdg-config" / "footfall"
    choice.turn_off(folder, collector.project())
    assert collector.gather(until=UNTIL) is None
    assert "was said" in collector.log[-1][1]


def parcel_of(collector: insights.Collector, tmp_path: Path) -> Any:
    package = collector.make_package()
    package.path = tmp_path / "a.tar.gz"
    package.path.write_bytes(b"")
    return package.parcel(())


def test_four_ways_to_authenticate(tmp_path: Path) -> None:
    """Each with what the courier needs; no secret in the destination, which is kept on disk."""
    url = "https://ingress.example.org/api/ingress/v1/upload"
    for mode in ("user-pass", "x-rh-identity", "mutual-tls", "user-pass-s3"):
        collector = program(url, shipping_auth_mode=mode, CERT_PATH="/ca.pem")
        package = collector._package_class()
        package.get_s3_configured = lambda self: True  # type: ignore[method-assign]
        package._get_rh_region = lambda self: "eu-west-1"  # type: ignore[method-assign]
        package._get_rh_bucket = lambda self: "bucket"  # type: ignore[method-assign]
        destination = parcel_of(collector, tmp_path).destination
        secret = credentials.resolve(destination.credentials, {})
        assert secret is not None
        assert "test-password" not in repr(destination)
        lines = secret.reveal().splitlines()
        if mode == "user-pass-s3":
            assert destination.endpoint == f"{url}/bucket"
            assert destination.options == {"auth": "s3", "region": "eu-west-1"}
            assert lines == ["test-user:test-password"]
            continue
        assert destination.endpoint == url
        assert lines[0] == "X-Extra: kept"
        if mode == "user-pass":
            assert destination.options == {"ca_file": "/ca.pem"}
            assert lines[1].startswith("Authorization: Basic ")
        elif mode == "x-rh-identity":
            assert destination.options == {}
            assert lines[1].startswith("x-rh-identity: ey")
        else:
            assert destination.options == {
                "auth": "mutual-tls",
                "certificate": "/etc/pki/consumer/cert.pem",
                "private_key": "/etc/pki/consumer/key.pem",
            }


@pytest.mark.parametrize(
    ("package", "says"),
    [
        ({"shipping_auth_mode": "kerberos"}, "no way to authenticate"),
        ({"PAYLOAD_CONTENT_TYPE": insights.Package.PAYLOAD_CONTENT_TYPE}, "PAYLOAD_CONTENT_TYPE is not set"),
        ({"get_ingress_url": "ftp://x"}, "nowhere to go"),
        ({"_get_http_request_headers": {"X-Bad": "a\rb"}}, "nowhere to go"),
    ],
)
def test_what_cannot_be_sent_is_gathered_again(package: dict[str, Any], says: str) -> None:
    """It is logged, nothing is stored, and nothing was sent."""
    with help_.Ingress() as server:
        collector = program(server.url, **package)
        collector.gather(until=UNTIL)
        assert any(says in text for _, text in collector.log)
        assert collector.entries == {}
        mended = program(server.url)
        mended.gather(until=UNTIL)
        assert len(server.asked) == 2


def test_a_tarball_that_is_too_large_is_split(monkeypatch: pytest.MonkeyPatch) -> None:
    """By members first, then by rows; each row arrives once, and the stored times move."""
    monkeypatch.setattr(run, "MAX_TARBALL_BYTES", 600)
    rows = [f"{number},{hash(str(number)) & 0xFFFFFFFFFFFFFFFF:x}\n" for number in range(60)]
    with help_.Ingress() as server:
        collector = program(server.url, MAX_DATA_SIZE=100_000)
        writes = help_.rows_of([help_.HEADER, *rows])

        def table(full_path: Path, **_: Any) -> Any:
            return writes(full_path)

        collector.collector_module.t = insights.register("table1", "1.0", format="csv")(table)
        names = [Path(path).name for path in collector.gather(until=UNTIL) or []]
        tarballs = [help_.part_of(asked)[2] for asked in server.uploads()]
    assert len(names) == len(set(names)) == len(tarballs) > 2
    assert all(len(each) <= 700 for each in tarballs)
    tables = [{member["name"]: member for member in help_.members(each)} for each in tarballs]
    found = [row for each in tables if "./table1.csv" in each for row in each["./table1.csv"]["text"].splitlines()[1:]]
    assert sorted(found) == sorted(row.strip() for row in rows)
    assert collector.entries["table1"] == UNTIL


def test_each_interval_is_an_event_of_its_project() -> None:
    """For those who instrument it: OTLP sees it too."""
    with help_.Ingress() as server:
        collector = program(server.url)
        footfall.instrument(collector.project(), version="1.0", send_to=[footfall.Otlp("http://127.0.0.1:9")])
        collector.gather(since=UNTIL - timedelta(days=1), until=UNTIL)
    text = Path(runtime.current().journal.path or "").read_text()
    assert '"json_a"' in text
    assert '"table1"' in text
    assert "1234,6789" not in text
