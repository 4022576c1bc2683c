"""The factories give checked destinations, and cost nothing to import."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from footfall.destination import Destination
from footfall.errors import ConfigurationError, NotOfferedError
from footfall.wire.destinations import Access, Insights, Migas, Otlp, Ramen
from footfall.wire.load import load


def test_defaults_are_not_written_down() -> None:
    """A destination made here and one written in a file are the same, and so have one account."""
    assert Migas("https://migas.example.org") == Destination(wire="migas", endpoint="https://migas.example.org")
    assert Otlp("http://localhost:4318") == Destination(wire="otlp", endpoint="http://localhost:4318")


def test_options_reach_the_wire() -> None:
    """Every option can be loaded again from the destination alone."""
    migas = Migas("https://m.example.org", dialect="graphql", wait=True, in_doubt="drop")
    assert (migas.options, migas.in_doubt) == ({"dialect": "graphql", "wait": True}, "drop")
    assert vars(load(migas.wire, migas.options))["path"] == "/graphql"
    otlp = Otlp("http://c.example.org:4318", compression="none", insecure=True, credentials="env:TOKEN")
    assert (otlp.options, otlp.insecure, otlp.credentials) == ({"compression": "none"}, True, "env:TOKEN")
    assert vars(load(otlp.wire, otlp.options))["compression"] == "none"
    access = Access("https://a.example.org/api", services="intake_catalog", headers={"X-Site": "nci"})
    assert (access.services, access.options) == (("intake_catalog",), {"headers": "X-Site: nci"})
    assert vars(load(access.wire, access.options))["headers"] == (("X-Site", "nci"),)
    ramen = Ramen("https://r.example.org", system_serial=7, sender="imx", system_version="1.0", rule_ttl=60)
    assert vars(load(ramen.wire, ramen.options))["rule_seconds"] == 60.0


def test_an_insights_destination_says_how_it_authenticates() -> None:
    """User and password unless it says otherwise; what the wire refuses is refused here."""
    url = "https://i.example.org/api/ingress/v1/upload"
    assert Insights(url, credentials="env:I").options == {"auth": "user-pass"}
    assert Insights(url, auth="headers") == Destination(wire="insights", endpoint=url)
    tls = Insights(url, auth="mutual-tls", certificate="/c.pem", private_key="/k.pem", ca_file="/ca.pem", run_seconds=5)
    wire = vars(load(tls.wire, tls.options))
    assert [wire[name] for name in ("certificate", "private_key", "ca_file", "run_seconds")] == [
        "/c.pem", "/k.pem", "/ca.pem", 5.0
    ]  # fmt: skip
    assert Insights(url, auth="s3", region="eu-north-1").options == {"auth": "s3", "region": "eu-north-1"}
    for options in ({"auth": "pray"}, {"auth": "mutual-tls"}, {"content_type": "text/plain"}, {"run_seconds": -1}):
        with pytest.raises(ConfigurationError, match="insights: "):
            Insights(url, **options)  # type: ignore[arg-type]


def test_s3_without_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """Said when it is asked for, with what to install."""
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(NotOfferedError, match=r"footfall\[insights-s3\]"):
        Insights("https://s3.example.org/bucket", auth="s3")


def test_a_ramen_destination_needs_its_serial() -> None:
    """The one option without a default is written down, the others are not; what the wire refuses is refused here."""
    bare = Ramen("https://r.example.org", system_serial=7)
    assert bare == Destination(wire="ramen", endpoint="https://r.example.org", options={"system_serial": 7})
    with pytest.raises(ConfigurationError, match="system_serial -1 must be an integer from 0"):
        Ramen("https://r.example.org", system_serial=-1)
    with pytest.raises(ConfigurationError, match="plain http"):
        Ramen("http://r.example.org", system_serial=7)


@pytest.mark.parametrize("factory", [Access, Migas, Otlp])
@pytest.mark.parametrize(
    ("endpoint", "options"),
    [
        ("migas.example.org", {}),
        ("http://migas.example.org", {}),
        ("https://user:secret@migas.example.org", {}),
        ("https://migas.example.org", {"credentials": "Bearer secret"}),
        ("https://migas.example.org", {"in_doubt": "pray"}),
    ],
)
def test_what_cannot_be_sent_to_is_refused(factory: Any, endpoint: str, options: dict[str, Any]) -> None:
    """Wrong endpoints, plain http to another machine and written-down secrets are refused; no secret is repeated."""
    with pytest.raises(ConfigurationError) as caught:
        factory(endpoint, **options)
    assert "secret" not in str(caught.value).replace("the secret itself", "")


def test_wrong_choices_are_refused() -> None:
    """The message names what is offered."""
    with pytest.raises(ConfigurationError, match=r"dialect 'soap' is not offered; say 'rest' or 'graphql'"):
        Migas("https://migas.example.org", dialect="soap")  # type: ignore[arg-type]  # the mistake under test
    with pytest.raises(ConfigurationError, match=r"compression 'zip' is not offered; say 'gzip' or 'none'"):
        Otlp("https://otlp.example.org", compression="zip")  # type: ignore[arg-type]  # the mistake under test


def test_importing_them_is_light() -> None:
    """Neither the SDK, nor an HTTP client, nor package metadata is loaded before a use is delivered."""
    program = (
        "import sys, footfall.wire.destinations, footfall.wire.load\n"
        "footfall.wire.load.load('migas', {})\n"
        "footfall.wire.load.load('access', {'headers': 'X-Site: nci'})\n"
        "heavy = ('opentelemetry', 'google.protobuf', 'requests', 'sqlite3', 'yaml', 'importlib.metadata')\n"
        "print([name for name in heavy if name in sys.modules])\n"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert result.stdout.strip() == "[]"
