"""Bodies with files in them: streamed, checked, in time; and the ways to prove who sends them."""

from __future__ import annotations

import base64
import http.client
import json
import ssl
import subprocess
import sys
import time
import zlib
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from courierhelp import Loopback, Received, answer, certificate, server_context

from footfall.courier import plan
from footfall.courier.authentication import proof
from footfall.courier.credentials import NO_TLS_FILES, Headers, Secret, TlsFiles
from footfall.courier.exchange import PIECE_BYTES
from footfall.courier.route import TlsError
from footfall.courier.transport import HttpTransport
from footfall.courier.uploads import SpoiltFileError, Upload
from footfall.errors import ConfigurationError, TransportError
from footfall.ledger import Reason
from footfall.wire.base import SLOWEST_BYTES_PER_SECOND, Action, Attachment, Request
from footfall.wire.insights import InsightsWire

MIB = 2**20


def a_request(folder: Path, *, size: int = 3 * MIB + 7, **changes: Any) -> Request:
    content = bytes(range(256)) * (size // 256 + 1)
    (folder / "a.file").write_bytes(content[:size])
    fields = {"name": "a.file", "size": size, "crc32": zlib.crc32(content[:size]), "at": 4, "parcel": "p"} | changes
    return Request(
        path="/upload",
        body=b"headtail",
        content_type="multipart/form-data; boundary=x",
        idempotency_key="k",
        attachment=Attachment(**fields),
    )


def transport(folder: Path, **options: Any) -> HttpTransport:
    return HttpTransport(environ={}, proxies=dict, files=folder, **options)


def send(folder: Path, url: str, request: Request, *, timeout_seconds: float = 20, **options: Any) -> Any:
    headers = options.pop("headers", {})
    return transport(folder, **options).send(request, base_url=url, headers=headers, timeout_seconds=timeout_seconds)


def test_a_body_is_sent_as_it_says(tmp_path: Path) -> None:
    """Head, file, tail; the length in the header, no chunks."""
    request = a_request(tmp_path)
    with Loopback() as server:
        assert send(tmp_path, server.url, request).status == 200
        (received,) = server.received
    assert received.body == b"head" + (tmp_path / "a.file").read_bytes() + b"tail"
    assert received.headers["content-length"] == str(request.size) == str(3 * MIB + 15)
    assert "transfer-encoding" not in received.headers
    assert received.headers["content-type"] == request.content_type


@pytest.mark.parametrize("size", [0, 1, PIECE_BYTES, MIB - 4, MIB, 64 * 1024])
def test_any_size(tmp_path: Path, size: int) -> None:
    """Around the places where pieces end."""
    with Loopback() as server:
        assert send(tmp_path, server.url, a_request(tmp_path, size=size)).status == 200
        assert len(server.received[0].body) == size + 8


MEMORY = """
import resource, sys, zlib
from pathlib import Path
from footfall.courier.transport import HttpTransport, preload
from footfall.wire.base import Attachment, Request
folder, url, size = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
preload()
transport = HttpTransport(environ={}, proxies=dict, files=folder)
def send(name, size, crc32):
    made = Attachment(name=name, size=size, crc32=crc32, at=0, parcel="p")
    request = Request(path="/", body=b"", content_type="t", idempotency_key="k", attachment=made)
    return transport.send(request, base_url=url, headers={}, timeout_seconds=60).status
(folder / "small").write_bytes(b"x")
send("small", 1, zlib.crc32(b"x"))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
crc32 = 0
with open(folder / "large", "rb") as file:
    while piece := file.read(2**16):
        crc32 = zlib.crc32(piece, crc32)
status = send("large", size, crc32)
print(status, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    """128 MiB through a few MiB."""
    size = 128 * MIB
    with (tmp_path / "large").open("wb") as file:
        file.truncate(size)
    counted: list[int] = []

    def swallow(connection: Any, received: Received) -> bool:
        return True

    with Loopback(answer()) as server:
        server._read = staticmethod(_counting(counted))  # type: ignore[method-assign]
        done = subprocess.run(
            [sys.executable, "-c", MEMORY, str(tmp_path), server.url, str(size)],
            capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
    status, kibibytes = map(int, done.stdout.split())
    assert (status, counted[-1]) == (200, size)
    assert kibibytes < 16 * 1024


def _counting(counted: list[int]) -> Any:
    """Read requests and count their bodies, without keeping them."""

    def read(stream: Any) -> Received | None:
        line = stream.readline()
        if not line:
            return None
        headers = http.client.parse_headers(stream)
        left = int(headers["Content-Length"])
        counted.append(left)
        while left:
            left -= len(stream.read(min(left, MIB)))
        return Received(line.decode())

    return read


@pytest.mark.parametrize(
    "spoil",
    [
        lambda path: path.unlink(),
        lambda path: path.write_bytes(path.read_bytes()[:-1]),
        lambda path: path.write_bytes(path.read_bytes() + b"x"),
        lambda path: path.write_bytes(path.read_bytes()[:-1] + b"?"),
        lambda path: path.write_bytes(b"?" + path.read_bytes()[1:]),
    ],
    ids=["gone", "shorter", "longer", "another end", "another begin"],
)
def test_another_file_is_never_sent_whole(tmp_path: Path, spoil: Any) -> None:
    """The connection is cut before its end: no server can make a request of that; and the request is dropped."""
    request = a_request(tmp_path)
    spoil(tmp_path / "a.file")
    with Loopback() as server:
        with pytest.raises(SpoiltFileError) as raised:
            send(tmp_path, server.url, request)
        assert all(len(received.body) < request.size for received in server.received)
    error = raised.value
    assert not error.in_doubt
    steps = plan.after_silence(error, attempt=1, halts=0, drop_in_doubt=False, random=lambda: 0.5)
    assert (steps.verdict.action, steps.verdict.reason) == (Action.DROP, Reason.CORRUPT)


def test_a_link_is_no_file(tmp_path: Path) -> None:
    """Somebody put one in its place (reliability.md S1)."""
    request = a_request(tmp_path)
    (tmp_path / "a.file").rename(tmp_path / "elsewhere")
    (tmp_path / "a.file").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(SpoiltFileError):
        Upload(request, tmp_path)


def test_an_early_no_is_heard(tmp_path: Path) -> None:
    """A server that answers 413 without reading the body, as proxies do, is understood."""
    with Loopback() as server:
        server._read = staticmethod(_head_only)  # type: ignore[method-assign]
        server.handle = lambda connection, received: (answer("413 Too Large")(connection, received), False)[1]
        try:
            status = send(tmp_path, server.url, a_request(tmp_path, size=24 * MIB)).status
        except TransportError as error:
            status = "reset" if not error.in_doubt else "in doubt"
    assert status in {413, "reset"}


def _head_only(stream: Any) -> Received | None:
    line = stream.readline()
    if not line:
        return None
    http.client.parse_headers(stream)
    return Received(line.decode())


def test_time_grows_with_size(tmp_path: Path) -> None:
    """A slow network gets what it needs, and a small request no more than before."""
    large = a_request(tmp_path, size=MIB)
    assert large.upload_seconds == MIB / SLOWEST_BYTES_PER_SECOND == 8.0
    assert Request(path="/", body=bytes(10 * MIB), content_type="t", idempotency_key="k").upload_seconds == 0.0


def test_a_server_that_does_not_read_ends_the_exchange(tmp_path: Path) -> None:
    """The deadline holds while a file is sent, too: nothing was sent whole, so nothing is in doubt."""
    with Loopback() as server:
        server._read = staticmethod(lambda stream: server.stopped.wait(20) and None)  # type: ignore[method-assign]
        began = time.monotonic()
        with pytest.raises(TransportError) as raised:
            send(tmp_path, server.url, a_request(tmp_path, size=64 * MIB), timeout_seconds=0.5)
        assert not raised.value.in_doubt
        assert time.monotonic() - began < 15
        server.stopped.set()


# -- who sends it


def test_user_and_password_and_identity() -> None:
    """As the recorded headers are made; an identity may be given with or without its outer object."""
    assert dict(proof(InsightsWire(auth="user-pass"), Secret("me:p:w\n"))) == {
        "Authorization": "Basic " + base64.b64encode(b"me:p:w").decode()
    }
    inner = {"type": "User", "org_id": "1"}
    for text in (json.dumps(inner), json.dumps({"identity": inner})):
        (value,) = proof(InsightsWire(auth="identity"), Secret(text)).values()
        assert json.loads(base64.b64decode(value)) == {"identity": inner}
    headers = proof(InsightsWire(), Secret("X-Token: t\nAuthorization: Bearer x"))
    assert (dict(headers), headers.tls) == ({"X-Token": "t", "Authorization": "Bearer x"}, NO_TLS_FILES)
    assert "t" not in repr(headers).replace("X-Token", "").replace("Authorization", "").replace("Headers", "")
    assert dict(proof(None, None)) == {}


@pytest.mark.parametrize(
    ("auth", "text"),
    [
        ("user-pass", None),
        ("user-pass", "canary"),
        ("user-pass", ":canary"),
        ("user-pass", "canary:"),
        ("user-pass", "canary:a\nb"),
        ("identity", None),
        ("identity", "canary"),
        ("identity", '["canary"]'),
        ("identity", "{}"),
        ("s3", "canary"),
    ],
)
def test_credentials_of_another_form_are_refused_without_a_word_of_them(auth: Any, text: str | None) -> None:
    """The destination waits, and its requests are kept (reliability.md S3)."""
    with pytest.raises(ConfigurationError) as raised:
        proof(InsightsWire(auth=auth), None if text is None else Secret(text))
    assert "canary" not in str(raised.value)


def test_mutual_tls(tmp_path: Path) -> None:
    """The client shows its certificate where the destination names one; without it the server takes nothing."""
    theirs = certificate(tmp_path)
    (tmp_path / "client").mkdir()
    ours = certificate(tmp_path / "client", name="client.example")
    context = server_context(theirs)
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(ours)
    shown: list[Any] = []

    def handle(connection: Any, received: Received) -> None:
        shown.append(connection.getpeercert()["subject"])
        answer()(connection, received)

    wire = InsightsWire(auth="mutual-tls", certificate=str(ours), ca_file=str(theirs))
    with Loopback(handle, tls=context) as server:
        headers = proof(wire, None)
        assert headers.tls == TlsFiles(str(ours), str(ours), str(theirs))
        assert send(tmp_path, server.url, a_request(tmp_path), headers=headers).status == 200
        assert shown == [((("commonName", "client.example"),),)]
        with pytest.raises(TransportError):
            send(tmp_path, server.url, a_request(tmp_path), headers=Headers({}, tls=TlsFiles(ca_file=str(theirs))))
        assert len(shown) == 1


def test_one_host_and_two_certificates(tmp_path: Path) -> None:
    """A connection of one destination is never used for another that shows another certificate."""
    carrier = transport(tmp_path)
    with Loopback() as server:
        for tls in (NO_TLS_FILES, TlsFiles("a", "a"), TlsFiles("b", "b"), NO_TLS_FILES):
            headers = Headers({}, tls=tls)
            carrier.send(a_request(tmp_path), base_url=server.url, headers=headers, timeout_seconds=20)
        assert server.connections == 3
        carrier.close()


@pytest.mark.parametrize("content", [None, b"no certificate"])
def test_a_client_certificate_that_cannot_be_used_halts(tmp_path: Path, content: bytes | None) -> None:
    """Kept until somebody mends it; no password is ever asked for."""
    path = tmp_path / "client.pem"
    if content is not None:
        path.write_bytes(content)
    headers = Headers({}, tls=TlsFiles(str(path), str(path)))
    with pytest.raises(TlsError, match="client certificate"):
        send(tmp_path, "https://127.0.0.1:9", a_request(tmp_path), headers=headers)


def test_signed_urls(tmp_path: Path) -> None:
    """Signed for each attempt by botocore, which sends nothing; the secret key is nowhere in what is sent."""
    request = InsightsWire(auth="s3").request_for("a.tar.gz", "application/gzip", "a" * 32)
    attachment = a_request(tmp_path, size=1000).attachment
    assert request.attachment is not None
    assert attachment is not None
    wire = InsightsWire(auth="s3", region="eu-north-1")
    headers = proof(wire, Secret("AKIAEXAMPLE:canary/secret+key"))
    whole = Request(
        method="PUT", path=request.path, body=b"", content_type=request.content_type, idempotency_key="k",
        attachment=Attachment(name="a.file", size=1000, crc32=attachment.crc32, at=0, parcel="p"),
    )  # fmt: skip
    with Loopback(answer("200 OK", b"", 'ETag: "1"')) as server:
        base_url = wire.base_url(f"{server.url}/bucket")
        response = transport(tmp_path).send(whole, base_url=base_url, headers=headers, timeout_seconds=20)
        (received,) = server.received
    assert wire.judge(response).action is Action.DELIVERED
    method, target, _ = received.line.split()
    query = parse_qs(urlsplit(target).query)
    assert (method, urlsplit(target).path) == ("PUT", f"/bucket/{'a' * 32}-a.tar.gz")
    assert query["X-Amz-Credential"][0].startswith("AKIAEXAMPLE/")
    assert "/eu-north-1/s3/" in query["X-Amz-Credential"][0]
    assert len(query["X-Amz-Signature"][0]) == 64
    assert received.body == (tmp_path / "a.file").read_bytes()
    assert "canary" not in received.line + str(received.headers)
    assert "authorization" not in received.headers
