"""The CI detector: what ci-info says, corrected where people write ``CI=true`` and ``GITHUB_ACTIONS=false``."""

from __future__ import annotations

import json
import subprocess
import sys

import ci_info
import pytest

from footfall.resource import ci

# Environments for which the answer of ci-info 0.4.0 is on record (vector 057 of wire migas). The third column is our
# answer where it differs.
RECORDED = [
    ({}, None, None),
    ({"CI": "true"}, None, "unknown"),
    ({"CI": "1"}, None, "unknown"),
    ({"GITHUB_ACTIONS": "true"}, "GitHub Actions", None),
    ({"GITLAB_CI": "true"}, "GitLab CI", None),
    ({"TRAVIS": "true"}, "Travis CI", None),
    ({"CIRCLECI": "true"}, "CircleCI", None),
    ({"JENKINS_URL": "http://j", "BUILD_ID": "1"}, "Jenkins", None),
    ({"JENKINS_URL": "http://j"}, None, None),
    ({"TF_BUILD": "True"}, "Azure Pipelines", None),
    ({"BUILDKITE": "true"}, "Buildkite", None),
    ({"GITHUB_ACTIONS": ""}, "GitHub Actions", ""),
    ({"CI_NAME": "codeship"}, "Codeship", None),
    ({"SLURM_JOB_ID": "1"}, None, None),
    ({"CONTINUOUS_INTEGRATION": "true"}, None, "unknown"),
    ({"BUILD_NUMBER": "3"}, None, None),
]


@pytest.mark.parametrize(("environ", "recorded", "corrected"), RECORDED)
def test_recorded_answers(environ: dict[str, str], recorded: str | None, corrected: str | None) -> None:
    """The original's answer stands, except for a bare CI variable (CI, unknown) and an empty flag (not set)."""
    assert ci_info.name(environ) == recorded
    assert ci.system(environ) == (corrected if corrected is not None else recorded or "")


@pytest.mark.parametrize(
    ("environ", "name"),
    [
        ({"GITHUB_ACTIONS": "false"}, ""),
        ({"GITHUB_ACTIONS": "False", "CI": "true"}, "unknown"),
        ({"TRAVIS": "0"}, ""),
        ({"CI": "false"}, ""),
        ({"CI": "0", "GITHUB_ACTIONS": "true"}, ""),
        ({"CI": "", "GITHUB_ACTIONS": "true"}, "GitHub Actions"),
        ({"CI": "no", "CONTINUOUS_INTEGRATION": "true"}, ""),
        ({"CONTINUOUS_INTEGRATION": "off"}, ""),
        ({"CI": "woodpecker"}, "Woodpecker"),
        ({"TASK_ID": "x", "RUN_ID": "0"}, "TaskCluster"),  # run 0 is a run
        ({"RUN_ID": "1"}, ""),
        ({"NODE": "/app/.heroku/node/bin/node"}, "Heroku"),
        ({"NODE": "/usr/bin/node"}, ""),
    ],
)
def test_falsy_words_are_honoured(environ: dict[str, str], name: str) -> None:
    """A flag that says no is no; CI=false ends the question."""
    assert ci.system(environ) == name


def test_every_vendor_of_the_table_is_found_without_importing_it_first() -> None:
    """The quick look knows each variable that the installed ci-info knows."""
    for vendor in ci_info.vendors:
        for environ in environments(vendor["env"]):
            assert ci.system(environ) == vendor["name"], environ


def environments(rule: object) -> list[dict[str, str]]:
    """Return environments in which a vendor's rule holds."""
    if isinstance(rule, str):
        return [{rule: "true"}]
    if isinstance(rule, list):
        return [dict.fromkeys(rule, "1")]
    assert isinstance(rule, dict)
    if "includes" in rule:
        return [{rule["env"]: f"x{rule['includes']}x"}]
    if "any" in rule:
        return [{name: "1"} for name in rule["any"]]
    return [{name: value} for name, value in rule.items()]


@pytest.mark.parametrize(
    ("environ", "name"),
    [
        ({"HUDSON_URL": "http://h", "JENKINS_URL": "http://j", "BUILD_ID": "1"}, "Jenkins"),
        ({"HUDSON_URL": "http://h"}, "Hudson"),
        ({"GERRIT_PROJECT": "p", "JENKINS_URL": "http://j", "BUILD_ID": "1"}, "Jenkins"),
        ({"GERRIT_PROJECT": "p", "JENKINS_URL": ""}, "Gerrit"),
        ({"DRONE": "true", "HARNESS_BUILD_ID": "1"}, "Harness CI"),
        ({"DRONE": "true"}, "Drone"),
    ],
)
def test_variables_set_in_memory_of_another_vendor(environ: dict[str, str], name: str) -> None:
    """The vendor that runs is named, not the one whose variable it also sets."""
    assert ci.system(environ) == name


@pytest.mark.parametrize(
    ("run_id", "sent"),
    [
        ("42", True),
        ("4735ba57-80d0-46e2-8fa0-b28223a86586", True),
        ("5f7c1f9e2a4b6c8d0e1f2a3b", True),
        (" ", False),
        ("1.4.2-alice", False),
        ("alice", False),
        ("0c8a5d64c5c8a7c93a8d9a3b6b6d7d6f3b0e1f2a", False),  # a commit
        ("0c8a5d6", False),
        ("٤٢", False),
        ("4" * 30, False),
    ],
)
def test_only_numbers_and_random_ids_are_sent(run_id: str, sent: bool) -> None:
    """What people write in the place of a number may be a name."""
    found = ci.detect({"TEAMCITY_VERSION": "2024.03", "BUILD_NUMBER": run_id})
    assert found == {"footfall.cicd.system": "TeamCity", **({"cicd.pipeline.run.id": run_id} if sent else {})}


@pytest.mark.parametrize(
    ("provider", "word"),
    [("GitHub", "github"), ("gitlab", "gitlab"), ("bitBucket", "bitbucket"), ("TfsGit", None), ("alice", None)],
)
def test_only_listed_providers_are_sent(provider: str, word: str | None) -> None:
    """Words of the convention's enumeration, however a vendor writes them."""
    assert ci.detect({"TF_BUILD": "True", "BUILD_REPOSITORY_PROVIDER": provider}).get("vcs.provider.name") == word


def test_outside_ci_the_table_is_not_even_read() -> None:
    """Importing ci-info costs milliseconds that most processes need not spend."""
    code = (
        "import json, sys; from footfall.resource import ci; ci.detect({'PATH': '/bin', 'CI': 'false'}); "
        "ci.detect({}); before = 'ci_info' in sys.modules; ci.detect({'CI': 'true'}); "
        "print(json.dumps([before, 'ci_info' in sys.modules]))"
    )
    out = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=60).stdout
    assert json.loads(out) == [False, True]
