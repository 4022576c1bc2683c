"""Proxies and certificates, as users of `requests` expect them."""

from __future__ import annotations

import ssl
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from footfall.courier.route import Origin, bypassed, origin, proxy_for, tls_context
from footfall.errors import TransportError

HTTPS = Origin("https", "usage.example.org", 443)
PROXIES = {"https": "http://proxy.example:3128", "http": "proxy.example"}


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://example.org/api", Origin("https", "example.org", 443)),
        ("http://example.org:8080", Origin("http", "example.org", 8080)),
        ("http://[::1]:4318", Origin("http", "::1", 4318)),
    ],
)
def test_origin(url, expected):
    """Scheme, host and port; the scheme's port where none is given."""
    assert origin(url) == expected


@pytest.mark.parametrize("url", ["", "ftp://example.org", "//example.org", "http://a:b@example.org", "http://x:99999"])
def test_what_is_no_origin(url):
    """An error that says that nothing was sent."""
    with pytest.raises(TransportError) as caught:
        origin(url)
    assert not caught.value.in_doubt


def test_proxy_by_scheme():
    """Each scheme has its own; `all` stands in."""
    assert (proxy_for(HTTPS, PROXIES).host, proxy_for(HTTPS, PROXIES).port) == ("proxy.example", 3128)
    assert proxy_for(Origin("http", "usage.example.org", 80), PROXIES).port == 80
    assert proxy_for(HTTPS, {"all": "http://other"}).host == "other"
    assert proxy_for(HTTPS, {}) is None


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.1.2.3", "::1"])
def test_loopback_goes_direct(host):
    """Plain http is allowed to loopback because it does not leave the machine; a proxy would make it leave."""
    assert proxy_for(Origin("http", host, 4318), PROXIES) is None


def test_proxy_credentials_are_secret():
    """They become a header, percent-decoded, and show in no repr."""
    proxy = proxy_for(HTTPS, {"https": "http://me:p%40ss@proxy.example"})
    assert proxy.headers()["Proxy-Authorization"] == "Basic bWU6cEBzcw=="
    assert "bWU6" not in repr(proxy)
    assert "ss@" not in repr(proxy)


@pytest.mark.parametrize(
    "url", ["socks5://user:secret@proxy:1080", "https://secret@proxy", "http://", "http://[secret"]
)
def test_unknown_proxies_are_refused(url):
    """We do not go the direct way instead, and do not repeat the URL, which may hold a password."""
    with pytest.raises(TransportError) as caught:
        proxy_for(HTTPS, {"https": url})
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("no_proxy", "expected"),
    [
        ("", False),
        ("*", True),
        ("example.org", True),
        (".example.org", True),
        ("*.example.org", True),
        ("USAGE.example.org", True),
        ("usage.example.org:443", True),
        ("usage.example.org:8443", False),
        ("ample.org", False),
        ("other.org, example.org", True),
        ("other.org example.org", True),
    ],
)
def test_no_proxy_names(no_proxy, expected):
    """Names and what ends in them, with or without port, separated by commas or blanks."""
    assert bypassed(HTTPS, no_proxy) is expected


@pytest.mark.parametrize(
    ("host", "no_proxy", "expected"),
    [
        ("10.1.2.3", "10.0.0.0/8", True),
        ("11.1.2.3", "10.0.0.0/8", False),
        ("10.1.2.3", "10.1.2.3", True),
        ("10.1.2.3", "10.1.2.3:443", True),
        ("fd00::5", "fd00::/8", True),
        ("fd00::5", "[fd00::5]:443", True),
    ],
)
def test_no_proxy_addresses(host, no_proxy, expected):
    """Addresses and networks, as `requests` reads them."""
    assert bypassed(Origin("https", host, 443), no_proxy) is expected


@given(st.text(), st.text())
def test_bypassed_never_raises(host, no_proxy):
    """Environment variables hold anything."""
    assert bypassed(Origin("https", host, 443), no_proxy) in {True, False}


def test_what_is_asked_of_a_server():
    """Chain and name, TLS 1.2, no common names; on newer Pythons as strict as their own default (S12)."""
    context = tls_context(ca_file="", environ={})
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2
    assert not context.hostname_checks_common_name
    assert context.options & ssl.OP_NO_COMPRESSION
    assert context.options & ssl.OP_NO_TICKET
    strict = ssl.create_default_context().verify_flags if sys.version_info >= (3, 13) else context.verify_flags
    assert context.verify_flags == strict
