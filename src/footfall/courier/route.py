"""How to reach a server: directly or through a proxy, and whose certificates to trust.

As users of `requests` expect it: ``HTTPS_PROXY``, ``HTTP_PROXY``, ``ALL_PROXY``, ``NO_PROXY``, the system's proxy
settings on macOS and Windows, ``REQUESTS_CA_BUNDLE`` and ``CURL_CA_BUNDLE``. Two things differ. ``.netrc`` is never
read: a password for the web is none for a usage server. And loopback is never reached through a proxy, as in Go and
curl: plain http is allowed there because it does not leave the machine.
"""

from __future__ import annotations

import base64
import ssl
import sys
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

import msgspec

from footfall.courier.credentials import Headers, Secret, TlsFiles
from footfall.destination import is_loopback
from footfall.errors import TransportError

if TYPE_CHECKING:
    from collections.abc import Mapping


class TlsError(TransportError):
    """The server could not prove who it is, or speaks no acceptable TLS (reliability.md N10).

    Nothing was sent. Trying again soon helps nobody: the courier halts the destination, as after a 401.
    """

    def __init__(self, message: str) -> None:
        super().__init__(message, in_doubt=False)


class Origin(msgspec.Struct, frozen=True):
    """Scheme, host and port of a server."""

    scheme: str
    host: str
    port: int

    @property
    def netloc(self) -> str:
        """For messages and ``Host``; without the port where it is the scheme's own."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.scheme == "https" else 80) else f"{host}:{self.port}"


class Proxy(msgspec.Struct, frozen=True):
    """An HTTP proxy and, where its URL named a user, the header that says so."""

    host: str
    port: int
    authorization: Secret | None

    @property
    def url(self) -> str:
        """Without the user."""
        return f"http://{Origin('http', self.host, self.port).netloc}"

    def headers(self) -> Headers:
        """Return the headers for the proxy itself."""
        return Headers({"Proxy-Authorization": self.authorization.reveal()} if self.authorization else {})


def origin(base_url: str) -> Origin:
    """Return where *base_url* points.

    Raises:
        TransportError: It is no http(s) URL; nothing was sent.
    """
    try:
        parts = urlsplit(base_url)
        host, port = parts.hostname, parts.port
    except ValueError:
        host = port = None
        parts = urlsplit("")
    if parts.scheme not in {"http", "https"} or not host or parts.username is not None:
        msg = "the base URL is not https://host[:port][/path] or http://...; nothing was sent"
        raise TransportError(msg, in_doubt=False)
    return Origin(parts.scheme, host, port or (443 if parts.scheme == "https" else 80))


def system_proxies(server: Origin) -> Mapping[str, str]:
    """Return the proxy URLs of the environment or the system by scheme, or nothing where they exempt *server*."""
    from requests.utils import get_environ_proxies  # noqa: PLC0415  loads an HTTP client

    return get_environ_proxies(f"{server.scheme}://{server.netloc}")


def proxy_for(server: Origin, proxies: Mapping[str, str]) -> Proxy | None:
    """Return the proxy on the way to *server*, or None for the direct way.

    Args:
        server: Where a request goes.
        proxies: Proxy URLs by scheme, with ``all`` and ``no``, as `urllib.request.getproxies` returns them. One under
            ``named`` was named for this very server: nothing exempts from it, not even loopback.

    Raises:
        TransportError: The proxy is of a kind we do not use, or its URL is none. Going the direct way instead is not
            for us to decide. SOCKS needs another package; within TLS to a proxy, urllib3 lets each byte of the TLS
            to the server wait anew, so no deadline would hold.
    """
    url = proxies.get("named")
    if not url:
        url = proxies.get(server.scheme) or proxies.get("all")
        if not url or is_loopback(server.host) or bypassed(server, proxies.get("no", "")):
            return None
    try:
        parts = urlsplit(url if "://" in url else f"http://{url}")
        host, port = parts.hostname, parts.port
    except ValueError:
        host = port = parts = None
    if parts is None or parts.scheme != "http" or not host:
        # The URL itself may hold a password.
        msg = f"the proxy for {server.scheme} must be http://[user:password@]host[:port]; set NO_PROXY to go without"
        raise TransportError(msg, in_doubt=False)
    authorization = None
    if parts.username is not None:
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        authorization = Secret("Basic " + base64.b64encode(pair.encode()).decode("ascii"))
    return Proxy(host, port or 80, authorization)


def bypassed(server: Origin, no_proxy: str) -> bool:
    """Whether *no_proxy* exempts *server*.

    Its entries are ``*``, an address, a network, or a name (which also stands for what ends in it); ``:port`` may
    follow. `requests` knows no networks of IPv6, no ``*.`` and no ports of addresses, hence this.
    """
    host = server.host.lower().rstrip(".")
    for entry in no_proxy.lower().replace(" ", ",").split(","):
        for text in (entry, entry.removesuffix(f":{server.port}")):
            name = text.strip("[]").lstrip("*").strip(".")
            if text == "*" or (name and (host == name or host.endswith("." + name))) or _within(host, name):
                return True
    return False


def _within(host: str, network: str) -> bool:
    try:
        return ip_address(host) in ip_network(network, strict=False)
    except ValueError:
        return False


def present(context: ssl.SSLContext, files: TlsFiles) -> None:
    """Have *context* present the client certificate of *files*, if it names one.

    Raises:
        TlsError: The files cannot be read, or do not fit together.
    """
    if files.certificate:
        try:
            # No password is asked for: a key that wants one cannot be used by a process that nobody watches.
            context.load_cert_chain(files.certificate, files.private_key or None, password=lambda: "")
        except (OSError, ValueError):
            msg = f"client certificate {files.certificate}: it or its key cannot be read, or they do not fit"
            raise TlsError(msg) from None


def tls_context(*, ca_file: str, environ: Mapping[str, str]) -> ssl.SSLContext:
    """Return a context that always verifies chain and name, from TLS 1.2 on (reliability.md S12).

    Args:
        ca_file: A further file of certificates to trust, or "".
        environ: Names the bundle, as for `requests`; OpenSSL's own ``SSL_CERT_FILE`` and ``SSL_CERT_DIR`` count as
            well. Without any, the bundle of `requests`.

    Raises:
        TlsError: A file that was named cannot be read, or holds no certificates.
    """
    from requests.utils import DEFAULT_CA_BUNDLE_PATH  # noqa: PLC0415  loads an HTTP client

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.hostname_checks_common_name = False
    context.options |= ssl.OP_NO_TICKET  # sessions are not resumed, and by a ticket a server could tell clients apart
    if sys.version_info >= (3, 13):  # as Python's own default context, which would load the system's certificates
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN | ssl.VERIFY_X509_STRICT
    bundle = environ.get("REQUESTS_CA_BUNDLE") or environ.get("CURL_CA_BUNDLE")
    try:
        if not bundle and (environ.get("SSL_CERT_FILE") or environ.get("SSL_CERT_DIR")):
            context.set_default_verify_paths()
        elif bundle and Path(bundle).is_dir():
            context.load_verify_locations(capath=bundle)
        else:
            context.load_verify_locations(cafile=bundle or DEFAULT_CA_BUNDLE_PATH)
        if ca_file:
            context.load_verify_locations(cafile=ca_file)
    except OSError as error:
        what = type(error).__name__
    else:
        return context
    msg = f"no certificates to trust ({what}); look at REQUESTS_CA_BUNDLE, CURL_CA_BUNDLE and the CA file of footfall"
    raise TlsError(msg)
