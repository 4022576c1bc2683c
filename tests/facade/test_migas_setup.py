"""`setup`, `Config`, who the user is, and what goes where."""

from __future__ import annotations

import json
import logging
import os
import stat
import uuid
from pathlib import Path
from typing import Any

import pytest

import footfall
from footfall.errors import ConfigurationError
from footfall.facade import migas
from footfall.facade.migas import config
from footfall.facade.migas.config import Config, gen_uuid
from footfall.facade.migas.pipeline import DISABLED, NOT_SET_UP, TIMED_OUT
from footfall.testing.sink.client import Sink
from tests.facade.migashelp import meaning_of, requests_after

PROJECT = ("nipreps/fmriprep", "24.1.0")
USER = "5d1a3f2e-9b4c-3e21-8a77-0c2f5e6d7a81"
SESSION = "0f4b2c6e-51d2-4c0a-9f3a-7b1d2e3f4a5b"

on = pytest.mark.usefixtures("footfall_on")


def crumbs_after(sink: Sink, before: int) -> list[dict[str, Any]]:
    return [
        meaning_of(json.loads(each.body))
        for each in requests_after(sink, before)
        if "crumb" in each.body or each.path.startswith("/api")
    ]


@pytest.mark.parametrize(
    ("endpoint", "dialect"),
    [
        (None, "graphql"),
        ("https://migas.nipreps.org/graphql", "graphql"),
        ("https://migas.nipreps.org/graphql/", "graphql"),
        ("https://migas.nipreps.org", "rest"),
        ("https://example.org/migas/", "rest"),
    ],
)
def test_the_endpoint_says_the_dialect(endpoint: str | None, dialect: str) -> None:
    """Endpoints of the release end in /graphql, base URLs are of the later version; and whoever says so is believed."""
    migas.setup(endpoint=endpoint)
    assert Config.dialect == dialect
    migas.setup(endpoint=endpoint, dialect="rest")
    assert Config.dialect == "rest"
    migas.setup(session_id=SESSION)
    assert (Config.dialect, Config.endpoint) == ("rest", endpoint or config.DEFAULT_ENDPOINT), "a later call keeps both"


def test_a_dialect_that_nobody_speaks_is_an_error() -> None:
    """The one mistake that raises: an argument that the original does not have."""
    with pytest.raises(ConfigurationError, match="'graphql' or 'rest'"):
        migas.setup(dialect="soap")  # type: ignore[arg-type]


@on
def test_without_setup_every_call_says_so() -> None:
    """Vector 046, for each call; a run does nothing."""
    refused = {"success": False, "errors": [{"message": NOT_SET_UP}]}
    assert [
        migas.add_breadcrumb(*PROJECT),
        migas.check_project(*PROJECT),
        migas.get_usage(PROJECT[0], "2024-01-01"),
    ] == [refused] * 3
    with migas.track(*PROJECT):
        pass
    assert footfall.drain().accounts == ()


@on
@pytest.mark.parametrize(
    ("endpoint", "word"),
    [
        ("http://migas.example.org/graphql", "insecure=True"),
        ("https://u:p@example.org", "user name"),
        ("nonsense", "https://"),
    ],
)
def test_an_endpoint_that_cannot_be_used_is_logged_once(
    endpoint: str, word: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Nothing raises; the log and each call's answer say why."""
    migas.setup(endpoint=endpoint)
    answers = [migas.add_breadcrumb(*PROJECT), migas.check_project(*PROJECT)]
    for answer in answers:
        assert answer is not None
        assert (answer["success"], word in answer["message"]) == (False, True)
    assert [word in record.message for record in caplog.records] == [True]


def test_plain_http_to_another_machine_is_allowed_by_name() -> None:
    """As for every destination of footfall."""
    migas.setup(endpoint="http://migas.example.org/graphql", insecure=True)
    destination = Config.destination()
    assert not isinstance(destination, str)
    assert (destination.endpoint, destination.insecure) == ("http://migas.example.org", True)


@on
def test_a_file_is_shared_only_when_it_is_named(tmp_path: Path, sink: Sink) -> None:
    """Mode 0600, and code wins over it; nothing is left in the temporary folder (defect D10)."""
    shared = tmp_path / "below" / "migas.json"
    migas.setup(endpoint=sink.url, session_id=SESSION, filename=shared)
    assert stat.S_IMODE(shared.stat().st_mode) == 0o600
    Config.forget()
    migas.setup(filename=shared, user_id=USER, save_config=False)
    assert (Config.endpoint, Config.session_id, Config.user_id) == (sink.url, SESSION, USER)
    Config.forget()
    migas.setup(filename=str(shared), endpoint="https://example.org")
    assert Config.endpoint == "https://example.org"


@on
def test_a_file_of_others_is_not_read(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Whoever plants it would choose the endpoint and the user id."""
    planted = tmp_path / "migas.json"
    planted.write_text(json.dumps({"endpoint": "https://evil.example.org", "user_id": USER}))
    planted.chmod(0o666)
    migas.setup(filename=planted, save_config=False)
    assert Config.endpoint == config.DEFAULT_ENDPOINT
    assert Config.user_id != USER
    assert "UnsafeFileError" in caplog.text


@on
def test_ids_that_are_no_uuids_are_left_aside(caplog: pytest.LogCaptureFixture) -> None:
    """As in the original, but said."""
    migas.setup(user_id="alice", session_id="run 5")
    assert uuid.UUID(Config.user_id or "").version == 4
    assert Config.session_id != "run 5"
    assert "alice" not in caplog.text
    assert len(caplog.records) == 2


@on
def test_what_is_set_is_what_is_said(sink: Sink) -> None:
    """An attribute set goes into every crumb, None takes one out, a keyword wins."""
    before = len(sink.requests())
    migas.setup(endpoint=sink.url)
    Config.platform, Config.is_ci, Config.container = "beos", True, None
    migas.add_breadcrumb(*PROJECT, is_ci=False)
    (crumb,) = crumbs_after(sink, before)
    assert (crumb["ctx"]["platform"], crumb["ctx"]["is_ci"], "container" in crumb["ctx"]) == ("beos", False, False)
    assert {name: value for name, value in crumb["ctx"].items() if name != "is_ci"}.items() <= Config.populate().items()


@on
def test_print_config_prints_what_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    """A line for each attribute, as the original has it."""
    migas.setup(endpoint="https://migas.example.org", user_id=USER, session_id=SESSION)
    migas.print_config()
    lines = dict(line.split(": ", 1) for line in capsys.readouterr().out.splitlines())
    assert lines["endpoint"] == "https://migas.example.org"
    assert (lines["user_id"], lines["session_id"], lines["language"]) == (USER, SESSION, "python")
    assert set(lines) == {"endpoint", "dialect", *config.CONTEXT}


@on
def test_clearing_makes_somebody_new(sink: Sink) -> None:
    """At once, in this process too; an id that was set is forgotten as well."""
    before = len(sink.requests())
    migas.setup(endpoint=sink.url, user_id=USER)
    migas.add_breadcrumb(*PROJECT)
    migas.clear_user_id()
    first = gen_uuid()
    migas.add_breadcrumb(*PROJECT)
    migas.clear_user_id()
    migas.add_breadcrumb(*PROJECT)
    assert gen_uuid() not in {first, None}
    assert [crumb["ctx"]["user_id"] for crumb in crumbs_after(sink, before)] == [USER, first, gen_uuid()]


def test_the_originals_file_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its id can be guessed back to a name."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    theirs = tmp_path / "migas" / "user_id"
    theirs.parent.mkdir()
    theirs.write_text(USER)
    migas.setup()
    assert Config.user_id != USER
    migas.clear_user_id()
    assert theirs.read_text() == USER


def test_an_id_is_made_by_a_known_factory() -> None:
    """`random` is new each time."""
    assert gen_uuid("random") != gen_uuid("random")
    with pytest.raises(NotImplementedError):
        gen_uuid("guess")  # type: ignore[arg-type]


@on
def test_variables_with_wrong_values_are_logged(
    sink: Sink, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Vector 040: never raised, and the default holds."""
    monkeypatch.setenv("MIGAS_TIMEOUT", "abc")
    monkeypatch.setenv("MIGAS_LOG_LEVEL", "LOUD")
    migas.setup(endpoint=sink.url)
    assert migas.check_project(*PROJECT)["success"] is True
    assert migas.get_usage(PROJECT[0], "2024-01-01")["success"] is True
    assert ["MIGAS_LOG_LEVEL='LOUD'" in caplog.text, caplog.text.count("MIGAS_TIMEOUT='abc'")] == [True, 1]
    for wrong in ("-1", "nan", "inf", "1e999"):
        monkeypatch.setenv("MIGAS_TIMEOUT", wrong)
        assert config.timeout_seconds() == config.DEFAULT_TIMEOUT_SECONDS


@on
def test_the_variables_are_honoured(sink: Sink, monkeypatch: pytest.MonkeyPatch) -> None:
    """0 asks nothing, as in the original; a level by name or number."""
    before = len(sink.requests())
    monkeypatch.setenv("MIGAS_TIMEOUT", "0")
    for level in ("debug", "10"):
        monkeypatch.setenv("MIGAS_LOG_LEVEL", level)
        migas.setup(endpoint=sink.url)
        assert config.logger.level == logging.DEBUG
        config.logger.setLevel(logging.NOTSET)
    assert migas.check_project(*PROJECT) == {"success": False, "message": TIMED_OUT}
    assert len(sink.requests()) == before


def test_importing_installs_no_handler_that_writes() -> None:
    """Defect D12."""
    assert [type(handler) for handler in logging.getLogger("migas-py").handlers] == [logging.NullHandler]


@on
def test_other_destinations_of_the_project_hear_it_too(sink: Sink) -> None:
    """A crumb is an event and a run is a span, wherever else the project sends."""
    before = len(sink.requests())
    footfall.instrument(PROJECT[0], send_to=[footfall.Otlp(sink.url)])
    migas.setup(endpoint=sink.url + "/graphql")
    migas.add_breadcrumb(*PROJECT, status="F", status_desc="broke at /home/alice/x", error_type="ValueError")
    with migas.track(*PROJECT):
        pass
    footfall.instrument(PROJECT[0], send_to=[footfall.Otlp(sink.url + "/")])
    migas.add_breadcrumb(*PROJECT)
    received = requests_after(sink, before)
    records = [record for each in received if each.wire == "otlp" for record in each.records]
    events = [record for record in records if record["name"] == "breadcrumb"]
    told = [(each["attributes"].get("footfall.outcome"), each["attributes"].get("error.type")) for each in events]
    assert sorted(told, key=str) == [("error", "ValueError"), (None, None)]  # to two addresses, in no order
    assert [record["name"] for record in records if record["type"] == "span"] == [PROJECT[0]]
    assert len([each for each in received if each.wire == "migas"]) == 4
    assert "alice" not in str(received)


@on
def test_a_new_endpoint_takes_the_place_of_the_old_one(sink: Sink) -> None:
    """A second setup moves a project; it does not send twice."""
    before = len(sink.requests())
    migas.setup(endpoint=sink.url + "/graphql")
    migas.add_breadcrumb(*PROJECT)
    migas.setup(endpoint=sink.url)
    migas.add_breadcrumb(*PROJECT)
    assert sorted(each.path for each in requests_after(sink, before)) == ["/api/breadcrumb", "/graphql"]


@on
def test_the_same_server_is_told_once(sink: Sink) -> None:
    """A project that sends to the server already, in the other dialect, does not count twice."""
    before = len(sink.requests())
    footfall.instrument(PROJECT[0], send_to=[footfall.Migas(sink.url)])
    migas.setup(endpoint=sink.url + "/graphql")
    migas.add_breadcrumb(*PROJECT)
    assert [each.path for each in requests_after(sink, before)] == ["/graphql"]


def test_recording_here_only_asks_nobody(sink: Sink) -> None:
    """FOOTFALL=local, in which tests run: crumbs stay in the journal, and no question leaves the machine."""
    before = len(sink.requests())
    migas.setup(endpoint=sink.url + "/graphql")
    assert migas.add_breadcrumb(*PROJECT) == {"success": True}
    assert migas.check_project(*PROJECT) == {"success": False, "errors": [{"message": DISABLED}]}
    (journal,) = [
        path
        for path in Path(os.environ["FOOTFALL_DIR"]).rglob("*")
        if path.is_file() and b"breadcrumb" in path.read_bytes()
    ]
    assert PROJECT[0] in journal.read_text()
    assert len(sink.requests()) == before


@on
def test_texts_are_scrubbed_before_they_are_written(sink: Sink) -> None:
    """Defect D7: what is not on disk cannot leak."""
    before = len(sink.requests())
    migas.setup(endpoint=sink.url)
    migas.add_breadcrumb(
        *PROJECT,
        status="F",
        status_desc="password=hunter2 of alice@example.org",
        error_desc="no such file: /home/alice/data/x.nii",
    )
    written = b"".join(path.read_bytes() for path in Path(os.environ["FOOTFALL_DIR"]).rglob("*") if path.is_file())
    for secret in (b"hunter2", b"alice"):
        assert secret not in written
    (crumb,) = crumbs_after(sink, before)
    assert crumb["proc"]["status_desc"] == "password=<redacted:secret> of <redacted:email>"
    assert crumb["proc"]["error_desc"] == "no such file: <redacted:path>"


@on
def test_values_of_any_kind_raise_nothing(sink: Sink) -> None:
    """Defects D4 to D6: no value of the caller's breaks the call, and none of its code runs."""

    class Hostile:
        def __repr__(self) -> str:
            raise RuntimeError

        __str__ = __repr__

    before = len(sink.requests())
    migas.setup(endpoint=sink.url)
    cyclic: list[Any] = []
    cyclic.append(cyclic)
    for value in (Hostile(), cyclic, float("nan"), b"x", {1: 2}, 10**5000, "\ud800", object):
        migas.add_breadcrumb(*PROJECT, status=value, status_desc=value, error_desc=value, user_id=value, is_ci=value)
        migas.add_breadcrumb(PROJECT[0], value)  # type: ignore[arg-type]
    for wrong in ("noslash", "a/b/c", "", None, 5):
        answer = migas.add_breadcrumb(wrong, "1")  # type: ignore[arg-type]
        assert answer is not None
        assert "owner/name" in answer["message"]
        assert migas.check_project(wrong, "1")["success"] is False  # type: ignore[arg-type]
    assert migas.get_usage(PROJECT[0], object())["success"] is False  # type: ignore[arg-type]
    received = requests_after(sink, before)
    assert len([each for each in received if each.accepted]) == 16


def test_a_missing_argument_is_a_type_error() -> None:
    """Wrong use of the interface is Python's own error."""
    with pytest.raises(TypeError, match="project_version"):
        migas.add_breadcrumb("nipreps/fmriprep")  # type: ignore[call-arg]
