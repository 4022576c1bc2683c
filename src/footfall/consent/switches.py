"""Whether a project may record and send, decided from everything that was said (design.md section 5). Pure.

**A no always wins.** `DO_NOT_TRACK`, `FOOTFALL=off`, `OTEL_SDK_DISABLED`, `MIGAS_OPTOUT` and the user's `footfall off`
are asked in this order, and each is final: a site that sets `FOOTFALL=on` for all does not overrule the person who said
no. `FOOTFALL=on` lifts what nobody said but footfall presumes: silence under a test runner, of opt-in projects, and in
CI where a project wants it. `FOOTFALL=local` and `log` send nothing, so they need no such leave.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

import msgspec

from footfall import settings
from footfall.consent.choice import Choice
from footfall.errors import ConfigurationError
from footfall.settings import Mode

NOT_SET: Final = frozenset({"", "0", "false"})
"""Values of `DO_NOT_TRACK` that say nothing; every other one says no."""

SILENT: Final = Choice()


class Decision(msgspec.Struct, frozen=True):
    """What may be done, and why.

    Attributes:
        mode: ``off`` (nothing at all), ``local``, ``log`` or ``on``.
        reason: A sentence for `footfall status` and `footfall doctor`.
    """

    mode: Mode
    reason: str

    @property
    def records(self) -> bool:
        """Whether anything is observed at all."""
        return self.mode != "off"

    @property
    def sends(self) -> bool:
        """Whether anything may leave the machine."""
        return self.mode == "on"


def decide(
    environ: Mapping[str, str],
    *,
    runner: str,
    project: str = "",
    choice: Choice = SILENT,
    consent: Literal["opt-in", "opt-out"] = "opt-out",
    ci_system: str = "",
    ci: Literal["mark", "skip"] = "mark",
) -> Decision:
    """Return what *project* may do in this process.

    Args:
        environ: The environment, inherited by child processes.
        runner: `footfall.consent.runner.detect`: the test runner at work, or "".
        project: ``owner/name``; "" asks for the process as a whole.
        choice: What the user said for good.
        consent: Whether the project asks first.
        ci_system: Name of the CI system, or "" outside CI.
        ci: What the project wants there.
    """
    if no := refusal(environ, choice, project):
        return Decision("off", no)
    if asked := _asked(environ):
        return Decision(asked, f"FOOTFALL={asked} in the environment" + ("" if asked == "on" else ": nothing is sent"))
    named = project or "the project"
    said_yes = choice.says(project) == "on"
    if runner:
        presumed = f"a test runner is at work: {runner}; FOOTFALL=on sends all the same"
    elif ci_system and ci == "skip":
        presumed = f"{named} keeps silent in CI ({ci_system}); FOOTFALL=on sends all the same"
    elif consent == "opt-in" and not said_yes:
        presumed = f"{named} asks first: say `footfall on {project or 'owner/name'}`, or FOOTFALL=on"
    else:
        command = f"footfall off {project}".rstrip()
        yes = f"`footfall on {project}` was said ({choice.path})" if said_yes else "nobody said no"
        return Decision("on", f"{yes}; `{command}` stops it")
    return Decision("off", presumed)


def refusal(environ: Mapping[str, str], choice: Choice = SILENT, project: str = "") -> str:
    """Return the first no that was said, as a sentence; "" when none was. Cheap: also asked before each sending."""
    if environ.get("DO_NOT_TRACK", "").strip().lower() not in NOT_SET:
        return f"DO_NOT_TRACK={environ['DO_NOT_TRACK']} in the environment"
    try:
        if _asked(environ) == "off":
            return f"FOOTFALL={environ['FOOTFALL']} in the environment"
    except ConfigurationError as error:
        return f"{error}; a word nobody understands was hardly meant as yes"
    if environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return f"OTEL_SDK_DISABLED={environ['OTEL_SDK_DISABLED']} in the environment"
    if environ.get("MIGAS_OPTOUT"):  # any text, "0" too: migas' own clients read it so
        return f"MIGAS_OPTOUT={environ['MIGAS_OPTOUT']} in the environment"
    return _recorded_no(choice, project)


def _recorded_no(choice: Choice, project: str) -> str:
    if choice.says(project) != "off":
        return ""
    if choice.problem:
        return f"{choice.problem}; it may say no, so footfall is off: repair or remove it, or say `footfall on`"
    command = f"footfall off {project}" if project.lower() in choice.projects else "footfall off"
    return f"`{command}` was said ({choice.path})"


def _asked(environ: Mapping[str, str]) -> Mode | None:
    return settings.read({"FOOTFALL": environ.get("FOOTFALL", "")}).mode
