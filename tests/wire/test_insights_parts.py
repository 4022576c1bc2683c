"""A tarball that was too large, as two: no row lost, torn or repeated, and each part says what it holds."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests import tarballs

from footfall.testing.sink.insights import members
from footfall.wire.base import Request
from footfall.wire.insights import InsightsWire
from footfall.wire.insights_parts import split_tarball

SMALL = ["./config.json", "./data_collection_status.csv", "./manifest.json"]


def packed(content: dict[str, str]) -> io.BytesIO:
    file = io.BytesIO()
    whole = {
        "config.json": "{}",
        "data_collection_status.csv": "since,file_name\r\n" + "".join(f"x,{name}\r\n" for name in content),
        "manifest.json": json.dumps({**dict.fromkeys(content, "1.0"), "config.json": "1.0"}),
    }
    with tarfile.open(fileobj=file, mode="w:gz") as tar:
        for name, text in {**content, **whole}.items():
            member = tarfile.TarInfo(f"./{name}")
            member.size, member.mtime = len(text.encode()), 1.5
            tar.addfile(member, io.BytesIO(text.encode()))
    return file


def parts_of(source: BinaryIO) -> list[dict[str, Any]]:
    made: dict[int, io.BytesIO] = {}

    @contextlib.contextmanager
    def make(number: int) -> Iterator[Any]:
        made[number] = io.BytesIO()
        yield made[number]

    assert split_tarball(source, make) == len(made)
    found = [members(made[number].getvalue()) for number in sorted(made)]
    assert None not in found
    return [each for each in found if each is not None]


def test_tables_and_what_tells_of_them(tmp_path: Path) -> None:
    """Half of the bytes each; config in both; status and manifest name what is inside, and nothing else."""
    path = tarballs.make(tmp_path / tarballs.NAME, hosts=60, jobs=10)
    with path.open("rb") as source:
        first, second = parts_of(source)
    assert list(first) == ["./hosts.csv", *SMALL]
    assert list(second) == ["./hosts.csv", "./jobs.csv", "./counts.json", *SMALL]
    rows = [[row["number"], row["value"], row["words"]] for part in (first, second) for row in part["./hosts.csv"]]
    assert rows == tarballs.table(60, 1)
    assert second["./counts.json"] == {"hosts": 3}
    assert first["./config.json"] == second["./config.json"] == {"install_uuid": "1"}
    for part in (first, second):
        told = [name.removeprefix("./") for name in part if name not in SMALL]
        assert [row["file_name"] for row in part["./data_collection_status.csv"]] == told
        assert sorted(part["./manifest.json"]) == sorted([*told, "config.json", "data_collection_status.csv"])


@pytest.mark.parametrize(
    ("content", "parts"),
    [
        ({"a.json": '{"a": 1}'}, []),
        ({"a.csv": "x\r\n1\r\n"}, []),
        ({"a.csv": "x\r\n"}, []),
        ({}, []),
        ({"a.csv": "x\r\n1\r\n2\r\n"}, [["a.csv"], ["a.csv"]]),
        ({"a.csv": 'x\r\n"1\r\n1"\r\n'}, []),
        ({"a.json": '{"a": 1}', "b.json": "{}"}, [["a.json"], ["b.json"]]),
        ({"a.json": "{}", "b.json": '{"a": 11}'}, [["a.json"], ["b.json"]]),
        ({"a.csv": "x\n1", "b.csv": "x\n1\n"}, [["a.csv"], ["b.csv"]]),
    ],
)
def test_how_small_it_can_be(content: dict[str, str], parts: list[list[str]]) -> None:
    """A row and a JSON member stay whole; a package of one of them has no smaller form."""
    found = parts_of(packed(content))
    assert [[name[2:] for name in part if name not in SMALL] for part in found] == parts


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.lists(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0")), min_size=2, max_size=2)),
        min_size=1,
        max_size=3,
    )
)
def test_no_row_is_lost_torn_or_repeated(tables: list[list[list[str]]]) -> None:
    """Whatever the cells hold: quotes, line ends, commas, text of any language."""
    content: dict[str, str] = {}
    for number, rows in enumerate(tables):
        text = io.StringIO(newline="")
        csv.writer(text).writerows([["a", "b"], *rows])
        content[f"t{number}.csv"] = text.getvalue()
    found = parts_of(packed(content))
    for number, rows in enumerate(tables):
        arrived = [[row["a"], row["b"]] for part in found for row in part.get(f"./t{number}.csv", ())]
        assert arrived == (rows if found else [])


@pytest.mark.parametrize("content", [b"", b"no tarball", b"\x1f\x8b\x08\x00"])
def test_what_is_no_package_is_not_split(content: bytes) -> None:
    """The wire says that there is no smaller form, and the request is dropped as `too_big`."""
    request = InsightsWire().request_for("a.tar.gz", "application/gzip", "a" * 32)

    @contextlib.contextmanager
    def make(number: int) -> Iterator[BinaryIO]:
        yield io.BytesIO()

    assert InsightsWire().split_file(request, io.BytesIO(content), make) == []
    plain = Request(path="/", body=b"", content_type="t", idempotency_key="k")
    assert InsightsWire().split_file(plain, io.BytesIO(content), make) == []


def test_parts_have_names_and_keys_of_their_own(tmp_path: Path) -> None:
    """The same at each attempt, so that parts which were made and never named are made again."""
    path = tarballs.make(tmp_path / tarballs.NAME)
    request = InsightsWire().request_for(path.name, tarballs.CONTENT_TYPE, "a" * 32)
    kept: list[list[Request]] = []
    for _ in range(2):

        @contextlib.contextmanager
        def make(number: int) -> Iterator[BinaryIO]:
            yield io.BytesIO()

        with path.open("rb") as source:
            kept.append(InsightsWire().split_file(request, source, make))
    assert kept[0] == kept[1]
    assert len({part.idempotency_key for part in kept[0]} | {request.idempotency_key}) == 3
    assert len({part.body for part in kept[0]}) == 2
    for part in kept[0]:
        assert tarballs.CONTENT_TYPE.encode() in part.body
        assert b'filename="analytics-2024-02-23-000000+0000-' in part.body
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(kept[0][0]), type=Request) == kept[0][0]
