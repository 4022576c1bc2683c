"""One line from packages to an insights server: `Delivery` and all below it are real, time is a fake clock's."""

from __future__ import annotations

from pathlib import Path

from tests import tarballs

from footfall.collect.shipping import Outcome, Parcel
from footfall.delivery import Delivery
from footfall.places import Places
from footfall.settings import Settings
from footfall.shipper import OutboxShipper
from footfall.testing.clock import FakeClock
from footfall.testing.sink import Received, Sink
from footfall.wire.destinations import Insights

SECRET = "INSIGHTS"
ROUNDS = 300


class Line:
    """A state directory of its own, with a process that delivers from it."""

    def __init__(
        self, folder: Path, sink: Sink, *, tag: int, timeout_seconds: float = 5, max_bytes: int = 2**30
    ) -> None:
        self.sink, self.tag, self.clock = sink, tag, FakeClock()
        self.places = Places(
            state=folder,
            journal=folder / "journal",
            outbox=folder / "outbox",
            status=folder / "status.json",
            config=None,
            network=False,
            host="h",
        )
        self.places.journal.mkdir(mode=0o700)
        self.settings = Settings(exchange_timeout_seconds=timeout_seconds, outbox_files_max_bytes=max_bytes)
        self.shipper = OutboxShipper(self.places, self.settings, project="owner/tool")
        self.destination = Insights(f"{sink.url}/api/ingress/v1/upload", credentials=f"env:{SECRET}")
        self.package = tarballs.make(folder / tarballs.NAME, hosts=200)
        self.delivery = Delivery(self.places, self.settings, clock=self.clock)
        self.keys: list[str] = []

    def close(self) -> None:
        self.delivery.close(20)

    def ship(self, count: int = 1) -> None:
        for _ in range(count):
            key = f"{self.tag:08x}{len(self.keys):024x}"
            self.keys.append(key)
            self.shipper.ship(
                Parcel(
                    path=self.package,
                    content_type=tarballs.CONTENT_TYPE,
                    request_id=key,
                    destination=self.destination,
                )
            )

    def deliver_through(self, mode: str) -> None:
        """Deliver while the server is in *mode*, and then until nothing is pending."""
        self.sink.set_mode(mode)
        for _ in range(3):
            self.delivery.step()
            self.clock.advance(2)
        self.sink.set_mode("ok")
        self.deliver_all()

    def deliver_all(self) -> None:
        for _ in range(ROUNDS):
            self.delivery.step()
            if not self.delivery.outbox.pending() and not self.delivery.courier.in_flight():
                break
            self.clock.advance(max(self.delivery.courier.next_wake_seconds() or 0.0, 0.05))
        assert not self.delivery.outbox.pending()
        self.delivery.step()

    def outcomes(self) -> list[Outcome]:
        found = self.shipper.outcomes(self.keys)
        return [found[key] for key in self.keys]

    def arrived(self) -> list[Received]:
        return [each for each in self.sink.requests() if each.accepted and each.key.startswith(f"{self.tag:08x}")]

    def files(self) -> list[str]:
        return sorted(path.suffix for path in self.places.files.iterdir())
