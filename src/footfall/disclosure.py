"""What a process tells its user of itself: the notice before anything is sent, and each payload under ``FOOTFALL=log``.

Rules and texts are in `consent.notice` and `export.payload_log`; here they meet the process (design.md section 5).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from footfall.resource import ci

if TYPE_CHECKING:
    from footfall.export.payload_log import PayloadLog
    from footfall.runtime import Runtime


class Disclosure:
    """The user's side of a `Runtime`."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._payloads: PayloadLog | None = None

    def announce(self) -> None:
        """Say what is about to be sent, before the first record that could be; once in a process for each project.

        Not in CI, where no person reads it, and not to who said yes to that project by name.
        """
        runtime = self._runtime
        new = [known for known in tuple(runtime.projects.values()) if not known.announced]
        for known in new:
            known.announced = True  # first: who stands in for stderr may call a function that is observed
        speaking = [known for known in new if known.decision.sends and known.state.send_to]
        if not speaking:
            return
        places, choice = runtime.find_places(), runtime.choice()
        asked = [known for known in speaking if choice.says(known.registry.project) != "on"]
        if places is None or not asked or ci.system(runtime.environ):
            return
        with runtime.background.loading:
            from footfall.consent.notice import Announced, give  # noqa: PLC0415  once, and not where footfall is off
        directories = [directory for directory in (places.config, places.state) if directory is not None]
        give(
            [Announced(known.registry.project, known.state.send_to, login_name=known.names_user) for known in asked],
            directories,
        )

    def print_payloads(self) -> None:
        """Print what this process would send, under ``FOOTFALL=log``; else nothing."""
        runtime = self._runtime
        directory, process = runtime.journal.directory, runtime.journal.process
        if runtime.mode != "log" or directory is None or not process or not runtime.background.may_load:
            return
        with runtime.background.loading:
            if self._payloads is None:  # asked with the lock: the thread and the exit may come here together
                from footfall.export.payload_log import PayloadLog  # noqa: PLC0415  only where somebody asked for it

                background = runtime.background
                self._payloads = PayloadLog(
                    directory, process, loading=background.loading, printing=background.printing
                )
            payloads = self._payloads
        payloads.flush()

    def after_fork(self) -> None:
        """In a fork child: its own journal, from the start."""
        self._payloads = None
