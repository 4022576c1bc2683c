"""`footfall demo`: played once, for real; and its checks would notice if anything were wrong."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from clihelp import footfall

from footfall.cli.demo import checks, stage, telling
from footfall.cli.demo.checks import Evidence
from footfall.cli.main import main
from footfall.testing.sink import read_requests


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], Path, str]:
    """The result of one demo, its directory, and what it said on stderr; played by a user who is opted out, in CI."""
    directory = tmp_path_factory.mktemp("demo") / "kept"
    said = footfall(
        "demo", "--json", "--keep", str(directory), DO_NOT_TRACK="1", CI="true", http_proxy="http://[::1]:9"
    )
    assert said.stdout, said.stderr
    return json.loads(said.stdout), directory, said.stderr


@pytest.fixture
def evidence(kept: tuple[dict[str, Any], Path, str]) -> Evidence:
    """The evidence of that demo, from what it left on disk."""
    result, directory, _ = kept
    waiting = {"ledger": {"accounts": [{"delivered": 0}], "pending": 1, "balanced": True}}
    accounts = [account["destination"] for account in result["status"]["ledger"]["accounts"]]
    paths = dict(zip(accounts, ("/graphql", "/v1/", "/api/breadcrumb"), strict=True))
    return Evidence(
        calls={name: Counter(calls) for name, calls in result["calls"].items()},
        refused=0,
        waiting=waiting,
        sent=0,
        status=result["status"],
        requests=read_requests(directory / "sink"),
        paths=paths,
    )


def test_every_check_holds(kept: tuple[dict[str, Any], Path, str]) -> None:
    """The main job, on a real package and its own data, comes out exact to the last use."""
    result, _, stderr = kept
    assert stderr == ""
    assert [check for check in result["checks"] if not check["ok"]] == []
    assert result["ok"] is True
    assert result["uses_at_server"]["networkx:common_neighbors"] == 77 * 76 // 2
    assert result["killed_run"]["attributes"]["error.type"] == "ProcessKilled"
    assert json.loads(result["breadcrumb"]["content"])["proc"]["status"] == "S"
    assert result["span"]["content"]["name"] == "networkx:shortest_path"


def test_in_ci_uses_are_marked_and_sent(evidence: Evidence) -> None:
    """CI is a context, not a reason to be silent."""
    assert {crumb["ctx"]["is_ci"] for crumb in evidence.records("crumb")} == {True}


def test_the_end_is_told_in_plain_words(evidence: Evidence) -> None:
    """The text has a row for each destination, the bytes, and a verdict."""
    found = checks.judge(evidence)
    text = "\n".join(telling.lines(evidence, found, 4.2))
    assert text.endswith(f"{len(found)} of {len(found)} checks hold, in 4.2 s")
    assert "POST /api/breadcrumb, " in text
    assert ": 1f8b0800 " in text
    assert all(line.isprintable() for line in text.splitlines())
    assert all(account["destination"] in text for account in evidence.status["ledger"]["accounts"])


def _lose_a_request(evidence: Evidence) -> Evidence:
    return msgspec.structs.replace(evidence, requests=evidence.requests[1:])


def _send_a_request_twice(evidence: Evidence) -> Evidence:
    return msgspec.structs.replace(evidence, requests=[*evidence.requests, evidence.requests[-1]])


def _call_once_more(evidence: Evidence) -> Evidence:
    more = {**evidence.calls, "library": evidence.calls["library"] + Counter({"networkx:density": 1})}
    return msgspec.structs.replace(evidence, calls=more)


def _leave_something(evidence: Evidence) -> Evidence:
    return msgspec.structs.replace(evidence, sent=1)


def _reach_the_server_too_early(evidence: Evidence) -> Evidence:
    return msgspec.structs.replace(evidence, refused=1)


def _send_credentials(evidence: Evidence) -> Evidence:
    first, *rest = evidence.requests
    values = {**{name: getattr(first, name) for name in first.__dataclass_fields__}, "auth_headers": ["cookie"]}
    return msgspec.structs.replace(evidence, requests=[type(first)(**values), *rest])


def _cook_the_books(evidence: Evidence) -> Evidence:
    status = json.loads(json.dumps(evidence.status))
    status["ledger"]["accounts"][0]["delivered"] += 1
    return msgspec.structs.replace(evidence, status=status)


@pytest.mark.parametrize(
    "spoil",
    [
        _lose_a_request,
        _send_a_request_twice,
        _call_once_more,
        _leave_something,
        _reach_the_server_too_early,
        _send_credentials,
        _cook_the_books,
    ],
)
def test_the_checks_notice(evidence: Evidence, spoil: Callable[[Evidence], Evidence]) -> None:
    """One thing wrong anywhere, and some check fails and is named in the verdict."""
    assert all(check.holds for check in checks.judge(evidence))
    spoilt = spoil(evidence)
    found = checks.judge(spoilt)
    wrong = [check.says for check in found if not check.holds]
    assert wrong
    assert telling.lines(spoilt, found, 1.0)[-1].endswith("; ".join(wrong))
    assert telling.result(spoilt, found, 1.0)["ok"] is False


def test_what_is_missing_is_named_with_the_command_that_installs_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without the extra the demo is not played, and says how to get it."""
    monkeypatch.setattr(stage.missing, "__defaults__", (("networkx", "no-such-distribution"),))
    assert main(["demo"]) == 2
    assert capsys.readouterr().err == 'footfall demo needs no-such-distribution: pip install "footfall[demo]"\n'


def test_a_directory_with_something_in_it_is_not_played_in(tmp_path: Path) -> None:
    """`--keep` never mixes with files that are there."""
    (tmp_path / "mine").write_text("keep me", encoding="utf-8")
    said = footfall("demo", "--keep", str(tmp_path))
    assert said.returncode == 2
    assert "not empty" in said.stderr


def test_the_users_no_is_mentioned() -> None:
    """Variables that say no are named, and only those."""
    environ = {"DO_NOT_TRACK": "1", "FOOTFALL": "on", "MIGAS_OPTOUT": "0", "OTEL_SDK_DISABLED": "false"}
    assert stage.opted_out(environ) == ["DO_NOT_TRACK", "MIGAS_OPTOUT"]
    built = stage.Stage.build(Path("/nowhere"), {**environ, "PATH": "/bin", "HTTPS_PROXY": "http://proxy"})
    assert set(built.environ) & {"DO_NOT_TRACK", "MIGAS_OPTOUT", "OTEL_SDK_DISABLED", "HTTPS_PROXY"} == set()
    assert (built.environ["PATH"], built.environ["FOOTFALL"]) == ("/bin", "on")
