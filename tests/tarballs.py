"""Packages such as a collector gathers, made here: two tables, a JSON member, config, status, manifest."""

from __future__ import annotations

import csv
import io
import json
import random
import tarfile
from pathlib import Path

STATUS = (
    "collection_start_timestamp,since,until,file_name,status,elapsed\r\n"
    "2024-03-01 12:00:00+00:00,,2024-02-23 00:00:00+00:00,hosts.csv,ok,0\r\n"
    "2024-03-01 12:00:00+00:00,,2024-02-23 00:00:00+00:00,jobs.csv,ok,1\r\n"
    "2024-03-01 12:00:00+00:00,,2024-02-23 00:00:00+00:00,counts.json,ok,0\r\n"
)
NAME = "analytics-2024-02-23-000000+0000-0.tar.gz"
CONTENT_TYPE = "application/vnd.redhat.tower.payload+tgz"


def table(rows: int, seed: int) -> list[list[str]]:
    """Rows that hardly pack, some with what a careless splitter tears."""
    chance = random.Random(seed)
    return [
        [str(number), f"{chance.getrandbits(160):x}", 'a "quoted"\r\nline' if number % 7 == 0 else "plain"]
        for number in range(rows)
    ]


def text(rows: list[list[str]]) -> str:
    held = io.StringIO(newline="")
    csv.writer(held).writerows([["number", "value", "words"], *rows])
    return held.getvalue()


def make(path: Path, *, hosts: int = 40, jobs: int = 10, seed: int = 1) -> Path:
    """Write the package to *path*."""
    members = {
        "hosts.csv": text(table(hosts, seed)),
        "jobs.csv": text(table(jobs, seed + 1)),
        "counts.json": '{"hosts": 3}',
        "config.json": '{"install_uuid": "1"}',
        "data_collection_status.csv": STATUS,
    }
    members["manifest.json"] = json.dumps(dict.fromkeys(members, "1.0"))
    with tarfile.open(path, "w:gz") as tar:
        for name, content in members.items():
            member = tarfile.TarInfo(f"./{name}")
            member.size, member.mtime = len(content.encode()), 1708646400.5
            tar.addfile(member, io.BytesIO(content.encode()))
    return path
