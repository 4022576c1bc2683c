"""How a request proves who sends it, where that is more than header lines (insights.md section 9).

    headers      lines of headers, as for any wire without a word of its own
    user-pass    ``user:password``; basic authentication
    identity     the JSON of an identity, as ``{"identity": {...}}`` or its inner object; header ``x-rh-identity``
    mutual-tls   a client certificate, named by the wire's options; header lines may come on top
    s3           ``access key:secret key``; the URL is signed for each attempt (extra ``insights-s3``)

A wire says which by an attribute ``auth``, and never sees a secret.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, Final, cast

from footfall.courier import credentials
from footfall.courier.credentials import Headers, Secret, TlsFiles
from footfall.errors import ConfigurationError, NotOfferedError

if TYPE_CHECKING:
    from footfall.wire.base import Wire

SIGNED_SECONDS: Final = 3600
"""How long a signed URL is good; it is made anew for each attempt."""


def proof(wire: Wire | None, secret: Secret | None) -> Headers:
    """Return what requests of *wire* are sent with, made of *secret*.

    Raises:
        ConfigurationError: The secret has another form, or is missing. The message quotes none of it.
        NotOfferedError: ``s3`` without the extra.
    """
    auth = getattr(wire, "auth", "headers")
    tls = TlsFiles(*(str(getattr(wire, name, "")) for name in TlsFiles._fields))
    if auth == "user-pass":
        pair = _pair(secret, "user:password")
        return Headers({"Authorization": "Basic " + base64.b64encode(":".join(pair).encode()).decode("ascii")}, tls=tls)
    if auth == "identity":
        return Headers({"x-rh-identity": _identity(secret)}, tls=tls)
    if auth == "s3":
        return Headers(
            {}, tls=tls, sign=_signer(_pair(secret, "access key:secret key"), str(getattr(wire, "region", "")))
        )
    return Headers(credentials.headers(secret) if secret is not None else {}, tls=tls)


def _pair(secret: Secret | None, form: str) -> tuple[str, str]:
    user, colon, password = secret.reveal().strip("\r\n").partition(":") if secret is not None else ("", "", "")
    if user and colon and password and user.isprintable() and password.isprintable():
        return user, password
    user = password = ""  # from what tracebacks with local variables would show
    msg = f"the credentials are not one line of the form {form!r}"
    raise ConfigurationError(msg)


def _identity(secret: Secret | None) -> str:
    try:
        given: object = json.loads(secret.reveal()) if secret is not None else None
    except ValueError:
        given = None
    if isinstance(given, dict) and given:
        whole = cast("dict[str, object]", given)
        whole = whole if isinstance(whole.get("identity"), dict) else {"identity": whole}
        return base64.b64encode(json.dumps(whole).encode()).decode("ascii")
    msg = 'the credentials are no JSON object such as {"identity": {"type": "User", ...}}'
    raise ConfigurationError(msg)


def _signer(pair: tuple[str, str], region: str) -> Callable[[str, str], str]:
    """Return what signs URLs (AWS signature version 4, in the query): botocore computes, and sends nothing."""
    try:
        auth, requests, held = (import_module(f"botocore.{name}") for name in ("auth", "awsrequest", "credentials"))
    except ImportError:
        msg = "insights: auth 's3' needs the package boto3; run: pip install footfall[insights-s3]"
        raise NotOfferedError(msg) from None
    signature = auth.S3SigV4QueryAuth(held.Credentials(*pair), "s3", region, expires=SIGNED_SECONDS)

    def sign(method: str, url: str) -> str:
        request = requests.AWSRequest(method=method, url=url)
        signature.add_auth(request)
        return str(request.url)

    return sign
