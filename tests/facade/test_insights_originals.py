"""The original client and the facade side by side: one module of collectors, one interval, the same tarballs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.facade import insightshelp as help_

PROGRAM = """
import importlib, json, logging, sys, types
from datetime import datetime, timedelta, timezone

side, folder, case = sys.argv[1:]
logging.disable(logging.CRITICAL)
if side == "insights_analytics_collector":
    from django.conf import settings
    settings.configure(USE_TZ=True)
client = importlib.import_module(side)
module = sys.modules["collectors"] = types.ModuleType("collectors")
until = datetime(2026, 3, 2, tzinfo=timezone.utc)


def days(key, last_gather, since=None, until=None, **kwargs):
    while since < until:
        yield since, since + timedelta(days=1)
        since += timedelta(days=1)


def table(name, rows, limit):
    def collect(full_path, since, **kwargs):
        splitter = client.CsvFileSplitter(filespec=str(full_path / name), max_file_size=limit)
        splitter.write("day,number,text\\n")
        for number in range(rows):
            splitter.write(f'{since:%Y-%m-%d},{number:03d},"a, b"\\n')
        return splitter.file_list()
    return collect


def fails(**kwargs):
    raise RuntimeError("no")


CASES = {
    "json": lambda: {
        "a": client.register("a", "1.0")(lambda **kwargs: {"x": [1, None, "\\u05e9"]}),
        "b": client.register("b", "2.1", description="b")(lambda since, until, **kwargs: [str(since), str(until)]),
        "bad": client.register("bad", "1")(fails),
    },
    "tables": lambda: {
        "one": client.register("one", "1.0", format="csv")(table("one.csv", 10, 10_000)),
        "two": client.register("two", "1.0", format="csv")(table("two.csv", 100, 16 + 53 * 22)),
        "other": client.register("other", "1.0", format="csv", shipping_group="g")(table("o.csv", 5, 10_000)),
        "none": client.register("none", "1.0", format="csv")(table("none.csv", 0, 10_000)),
    },
    "slices": lambda: {
        "j": client.register("j", "1.0")(lambda **kwargs: {"n": 1}),
        "s": client.register("s", "1.0", format="csv", fnc_slicing=days)(table("s.csv", 60, 16 + 30 * 22)),
        "t": client.register("t", "1.0", format="csv")(table("t.csv", 3, 10_000)),
    },
}
module.config = client.register("config", "1.0", config=True)(lambda **kwargs: {"install": 1})
for name, function in CASES[case]().items():
    setattr(module, name, function)


class Package(client.Package):
    MAX_DATA_SIZE = 2_000


class Collector(client.Collector):
    @staticmethod
    def db_connection():
        return None

    @staticmethod
    def _package_class():
        return Package

    def _is_valid_license(self):
        return True

    def _is_shipping_configured(self):
        return True

    def _last_gathering(self):
        return None

    def _load_last_gathered_entries(self):
        return {}


collector = Collector(collector_module=module)
paths = collector.gather(dest=folder + "/inner/run", since=until - timedelta(days=3), until=until) if side.startswith(
    "footfall") else collector.gather(since=until - timedelta(days=3), until=until)
print(json.dumps([str(path) for path in paths]))
"""


def tarballs(side: str, case: str, folder: Path) -> list[list[dict[str, Any]]]:
    folder.mkdir()
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", PROGRAM, side, str(folder), case],
        env={**os.environ, "TMPDIR": str(folder)},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    paths = [Path(path) for path in json.loads(done.stdout)]
    assert [path.name for path in paths] == [f"analytics-2026-03-02-000000+0000-{n}.tar.gz" for n in range(len(paths))]
    return [help_.members(path.read_bytes()) for path in paths]


@pytest.mark.parametrize("case", ["json", "tables", "slices"])
def test_the_same_tarballs(case: str, tmp_path: Path) -> None:
    """Names, order, versions and contents of all members; only the times of gathering differ."""
    theirs = tarballs("insights_analytics_collector", case, tmp_path / "theirs")
    ours = tarballs("footfall.facade.insights", case, tmp_path / "ours")
    assert len(theirs) > (case == "slices")
    assert [[each["name"] for each in members] for members in ours] == [
        [each["name"] for each in members] for members in theirs
    ]
    for mine, recorded in zip(ours, theirs, strict=True):
        for own, other in zip(mine, recorded, strict=True):
            if own["name"] == "./data_collection_status.csv":
                assert [row[1:5] for row in own["decoded"]] == [row[1:5] for row in other["decoded"]]
            else:
                assert own["text"] == other["text"]
            assert (own["mode"], own["uname"]) == ("644", "")
