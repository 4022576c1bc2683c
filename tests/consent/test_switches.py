"""The truth table of consent: a no always wins, a yes lifts only what footfall presumes."""

from __future__ import annotations

import itertools

import pytest

from footfall.consent.choice import Choice
from footfall.consent.switches import Decision, decide, refusal

PROJECT = "nipreps/fmriprep"
NOTHING = Choice()
OFF = Choice(everything="off", path="/c/choice.json")
PROJECT_OFF = Choice(projects={PROJECT: "off"}, path="/c/choice.json")
OTHER_OFF = Choice(projects={"a/b": "off"}, path="/c/choice.json")
PROJECT_ON = Choice(projects={PROJECT: "on"}, path="/c/choice.json")
ONLY_PROJECT_ON = Choice(everything="off", projects={PROJECT: "on"}, path="/c/choice.json")
UNREADABLE = Choice(everything="off", problem="/c/choice.json: Permission denied", path="/c/choice.json")

NO = "/c/choice.json"


@pytest.mark.parametrize(
    ("environ", "options", "mode", "reason"),
    [
        ({}, {}, "on", "nobody said no; `footfall off nipreps/fmriprep` stops it"),
        # DO_NOT_TRACK: any value but empty, 0 and false
        ({"DO_NOT_TRACK": "1"}, {}, "off", "DO_NOT_TRACK=1 in the environment"),
        ({"DO_NOT_TRACK": "no"}, {}, "off", "DO_NOT_TRACK=no in the environment"),
        ({"DO_NOT_TRACK": "1", "FOOTFALL": "on"}, {"choice": PROJECT_ON}, "off", "DO_NOT_TRACK=1 in the environment"),
        ({"DO_NOT_TRACK": "1", "FOOTFALL": "local"}, {}, "off", "DO_NOT_TRACK=1 in the environment"),
        *(({"DO_NOT_TRACK": word}, {}, "on", "nobody said no") for word in ("", "0", "false", "False", " 0 ")),
        # FOOTFALL
        *(
            ({"FOOTFALL": word}, {}, "off", f"FOOTFALL={word} in the env")
            for word in ("0", "off", "false", "no", "OFF")
        ),
        *(
            ({"FOOTFALL": word}, {}, "on", "FOOTFALL=on in the environment")
            for word in ("1", "on", "true", "yes", "On")
        ),
        ({"FOOTFALL": "local"}, {}, "local", "FOOTFALL=local in the environment: nothing is sent"),
        ({"FOOTFALL": "log"}, {}, "log", "FOOTFALL=log in the environment: nothing is sent"),
        ({"FOOTFALL": "maybe"}, {}, "off", "FOOTFALL='maybe': must be one of off, local, log, on; a word nobody"),
        ({"FOOTFALL": ""}, {}, "on", "nobody said no"),
        # OTEL_SDK_DISABLED: the specification knows only "true"
        ({"OTEL_SDK_DISABLED": "true"}, {}, "off", "OTEL_SDK_DISABLED=true in the environment"),
        ({"OTEL_SDK_DISABLED": "True"}, {}, "off", "OTEL_SDK_DISABLED=True in the environment"),
        ({"OTEL_SDK_DISABLED": "true", "FOOTFALL": "on"}, {}, "off", "OTEL_SDK_DISABLED=true in the environment"),
        *(({"OTEL_SDK_DISABLED": word}, {}, "on", "nobody said no") for word in ("false", "1", "", "yes")),
        # MIGAS_OPTOUT: any text
        *(({"MIGAS_OPTOUT": word}, {}, "off", f"MIGAS_OPTOUT={word} in") for word in ("1", "0", "false", "x")),
        ({"MIGAS_OPTOUT": "0", "FOOTFALL": "on"}, {}, "off", "MIGAS_OPTOUT=0 in the environment"),
        ({"MIGAS_OPTOUT": ""}, {}, "on", "nobody said no"),
        # what the user said for good
        ({}, {"choice": OFF}, "off", "`footfall off` was said (/c/choice.json)"),
        ({"FOOTFALL": "on"}, {"choice": OFF}, "off", "`footfall off` was said (/c/choice.json)"),
        ({}, {"choice": OFF, "project": ""}, "off", "`footfall off` was said (/c/choice.json)"),
        ({}, {"choice": PROJECT_OFF}, "off", "`footfall off nipreps/fmriprep` was said (/c/choice.json)"),
        ({}, {"choice": PROJECT_OFF, "project": "NiPreps/fMRIPrep"}, "off", "`footfall off NiPreps/fMRIPrep` was said"),
        ({"FOOTFALL": "log"}, {"choice": PROJECT_OFF}, "off", "`footfall off nipreps/fmriprep` was said"),
        ({}, {"choice": PROJECT_OFF, "project": ""}, "on", "nobody said no; `footfall off` stops it"),
        ({}, {"choice": OTHER_OFF}, "on", "nobody said no"),
        ({}, {"choice": ONLY_PROJECT_ON}, "on", "`footfall on nipreps/fmriprep` was said (/c/choice.json)"),
        ({}, {"choice": ONLY_PROJECT_ON, "project": "a/b"}, "off", "`footfall off` was said"),
        ({"FOOTFALL": "on"}, {"choice": UNREADABLE}, "off", "/c/choice.json: Permission denied; it may say no"),
        # opt-in
        ({}, {"consent": "opt-in"}, "off", "nipreps/fmriprep asks first: say `footfall on nipreps/fmriprep`, or FOOT"),
        ({}, {"consent": "opt-in", "choice": PROJECT_ON}, "on", "`footfall on nipreps/fmriprep` was said"),
        ({"FOOTFALL": "on"}, {"consent": "opt-in"}, "on", "FOOTFALL=on in the environment"),
        ({"FOOTFALL": "local"}, {"consent": "opt-in"}, "local", "FOOTFALL=local"),
        # test runners
        ({}, {"runner": "pytest"}, "off", "a test runner is at work: pytest; FOOTFALL=on sends all the same"),
        ({}, {"runner": "tox", "choice": PROJECT_ON}, "off", "a test runner is at work: tox"),
        ({"FOOTFALL": "on"}, {"runner": "pytest"}, "on", "FOOTFALL=on in the environment"),
        ({"FOOTFALL": "local"}, {"runner": "pytest"}, "local", "FOOTFALL=local"),
        # CI
        ({}, {"ci_system": "GitHub Actions"}, "on", "nobody said no"),
        ({}, {"ci_system": "X", "ci": "skip"}, "off", "nipreps/fmriprep keeps silent in CI (X); FOOTFALL=on sends"),
        ({}, {"ci": "skip"}, "on", "nobody said no"),
        ({"FOOTFALL": "on"}, {"ci_system": "X", "ci": "skip"}, "on", "FOOTFALL=on in the environment"),
        ({}, {"ci_system": "X", "ci": "skip", "choice": PROJECT_ON}, "off", "nipreps/fmriprep keeps silent in CI (X)"),
    ],
)
def test_row(environ: dict[str, str], options: dict[str, object], mode: str, reason: str) -> None:
    """One row of the table: what is decided, and the sentence that says why."""
    decision = decide(environ, **{"project": PROJECT, "runner": "", **options})  # type: ignore[arg-type]
    assert decision.mode == mode
    assert decision.reason.startswith(reason)


@pytest.mark.parametrize(
    ("first", "second", "reason"),
    [
        ({"DO_NOT_TRACK": "1"}, {"FOOTFALL": "off"}, "DO_NOT_TRACK"),
        ({"FOOTFALL": "off"}, {"OTEL_SDK_DISABLED": "true"}, "FOOTFALL"),
        ({"OTEL_SDK_DISABLED": "true"}, {"MIGAS_OPTOUT": "1"}, "OTEL_SDK_DISABLED"),
        ({"MIGAS_OPTOUT": "1"}, {}, "MIGAS_OPTOUT"),
    ],
)
def test_order_of_reasons(first: dict[str, str], second: dict[str, str], reason: str) -> None:
    """Of several, the first in the documented order is the one that is named."""
    assert refusal({**second, **first}, OFF, PROJECT).startswith(reason + "=")


@pytest.mark.parametrize("word", [None, "off", "0", "local", "log", "on", "maybe"])
def test_whole_table(word: str | None) -> None:
    """13 440 combinations of all the rest with each word of FOOTFALL, against the rule written down once more."""
    switches = itertools.product(
        (None, "", "0", "false", "1", "anything"),
        (None, "true", "TRUE", "false", "1"),
        (None, "", "0", "1"),
        (NOTHING, OFF, PROJECT_OFF, OTHER_OFF, PROJECT_ON, ONLY_PROJECT_ON, UNREADABLE),
        ("opt-in", "opt-out"),
        ("", "pytest"),
        (("", "mark"), ("X", "mark"), ("X", "skip"), ("", "skip")),
    )
    rows = 0
    for track, sdk, migas, choice, consent, runner, (system, ci) in switches:
        names = {"DO_NOT_TRACK": track, "FOOTFALL": word, "OTEL_SDK_DISABLED": sdk, "MIGAS_OPTOUT": migas}
        environ = {name: value for name, value in names.items() if value is not None}
        decision = decide(
            environ,
            runner=runner,
            project=PROJECT,
            choice=choice,
            consent=consent,  # type: ignore[arg-type]
            ci_system=system,
            ci=ci,  # type: ignore[arg-type]
        )
        said_no = (
            track in {"1", "anything"}
            or word in {"off", "0", "maybe"}
            or sdk in {"true", "TRUE"}
            or migas in {"0", "1"}
            or choice in (OFF, PROJECT_OFF, UNREADABLE)
        )
        presumed_no = (
            runner == "pytest"
            or (system, ci) == ("X", "skip")
            or (consent == "opt-in" and choice not in (PROJECT_ON, ONLY_PROJECT_ON))
        )
        if said_no:
            expected = "off"
        elif word is not None:
            expected = word
        else:
            expected = "off" if presumed_no else "on"
        assert decision.mode == expected, (environ, choice, consent, runner, system, ci)
        assert decision.reason
        rows += 1
    assert rows == 13_440


def test_a_decision_says_what_it_allows() -> None:
    """Only "on" sends; only "off" does not record."""
    assert [(Decision(mode, "").records, Decision(mode, "").sends) for mode in ("off", "local", "log", "on")] == [
        (False, False),
        (True, False),
        (True, False),
        (True, True),
    ]
