"""The outbox: requests are kept here until they are settled.

What it promises, each with a test in ``tests/outbox``:

- **A killed process loses nothing**: what `Outbox.intake` returned for is there afterwards, rows and journal offsets
  together or not at all. Intake is synced, so that this holds for power cuts too, as far as the disk says the truth;
  settling is not (measured: half of a courier's time), so a power cut may repeat what was delivered, under its key.
- **Nothing vanishes uncounted**: accepted = delivered + pending + dropped, at every commit. A row goes only by
  `settle` (by id *and* lease, never "the oldest"), by `trim`, by `withdraw`, or because its bytes are
  damaged; each is booked with its reason.
- **Nothing is kept twice**: destination and idempotency key are unique among pending requests.
- **Order where asked for**: of requests that share an order key only the first unsettled can be leased.
- **A drop rule** of a server is kept with the answer that brought it, for at most a day, 256 a destination.
- **At the size limit** the oldest unleased requests are dropped and counted; or intake is refused, where senders wait.
- **A full disk** refuses intake and changes nothing; leasing and settling go on with room reserved beforehand.
- **Files beside it** (`depot`) go only after their row has gone; **held requests** (`runs`) are joined as a whole.
- **One process** opens the file; a fork child cannot even by accident. Several threads may use one `Outbox`.
- **Clocks may jump**: see `ages`. **Damage** is read around, counted and set aside: see `repair`.

It knows no wire and no HTTP. (design.md section 4; reliability.md section 3.)
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from itertools import count
from typing import TYPE_CHECKING

import msgspec

from footfall.destination import Destination
from footfall.errors import OutboxError
from footfall.ledger import Ledger, Reason
from footfall.outbox import books, claims, health, intake, limits, looks, reserve, rules, withdrawal
from footfall.outbox.ages import CAP_NS
from footfall.outbox.database import Database
from footfall.outbox.rows import KnownDestination, KnownRule, Leased, Refusal, Settlement

if TYPE_CHECKING:
    import sqlite3
    from pathlib import Path

    from footfall.clock import Clock
    from footfall.wire.base import Request, Verdict

__all__ = ["KnownDestination", "KnownRule", "Leased", "Outbox", "Refusal", "Settlement"]


class Outbox:
    """One outbox file, open in this process; make it with `open`. Its `database` is for the modules beside this one."""

    def __init__(self, database: Database, *, max_bytes: int, max_age_seconds: float, refuses: bool) -> None:
        self.database = database
        self._max_bytes = max_bytes
        self._max_age_ns = int(max_age_seconds * 1e9)
        self._at_limit = limits.refuse if refuses else limits.shrink
        self._token = secrets.token_hex(6)
        self._numbers = count()  # a plain iterator: two threads may ask at once, which a generator refuses

    @classmethod
    def open(
        cls,
        path: Path,
        *,
        clock: Clock,
        network: bool = False,
        max_bytes: int,
        max_age_seconds: float,
        reserve_bytes: int = 2**20,
        refuses: bool = False,
    ) -> Outbox:
        """Open the outbox at *path*, made when it is not there, for this process alone.

        Requests that a dead process had leased are due at once, and marked `Leased.in_doubt`. A damaged file is set
        aside as ``<name>.bad-<n>`` and what can be read of it is kept.

        Args:
            path: The database, in an existing directory of ours.
            clock: Time.
            network: The directory lies on a network file system: no WAL, and no promise about full disks.
            max_bytes: Size of all requests beyond which the oldest unleased are dropped.
            max_age_seconds: Age at which a request is dropped.
            reserve_bytes: Room taken beforehand, in the database and again in its WAL.
            refuses: At the size limit intake is refused, instead of the oldest being dropped.

        Raises:
            OutboxBusyError: Another process holds it.
            OutboxNewerError: A newer footfall wrote it; nothing was read.
            OutboxFullError: It would be new, and its reserve could not be taken.
            OutboxError: It cannot be opened.
            UnsafeFileError: What is there is not a file of this user.
        """
        database = Database(path, clock=clock, network=network, reserve_bytes=reserve_bytes)
        return cls(database, max_bytes=max_bytes, max_age_seconds=max_age_seconds, refuses=refuses)

    def close(self) -> None:
        """Close the file and let another process have it. Again: nothing. In a fork child: nothing."""
        self.database.close()

    @property
    def is_open(self) -> bool:
        """Whether this process can use it: not closed, not inherited through a fork."""
        return self.database.is_open

    # -- destinations

    def destination(self, destination: Destination) -> int:
        """Return the row id of *destination*, registered if it is new; stable for as long as the file lives."""
        key, description = destination.key, msgspec.json.encode(destination)
        row = self.database.run("register", lambda connection: books.register(connection, key, description))
        self.database.registered[row] = destination
        return row

    def destinations(self) -> list[KnownDestination]:
        """Return every destination ever used, in the order of registration, with its health and what is due."""
        ticks = self.database.ticks
        return self.database.run("list", lambda connection: looks.destinations(connection, ticks))

    def pause(self, destination: int, *, until_ns: int, reason: str) -> None:
        """Lease nothing for *destination* before *until_ns* (at most 24 hours from now), across restarts too."""
        until = self.database.ticks.until(until_ns)
        self._update_destination("pause", destination, paused_until=until, pause_reason=reason[: looks.MOST_TEXT])

    def resume(self, destination: int) -> None:
        """End a pause."""
        self._update_destination("resume", destination, paused_until=0, pause_reason="")

    def answered(self, destination: int, now_ns: int) -> None:
        """Remember that *destination* answered usefully: no failures in a row any more."""
        tick = self.database.ticks.at(now_ns)
        self.database.run("remember an answer", lambda connection: health.answered(connection, destination, tick))

    def failed(self, destination: int, now_ns: int = 0) -> int:
        """Count one more failure of *destination* in a row; return how many there are."""
        del now_ns  # asked for like its counterpart; only the number matters
        return self.database.run("remember a failure", lambda connection: health.failed(connection, destination))

    # -- in

    def intake(
        self,
        requests: Sequence[tuple[int, Request]],
        *,
        offsets: Mapping[str, int],
        now_ns: int,
        untranslatable: Mapping[int, int] | None = None,
        homeless: Mapping[int, int] | None = None,
        opted_out: Mapping[int, int] | None = None,
        corrupt: int = 0,
        open_runs: Mapping[str, bytes | None] | None = None,
        observed: Mapping[str, int] | None = None,
        projects: Sequence[str] = (),
    ) -> int:
        """Enqueue *requests* and remember how far journals were read: both, or neither.

        Args:
            requests: Destination's row id, and what to send it.
            offsets: Journal name to bytes read.
            now_ns: UTC.
            untranslatable: Destination's row id to records for which its wire has no word.
            homeless: Row id of the account of records whose project names no destination, and how many they are.
            opted_out: Destination's row id to records that its user has said no to.
            corrupt: Journal lines that did not parse.
            open_runs: Runs that began and have not ended, under a key that begins with their journal's name; None
                forgets one.
            observed: Project to uses seen in this batch.
            projects: For each request, the project it speaks for; needed for `withdraw`.

        Returns:
            How many requests were new. Known ones are counted as duplicates of their destination.

        Raises:
            OutboxFullError: There is no room; nothing was changed, journals must stay.
            OutboxError: A destination is not registered, or the file is gone.
        """
        database = self.database
        with database.held("intake"):
            database.check_present()
            tick = database.ticks.at(now_ns)

            def plan(connection: sqlite3.Connection) -> tuple[range, list[int | None]]:
                numbers = intake.project_ids(connection, projects)
                by_row = [numbers.get(name) for name in projects] or [None] * len(requests)
                return intake.next_ids(connection, len(requests)), by_row

            ids, numbers = database.run("intake", plan, synced=False)
            batch = intake.prepare(requests, ids, numbers, tick=tick, created=tick)
            lost = (untranslatable or {}, batch.unusable)
            nowhere, refused = homeless or {}, opted_out or {}

            def work(connection: sqlite3.Connection) -> int:
                pages = reserve.pages(connection)
                known = {row for (row,) in connection.execute("SELECT id FROM destinations")}
                unknown = {row[1] for row in batch.values}.union(*lost, nowhere, refused) - known
                if unknown:
                    msg = f"outbox: destinations {sorted(unknown)} are not registered; call destination() first"
                    raise OutboxError(msg)
                inserted = intake.insert(connection, batch, tick)
                intake.book_losses(connection, Reason.UNTRANSLATABLE, *lost)
                intake.book_losses(connection, Reason.NO_DESTINATION, nowhere)
                intake.book_losses(connection, Reason.OPTED_OUT, refused)
                books.count_corrupt(connection, corrupt)
                intake.note_journals(connection, offsets, open_runs or {}, observed or {})
                self._at_limit(connection, self._max_bytes, tick, limit=len(requests) + limits.TRIM_ROWS)
                if careful and reserve.pages(connection) > pages:
                    raise reserve.NeedsRoomError
                return inserted

            wanted = reserve.pages_needed(batch.size, len(requests))
            careful = database.has_wal and not reserve.is_plenty(database.path)
            while True:
                if careful:
                    database.grow(wanted)
                try:
                    return database.run("intake", work)
                except reserve.NeedsRoomError:
                    wanted *= 2

    def offsets(self) -> dict[str, int]:
        """Return how far each journal has been read, in bytes."""
        return self.database.run(
            "offsets", lambda connection: looks.mapping(connection, "SELECT name, read_to FROM journals", int)
        )

    def forget_journal(self, name: str) -> None:
        """Forget the journal *name*, which was removed; the runs under its name stay until they are forgotten."""
        self.database.run(
            "forget", lambda connection: connection.execute("DELETE FROM journals WHERE name = ?", (name,)).rowcount
        )

    def open_runs(self, prefix: str) -> dict[str, bytes]:
        """Return the runs that have not ended whose keys begin with *prefix*."""
        query = "SELECT key, description FROM runs WHERE substr(key, 1, ?) = ? ORDER BY key"
        return self.database.run(
            "runs", lambda connection: looks.mapping(connection, query, bytes, (len(prefix), prefix))
        )

    def observed(self) -> dict[str, int]:
        """Return how many uses of each project were ever seen."""
        query = "SELECT name, uses FROM projects WHERE uses > 0 ORDER BY name"
        return self.database.run("projects", lambda connection: looks.mapping(connection, query, int))

    # -- out

    def lease(
        self,
        destination: int,
        *,
        now_ns: int,
        ttl_seconds: float,
        limit: int = 100,
        synced: bool = True,
        followers: bool = False,
    ) -> list[Leased]:
        """Claim up to *limit* due requests of *destination*, the longest due first, for this caller alone.

        The attempt is committed before this returns, so whatever happens next is known to have been tried. A lease
        that is not settled within *ttl_seconds* lapses and may be claimed again: delivery is at least once, and the
        unchanged idempotency key tells the server so (OTLP specification, "Duplicate Data").

        Args:
            destination: Row id.
            now_ns: UTC, as the caller's clock has it.
            ttl_seconds: Longer than the slowest attempt, or two workers will send the same request; 24 hours at most.
            limit: Requests; fewer come back when they are large (4 MiB in all, at least one).
            synced: Whether the attempt is on the disk before it is made. Only who must not send a second copy even
                after a loss of power needs that; the death of the process forgets nothing either way.
            followers: Also claim what waits behind one of them for its order key, all in order; see `claims.lease`.

        Returns:
            Nothing while the destination is paused.
        """
        if limit <= 0:
            return []
        ticks = self.database.ticks
        claim = claims.Claim(
            tick=ticks.at(now_ns),
            ttl_ns=min(int(ttl_seconds * 1e9), CAP_NS),
            limit=limit,
            token=f"{self._token}-{next(self._numbers)}",
            followers=followers,
        )
        return self.database.run(
            "lease", lambda connection: claims.lease(connection, destination, ticks, claim), synced=synced
        )

    def settle(
        self,
        leased: Leased,
        *,
        verdict: Verdict,
        now_ns: int,
        retry_at_ns: int | None = None,
        replacements: Sequence[Request] = (),
    ) -> bool:
        """Finish one leased request.

        DELIVERED removes it (`Verdict.rejected` of its records count as dropped), RETRY makes it due at *retry_at_ns*
        (or drops it at `Verdict.max_attempts`), SPLIT puts *replacements* in its place (none: dropped as `too_big`),
        DROP drops it, HALT gives it back as it was.

        Args:
            leased: As `lease` returned it.
            verdict: What the answer meant.
            now_ns: UTC.
            retry_at_ns: UTC; None for now; at most 24 hours away.
            replacements: Smaller requests that together say the same.

        Returns:
            False when the lease had lapsed and the request was leased again or settled by somebody else.
        """
        settlement = Settlement(leased=leased, verdict=verdict, retry_at_ns=retry_at_ns, replacements=replacements)
        return self.settle_all([settlement], now_ns=now_ns)[0]

    def settle_all(self, settlements: Sequence[Settlement], *, now_ns: int) -> list[bool]:
        """Finish several leased requests in one transaction, which costs one sync; see `settle`."""
        ticks = self.database.ticks
        tick = ticks.at(now_ns)
        retry_ticks = [tick if each.retry_at_ns is None else ticks.until(each.retry_at_ns) for each in settlements]

        def work(connection: sqlite3.Connection) -> list[bool]:
            return claims.settle_all(connection, settlements, tick=tick, retry_ticks=retry_ticks)

        # Not synced: a loss of power may forget that something was delivered, and then it is sent again under its key.
        return self.database.run("settle", work, synced=False)

    def release(self, leased: Leased) -> bool:
        """Give *leased* back unsent; its attempt does not count. Return whether the lease was still good."""
        tick = self.database.ticks.now()
        return self.database.run("release", lambda connection: claims.release(connection, leased, tick))

    def trim(self, *, now_ns: int) -> int:
        """Drop what is too old, then the oldest beyond the size limit; look after the file.

        At most 1 000 rows each: call it often. Leased requests are never dropped. When nothing is pending, spare room
        goes back to the file system.

        Returns:
            Records dropped.
        """
        database = self.database
        tick = database.ticks.at(now_ns)

        def work(connection: sqlite3.Connection) -> int:
            books.audit(connection)
            rules.forget(connection, tick)
            dropped = limits.expire(connection, tick - self._max_age_ns, tick, limit=limits.TRIM_ROWS)
            return dropped + self._at_limit(connection, self._max_bytes, tick, limit=limits.TRIM_ROWS)

        with database.held("trim"):
            dropped = database.run("trim", work)
            database.settle_down()
            if database.run("trim", books.size) == 0:
                reserve.shrink(database.connection, keep=2 * database.reserve_pages, most=256)
        return dropped

    def withdraw(self, refused: Callable[[str], bool], *, refused_ns: int = 0) -> int:
        """Drop every request that speaks for a project of which *refused* is true; return how many records that were.

        Args:
            refused: Takes ``owner/name``, or "" for requests that name no project.
            refused_ns: UTC of the no that is carried out. It is remembered as `obeyed_ns` when nothing is left of those
                projects; what is being sent right now stays, and whoever opens the outbox next has to ask again.
        """
        waiting = self.database.run("projects", withdrawal.waiting)
        rows = [row for row, name in waiting if refused(name)]
        dropped = sum(self._drop_project(row) for row in rows)
        if refused_ns:
            self.database.run("choice", lambda connection: withdrawal.note(connection, rows, refused_ns))
        return dropped

    def obeyed_ns(self) -> int:
        """Return the UTC nanoseconds of the last no that was carried out in full; 0 for none."""
        return self.database.run("choice", lambda connection: books.counter(connection, withdrawal.OBEYED))

    # -- what is known

    def ledger(self) -> Ledger:
        """Return the books of all destinations. Costs a row a destination, whatever is pending."""
        return self.database.run("ledger", books.ledger)

    def pending(self) -> int:
        """Return how many records are not settled."""
        return self.database.run("pending", books.pending)

    def size_bytes(self) -> int:
        """Return the size of all pending requests, as `max_bytes` bounds it."""
        return self.database.run("size", books.size)

    def backlogs(self) -> dict[int, int]:
        """Return, by row id of destination, the size of its pending requests; those with none are left out."""
        return self.database.run("backlogs", looks.backlogs)

    def next_due_ns(self) -> int | None:
        """Return the UTC nanoseconds at which something can be leased next (now, at the earliest), or None."""
        ticks = self.database.ticks
        return self.database.run("next due", lambda connection: looks.next_due_ns(connection, ticks))

    def peek(self, limit: int) -> list[tuple[str, Request]]:
        """Return the oldest pending requests with the keys of their destinations, for `footfall show`."""
        return self.database.run("peek", lambda connection: looks.peek(connection, limit))

    def note_refusal(self, destination: int, *, status: int, detail: str, path: str, now_ns: int) -> None:
        """Remember that a server said no: the last 20, without the query of *path*, 200 characters of *detail*."""
        tick = self.database.ticks.at(now_ns)
        self.database.run(
            "note a refusal",
            lambda connection: looks.note_refusal(
                connection, destination, tick=tick, status=status, path=path, detail=detail
            ),
        )

    def refused(self) -> list[Refusal]:
        """Return the last 20 refusals, oldest first."""
        ticks = self.database.ticks
        return self.database.run("refusals", lambda connection: looks.refused(connection, ticks))

    def rules(self, destination: int | None = None) -> list[KnownRule]:
        """Return the drop rules that hold, of one destination or of all; `settle` keeps them (`Verdict.rule`)."""
        ticks = self.database.ticks
        return self.database.run("rules", lambda connection: rules.active(connection, ticks, destination))

    def set_aside(self) -> int:
        """Return how often a damaged file was set aside."""
        return self.database.run("status", lambda connection: books.counter(connection, "set_aside"))

    # -- helpers

    def _update_destination(self, doing: str, destination: int, **columns: int | str) -> None:
        self.database.run(doing, lambda connection: books.update_destination(connection, destination, columns))

    def _drop_project(self, project: int | None) -> int:
        """Drop the unleased rows of *project*, a bounded number a transaction; return how many records they held."""
        tick = self.database.ticks.now()
        dropped = 0
        while True:
            found, records = self.database.run(
                "drop", lambda connection: withdrawal.drop(connection, project, tick, limit=limits.TRIM_ROWS)
            )
            dropped += records
            if found < limits.TRIM_ROWS:
                return dropped
