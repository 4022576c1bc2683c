"""Whether this is continuous integration, whose, and which run: package ``ci-info``'s table, with three corrections.

``ci-info`` asks whether a vendor's variable exists. People also write ``CI=true`` on systems nobody listed, and
``GITHUB_ACTIONS=false`` when they act as if they were not there. So (otel.md section 4):

- a variable that is empty, and a vendor's flag that is ``0``, ``false``, ``no`` or ``off``, counts as not set;
- ``CI`` or ``CONTINUOUS_INTEGRATION`` with any other value is CI, by a system called ``unknown``;
- ``CI=false`` (``0``, ``no``, ``off``) says "not CI", whatever else is set.

A bare ``BUILD_NUMBER``, ``BUILD_ID`` or ``RUN_ID`` is not CI: packaging tools and batch systems set them too.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Final

from footfall.attributes import CICD_PIPELINE_NAME, CICD_PIPELINE_RUN_ID, CICD_SYSTEM
from footfall.usage import AttributeValue

UNKNOWN: Final = "unknown"
"""The system behind a bare ``CI=true``."""

GENERIC: Final = ("CI", "CONTINUOUS_INTEGRATION")
NO: Final = frozenset({"0", "false", "no", "off"})
MAX_TEXT: Final = 128

FLAGS: Final = frozenset(
    {
        *("AC_APPCIRCLE", "AGOLA_GIT_REF", "APPCENTER_BUILD_ID", "APPVEYOR", "BITBUCKET_COMMIT"),
        *("BITRISE_IO", "BUDDY_WORKSPACE_ID", "BUILDER_OUTPUT", "BUILDKITE", "CF_BUILD_ID"),
        *("CF_PAGES", "CIRCLECI", "CIRRUS_CI", "CI_XCODE_PROJECT", "CM_BUILD_ID"),
        *("CODEBUILD_BUILD_ARN", "DRONE", "DSARI", "EARTHLY_CI", "EAS_BUILD"),
        *("GERRIT_PROJECT", "GITEA_ACTIONS", "GITHUB_ACTIONS", "GITLAB_CI", "GO_PIPELINE_LABEL"),
        *("HARNESS_BUILD_ID", "HUDSON_URL", "LAYERCI", "MAGNUM", "NETLIFY"),
        *("NEVERCODE", "NOW_BUILDER", "PROW_JOB_ID", "RELEASE_BUILD_ID", "RENDER"),
        *("SAILCI", "SCREWDRIVER", "SEMAPHORE", "STRIDER", "TEAMCITY_VERSION"),
        *("TF_BUILD", "TRAVIS", "VELA", "VERCEL", "WORKERS_CI"),
        *("XCS", "bamboo_planKey"),
    }
)
"""Variables that tell of a vendor on their own."""

OTHERS: Final = ("CI_NAME", "JENKINS_URL", "TASK_ID", "NODE")
"""Variables that do so with the right value, or together with another."""

PIPELINE: Final[Mapping[str, tuple[str, str]]] = {
    "AWS CodeBuild": ("", "CODEBUILD_BUILD_NUMBER"),
    "AppVeyor": ("APPVEYOR_PROJECT_SLUG", "APPVEYOR_BUILD_ID"),
    "Azure Pipelines": ("BUILD_DEFINITIONNAME", "BUILD_BUILDID"),
    "Bitbucket Pipelines": ("", "BITBUCKET_BUILD_NUMBER"),
    "Buildkite": ("BUILDKITE_PIPELINE_SLUG", "BUILDKITE_BUILD_ID"),
    "CircleCI": ("", "CIRCLE_WORKFLOW_ID"),
    "Cirrus CI": ("", "CIRRUS_BUILD_ID"),
    "Drone": ("", "DRONE_BUILD_NUMBER"),
    "GitHub Actions": ("GITHUB_WORKFLOW", "GITHUB_RUN_ID"),
    "GitLab CI": ("CI_PIPELINE_NAME", "CI_PIPELINE_ID"),
    "Gitea Actions": ("GITHUB_WORKFLOW", "GITHUB_RUN_ID"),
    "Jenkins": ("JOB_NAME", "BUILD_ID"),
    "Prow": ("JOB_NAME", "BUILD_ID"),
    "Semaphore": ("SEMAPHORE_PROJECT_NAME", "SEMAPHORE_WORKFLOW_ID"),
    "TeamCity": ("TEAMCITY_BUILDCONF_NAME", "BUILD_NUMBER"),
    "Travis CI": ("", "TRAVIS_BUILD_ID"),
    "Woodpecker": ("", "CI_PIPELINE_NUMBER"),
}
"""Where the vendors keep the name of the pipeline and the run's id, as their manuals say; "" where there is no such."""


def detect(environ: Mapping[str, str] | None = None) -> dict[str, AttributeValue]:
    """Return ``footfall.cicd.system``, ``cicd.pipeline.name`` and ``cicd.pipeline.run.id``; empty outside CI.

    Args:
        environ: Environment; default: this process's.
    """
    environ = os.environ if environ is None else environ
    name = system(environ)
    if not name:
        return {}
    found: dict[str, AttributeValue] = {CICD_SYSTEM: name}
    pipeline, run = PIPELINE.get(name, ("", ""))
    for key, variable in ((CICD_PIPELINE_NAME, pipeline), (CICD_PIPELINE_RUN_ID, run)):
        if text := environ.get(variable, "").strip():
            found[key] = text[:MAX_TEXT]
    return found


def system(environ: Mapping[str, str]) -> str:
    """Return the name of the CI system, ``unknown`` for one without a name, or "" outside CI."""
    if _says_no(environ.get("CI", "")):
        return ""
    # Importing ci-info reads and parses its table: 7 ms here. Most processes have none of these variables.
    if not any(variable in environ for variable in (*GENERIC, *OTHERS, *FLAGS)):
        return ""
    import ci_info  # noqa: PLC0415  see above

    meant = {
        variable: value
        for variable, value in environ.items()
        if value.strip() and not (variable in FLAGS and _says_no(value))
    }
    if name := ci_info.name(meant):  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]  untyped
        return str(name)  # pyright: ignore[reportUnknownArgumentType]
    return UNKNOWN if any(not _says_no(meant.get(variable, "no")) for variable in GENERIC) else ""


def _says_no(value: str) -> bool:
    return value.strip().lower() in NO
