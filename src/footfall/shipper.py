"""`OutboxShipper`: parcels through the outbox, their files beside it.

`ship` copies each tarball into the outbox's directory of files and then writes the batch that names them, synced: from
any process, without the outbox's lock (`footfall.outbox.handover`). Whoever delivers takes the batch in as rows, sends
each file with a request that is the same on every attempt, and leaves an outcome where everybody can read it.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import msgspec

from footfall.collect.shipping import Outcome, Parcel
from footfall.errors import ConfigurationError, OutboxBusyError, guard
from footfall.outbox import handover
from footfall.wire.load import load

if TYPE_CHECKING:
    from footfall.clock import Clock
    from footfall.courier.transport import Transport
    from footfall.destination import Destination
    from footfall.outbox.handover import Standing
    from footfall.places import Places
    from footfall.settings import Settings
    from footfall.wire.insights import InsightsWire

POLL_SECONDS: Final = 0.05
CLOSE_SECONDS: Final = 2.0


class OutboxShipper:
    """A `footfall.collect.shipping.Shipper` on the outbox of *places*. Keeps nothing open between two calls.

    Args:
        places: Whose outbox.
        settings: Sizes, ages, time-outs.
        project: Whom the parcels speak for, ``owner/name``: the user may say no to it. "" goes by the general word.
        clock: Time; default: the system's.
        transport: The way to the servers; default: HTTP.
    """

    def __init__(
        self,
        places: Places,
        settings: Settings,
        *,
        project: str = "",
        clock: Clock | None = None,
        transport: Transport | None = None,
    ) -> None:
        self._places = places
        self._settings = settings
        self._project = project
        self._clock = clock
        self._transport = transport

    def ship(self, *parcels: Parcel) -> None:
        """Keep *parcels*, all or none; return when they are on disk and synced. Known request ids are passed over.

        Raises:
            ConfigurationError: A parcel's name, content type or destination cannot be sent.
            OutboxError: A request id is none.
            OSError: They could not be kept.
        """
        handed = [(_handed(parcel), parcel.path) for parcel in parcels]
        handover.keep(self._places.files, handed, project=self._project)

    def outcomes(self, keys: Collection[str]) -> Mapping[str, Outcome]:
        """Return the outcome of each request id of *keys* that was kept and not forgotten."""
        return {key: _outcome(found) for key, found in handover.standings(self._places.files, keys).items()}

    def wait(self, keys: Collection[str], *, timeout_seconds: float) -> Mapping[str, Outcome]:
        """Deliver now; return `outcomes` when each of *keys* is settled or had its attempt, or when the time is over.

        Where another process delivers, or a thread of this one, it is waited for. Otherwise all that is due now has
        its attempt, and what a server asks to wait for is not waited for.
        """
        deadline = time.monotonic() + timeout_seconds
        before = handover.standings(self._places.files, keys)
        while True:
            finished = True  # also by trouble, which another try would meet as well
            with guard("ship"):
                finished = self._deliver(keys, before, deadline)
            if finished or self._is_done(keys, before) or time.monotonic() >= deadline:
                return self.outcomes(keys)
            time.sleep(POLL_SECONDS)

    def forget(self, keys: Collection[str]) -> None:
        """Let go of the outcomes of *keys* that are settled."""
        handover.forget(self._places.files, keys)

    def _deliver(self, keys: Collection[str], before: Mapping[str, Standing], deadline: float) -> bool:
        """Deliver until *keys* are done or all had their try; return False where somebody else delivers."""
        from footfall.delivery import Delivery  # noqa: PLC0415  SQLite and HTTP

        try:
            delivery = Delivery(self._places, self._settings, clock=self._clock, transport=self._transport)
        except OutboxBusyError:
            return False
        try:
            tried = False
            while not (self._is_done(keys, before) or (tried and not delivery.courier.in_flight())):
                left = deadline - time.monotonic()
                if left <= 0:
                    break
                delivery.step(deadline=delivery.clock.monotonic() + left)
                delivery.depot.run(delivery.clock.now_ns())  # which tells what came of it
                wake = delivery.courier.next_wake_seconds()
                tried = wake is None or wake > 0
        finally:
            delivery.close(CLOSE_SECONDS)
        return True

    def _is_done(self, keys: Collection[str], before: Mapping[str, Standing]) -> bool:
        """Whether each of *keys* is settled, or was tried since *before*."""
        for key, found in handover.standings(self._places.files, keys).items():
            known = before.get(key, handover.PENDING)
            if found.state == "pending" and found.attempts <= known.attempts and found.detail == known.detail:
                return False
        return True


def _handed(parcel: Parcel) -> handover.Handed:
    destination = _addressed(parcel.destination)
    wire = _wire(destination)
    request = wire.request_for(parcel.path.name, parcel.content_type, parcel.request_id)
    return handover.Handed(destination, request)


def _addressed(destination: Destination) -> Destination:
    """Return *destination* so that its wire posts to its endpoint itself, whatever that ends in."""
    path = urlsplit(destination.endpoint).path.rstrip("/")
    if not path or "path" in destination.options or destination.options.get("auth") == "s3":
        return destination
    last = "/" + path.rpartition("/")[2]
    if last == _wire(destination).path:
        return destination
    return msgspec.structs.replace(destination, options={**destination.options, "path": last})


def _wire(destination: Destination) -> InsightsWire:
    from footfall.wire.insights import InsightsWire  # noqa: PLC0415  tarfile, for those who ship

    wire = load(destination.wire, destination.options)
    if not isinstance(wire, InsightsWire):
        msg = f"parcels go to a wire that takes files, and {destination.wire!r} does not; use footfall.Insights(...)"
        raise ConfigurationError(msg)
    return wire


def _outcome(standing: Standing) -> Outcome:
    status, _, words = standing.detail.partition(" ")
    if not status.isdecimal():
        status, words = "0", standing.detail
    reason = words if standing.state == "pending" else standing.reason
    return Outcome(state=standing.state, reason=reason, status=int(status))
