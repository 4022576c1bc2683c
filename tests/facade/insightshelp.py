"""What the insights vectors describe, made real: modules of collectors, a user's program, a server."""

from __future__ import annotations

import csv
import email.parser
import email.policy
import io
import json
import logging
import tarfile
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

from footfall.facade import insights
from tests.facade.ramenhelp import Asked, Recorder

DAY = timedelta(days=1)
ROW = "1234,6789\n"
HEADER = "Col1,Col2\n"


def moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def days(begin: datetime, end: datetime) -> Iterator[tuple[datetime, datetime]]:
    while begin < end:
        yield begin, min(begin + DAY, end)
        begin += DAY


def per_day(key: str, last_gather: datetime, since: datetime | None = None, until: datetime | None = None) -> Any:
    return days(since or last_gather, until)


def three_days_back(
    key: str,
    last_gather: datetime,
    since: datetime | None = None,
    until: datetime | None = None,
    full_sync_enabled: bool = False,
) -> Any:
    end = datetime.fromisoformat("2024-03-01T00:00:00+00:00")
    return days(end - 3 * DAY if full_sync_enabled else since or last_gather, end)


SLICING: dict[str, Callable[..., Any]] = {
    "one slice per day": per_day,
    "one slice per day from since or last_gather": per_day,
    "three days back on full sync": three_days_back,
    "three days back on full sync, else per day since last gathering": three_days_back,
}


def rows_of(lines: list[str], limit: int = 10**9, piece: int = 0) -> Callable[..., list[str]]:
    """A collector that writes *lines* through the splitter, in pieces of *piece* characters or line by line."""

    def write(full_path: Path, **_: Any) -> list[str]:
        splitter = insights.CsvFileSplitter(filespec=full_path / "table.csv", max_file_size=limit)
        text = "".join(lines)
        for part in lines if not piece else [text[at : at + piece] for at in range(0, len(text), piece)]:
            splitter.write(part)
        return splitter.file_list()

    return write


def dates(*, time: bool = False, fails_on: str = "") -> Callable[..., list[str]]:
    def write(full_path: Path, since: datetime, until: datetime, **_: Any) -> list[str]:
        if since.date().isoformat() == fails_on:
            raise ValueError("boom")
        row = f"{since},{until}" if time else f"{since.date()},{until.date()}"
        return rows_of([HEADER, row + "\n"])(full_path)

    return write


def the_day(fails_on: str) -> Callable[..., Any]:
    def say(since: datetime, **_: Any) -> Any:
        if since.date().isoformat() == fails_on:
            raise ValueError("boom")
        return {"d": since.date().isoformat()}

    return say


def both_ends(since: datetime, until: datetime, **_: Any) -> Any:
    return {"since": str(since), "until": str(until)}


def one_path(full_path: Path, **_: Any) -> str:
    (full_path / "one.csv").write_text("a,b\n1,2\n")
    return str(full_path / "one.csv")


def boom(**_: Any) -> Any:
    raise ValueError("boom")


SAID: dict[str, Callable[..., Any]] = {
    "ValueError": boom,
    "an object that holds a datetime": lambda **_: {"d": datetime.fromisoformat("2024-01-01T00:00:00+00:00")},
    "both ends": both_ends,
    "both ends as text": both_ends,
    "path of a file with a,b and 1,2": one_path,
    "the day; the second day raises": the_day("2024-02-21"),
    "the day; the slice of 29 February raises": the_day("2024-02-29"),
    "18 rows, max_file_size 100": rows_of([HEADER, *[ROW] * 18], 100),
    "27 rows, max_file_size 100": rows_of([HEADER, *[ROW] * 27], 100),
    "header Col1,Col2 and 3 rows of 10 bytes": rows_of([HEADER, *[ROW] * 3]),
    "header and 25 rows of 10 bytes through the splitter with max_file_size 100": rows_of([HEADER, *[ROW] * 25], 100),
    "header and 6 rows of 60 bytes, max_file_size 100": rows_of([HEADER, *["x" * 59 + "\n"] * 6], 100),
    "header and 9 rows = 100 bytes, max_file_size 100": rows_of([HEADER, *[ROW] * 9], 100),
    "header id,name and rows 0..11, written in chunks of 13 characters, max_file_size 40": rows_of(
        ["id,name\n", *(f"{number},name{number}\n" for number in range(12))], 40, 13
    ),
    "header, no rows": rows_of([HEADER]),
    "nothing at all, then file_list()": rows_of([]),
    "one row": rows_of([HEADER, ROW]),
    "one row with both dates": dates(),
    "one row with both ends": dates(time=True),
    "one row; the slice of the second day raises": dates(fails_on="2024-02-21"),
    "two rows": rows_of([HEADER, *[ROW] * 2]),
}
"""What a vector says of a collector function, and that function."""


def module_of(described: list[dict[str, Any]]) -> ModuleType:
    """The module of collectors that a vector describes."""
    module = ModuleType("collectors")
    for each in described:
        said = next((each[name] for name in ("writes", "returns", "raises") if name in each), None)
        answer = SAID[said] if isinstance(said, str) else lambda said=said, **_: said

        def collect(answer: Callable[..., Any] = answer, **asked: Any) -> Any:
            return answer(**asked)

        setattr(
            module,
            each["function"],
            insights.register(
                each["key"],
                each.get("version", "1.0"),
                format=each.get("format", "json"),
                config=each.get("config", False),
                fnc_slicing=SLICING[each["fnc_slicing"]] if "fnc_slicing" in each else None,
                shipping_group=each.get("shipping_group", "default"),
                full_sync_interval_days=each.get("full_sync_interval_days"),
            )(collect),
        )
    return module


TAKEN = {"status": 202, "body": json.dumps({"request_id": "1", "upload": {"account_number": "1", "org_id": "2"}})}


class Ingress(Recorder):
    """Answers each tarball by its name: what a vector's exchange with it says, in turn, then with TAKEN.

    Several are on their way at once, so the order in which they come says nothing.
    """

    def __init__(self, exchanges: list[dict[str, Any]] = []) -> None:  # noqa: B006  read only
        super().__init__(otherwise=TAKEN)
        self.exchanges: dict[str, list[dict[str, Any]]] = {}
        for exchange in exchanges:
            parts = (exchange["request"]["body_decoded"] or {}).get("parts")
            if parts:
                self.exchanges.setdefault(parts[0]["file_name"], []).append(exchange)

    @property
    def url(self) -> str:
        return f"http://{self.host}/api/ingress/v1/upload"

    def uploads(self) -> list[Asked]:
        """What came, by name and then in time."""
        return sorted(self.asked, key=lambda asked: part_of(asked)[0])

    def _step(self, asked: Asked) -> dict[str, Any]:
        left = self.exchanges.get(part_of(asked)[0])
        return left.pop(0)["response_given"] if left else self.otherwise


class Saved(list[Any]):
    """Calls that store times, in order, as the vectors write them."""


def program(call: dict[str, Any], url: str) -> insights.Collector:
    """What a user writes: a collector and a package of their own, as the vector has them."""
    overrides = call["package"]
    stored = call["stored_before"]

    class Package(insights.Package):
        PAYLOAD_CONTENT_TYPE = overrides["PAYLOAD_CONTENT_TYPE"]
        MAX_DATA_SIZE = overrides["MAX_DATA_SIZE"]
        CERT_PATH = overrides.get("CERT_PATH", "")

        def get_ingress_url(self) -> str | None:
            return overrides.get("get_ingress_url", url)

        def shipping_auth_mode(self) -> str:
            return str(overrides.get("shipping_auth_mode", "user-pass"))

        def _get_rh_user(self) -> str:
            return str(overrides.get("_get_rh_user", "test-user"))

        def _get_rh_password(self) -> str:
            return "test-password"

        def _get_http_request_headers(self) -> dict[str, str]:
            headers = overrides["_get_http_request_headers"]
            return headers.get("$one_shared_dictionary", headers)

    class Collector(insights.Collector):
        saved = Saved()
        log: list[tuple[str, str]]
        entries: ClassVar[dict[str, Any]] = {key: moment(value) for key, value in stored["entries"].items()}
        last = moment(stored["last_gather"])
        clock = moment(call["clock"])

        def now(self) -> datetime:
            return self.clock

        @staticmethod
        def _package_class() -> type[insights.Package]:
            return Package

        def _is_shipping_configured(self) -> bool:
            return bool(call.get("shipping_configured", True))

        def _is_valid_license(self) -> bool:
            return bool(call.get("valid_license", True))

        def _last_gathering(self) -> datetime | None:
            return type(self).last

        def _load_last_gathered_entries(self) -> dict[str, datetime]:
            return type(self).entries

        def _save_last_gathered_entries(self, last_gathered_entries: dict[str, datetime]) -> None:
            type(self).entries = dict(last_gathered_entries)
            said = {key: value.isoformat() for key, value in sorted(last_gathered_entries.items())}
            self.saved.append(["_save_last_gathered_entries", said])

        def _save_last_gather(self) -> None:
            type(self).last = self.gather_until
            self.saved.append(["_save_last_gather", self.gather_until.isoformat()])

    logger = logging.getLogger(f"collector of {id(overrides)}")
    logger.handlers.clear()
    made = Collector(collector_module=module_of(call["collector_module"]), logger=logger, **call["collector"])
    made.log = []
    handler = logging.Handler(level=logging.INFO)
    handler.emit = lambda record: made.log.append((record.levelname, record.getMessage()))  # type: ignore[method-assign]
    logger.addHandler(handler)
    return made


def gather_arguments(call: dict[str, Any]) -> dict[str, Any]:
    given = dict(call["gather"])
    return {**given, **{name: moment(given[name]) for name in ("since", "until") if name in given}}


def part_of(asked: Asked) -> tuple[str, str, bytes]:
    """File name, content type and content of the one part of an upload."""
    head = f"Content-Type: {asked.headers['content-type']}\r\n\r\n".encode()
    message = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(head + asked.body)
    (part,) = message.iter_parts()
    assert part.get_param("name", header="content-disposition") == "file"
    return str(part.get_filename()), part.get_content_type(), part.get_payload(decode=True)


def members(tarball: bytes) -> list[dict[str, Any]]:
    """The members of a tarball in order, decoded."""
    found = []
    with tarfile.open(fileobj=io.BytesIO(tarball)) as tar:
        for member in tar:
            content = tar.extractfile(member)
            assert content is not None
            text = content.read().decode()
            found.append(
                {
                    "name": member.name,
                    "mode": f"{member.mode:o}",
                    "uid": member.uid,
                    "uname": member.uname,
                    "mtime": member.mtime,
                    "pax_headers": sorted(member.pax_headers),
                    "text": text,
                    "decoded": json.loads(text)
                    if member.name.endswith(".json")
                    else list(csv.reader(io.StringIO(text))),
                }
            )
    return found


def tarball_name(tarball: bytes) -> str:
    """The name in the gzip header."""
    return tarball[10 : tarball.index(b"\0", 10)].decode()
