"""A program that ships: ``python -m tests.process.shipping FIRST COUNT CONFIRM_FILE URL PACKAGE``.

Each parcel has a request id made of its number, and is confirmed on a line of its own when `ship` has returned.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import footfall
from footfall.collect.shipping import Parcel
from footfall.places import find
from footfall.settings import read
from footfall.shipper import OutboxShipper
from tests import tarballs


def shipper() -> OutboxShipper:
    settings = read()
    places = find(settings.directory, os.environ)
    assert places is not None
    return OutboxShipper(places, settings, project="tests/observed")


def key_of(number: int) -> str:
    return f"{number:032x}"


def parcel(number: int, url: str, package: Path) -> Parcel:
    destination = footfall.Insights(f"{url}/api/ingress/v1/upload", credentials="env:INSIGHTS")
    return Parcel(path=package, content_type=tarballs.CONTENT_TYPE, request_id=key_of(number), destination=destination)


def main(first: str, count: str, confirm: str, url: str, package: str) -> None:
    fd = os.open(confirm, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    ships = shipper()
    for number in range(int(first), int(first) + int(count)):
        ships.ship(parcel(number, url, Path(package)))
        os.write(fd, b"%d\n" % number)
    os.close(fd)


if __name__ == "__main__":
    main(*sys.argv[1:])
