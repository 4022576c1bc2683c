"""Whether this is continuous integration, whose, and which run: package ``ci-info``'s table, with four corrections.

``ci-info`` asks whether a vendor's variable exists. People also write ``CI=true`` on systems nobody listed, and
``GITHUB_ACTIONS=false`` when they act as if they were not there. So (otel.md section 4):

- a variable that is empty, and a vendor's flag that is ``0``, ``false``, ``no`` or ``off``, counts as not set;
- ``CI`` or ``CONTINUOUS_INTEGRATION`` with any other value is CI, by a system called ``unknown``;
- ``CI=false`` (``0``, ``no``, ``off``) says "not CI", whatever else is set;
- variables that a vendor sets in memory of another (Jenkins those of Hudson) do not speak for the other.

A bare ``BUILD_NUMBER``, ``BUILD_ID`` or ``RUN_ID`` is not CI: packaging tools and batch systems set them too.

What a run reveals about who runs it stays at home. The owner of a repository is, on a personal account, a login name;
branches are called ``alice/fix``, pipelines after unpublished projects; a commit's hash leads whoever looks it up to
its author. The people whose programs these are were not asked. So a record says which system, which kind of forge, and
the number of the run (to count runs rather than processes): words of lists, and numbers by which nobody finds the run
who does not know the repository. The rest is in `footfall.resource.ci_details`, for the host's own resource.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Final

from footfall.attributes import CICD_PIPELINE_RUN_ID, CICD_SYSTEM, VCS_PROVIDER_NAME
from footfall.usage import AttributeValue

UNKNOWN: Final = "unknown"
"""The system behind a bare ``CI=true``."""

GENERIC: Final = ("CI", "CONTINUOUS_INTEGRATION")
NO: Final = frozenset({"0", "false", "no", "off"})

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

SHADOWS: Final[Mapping[str, str]] = {
    "HUDSON_URL": "JENKINS_URL",  # set by Jenkins to this day
    "GERRIT_PROJECT": "JENKINS_URL",  # set by a plug-in of Jenkins; Gerrit itself runs nothing
    "DRONE": "HARNESS_BUILD_ID",  # bought, and run under the old names as well
}
"""A vendor's variable, to the one that shows that another vendor set it."""

_RUN_ID: Final = re.compile(r"[0-9]{1,20}|[0-9a-f]{24}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
"""A number, or a random id as one of the vendors makes them. TeamCity lets people write what they like in its place, a
branch or a commit (40 digits, hence no such length)."""


def detect(environ: Mapping[str, str] | None = None) -> dict[str, AttributeValue]:
    """Return ``footfall.cicd.system``, ``cicd.pipeline.run.id`` and ``vcs.provider.name``; empty outside CI.

    Args:
        environ: Environment; default: this process's.
    """
    environ = os.environ if environ is None else environ
    name = system(environ)
    if not name:
        return {}
    from footfall.resource import ci_vendors  # noqa: PLC0415  as ci-info: most processes need no such table

    found: dict[str, AttributeValue] = {CICD_SYSTEM: name}
    if vendor := ci_vendors.VENDORS.get(name):
        if _RUN_ID.fullmatch(run := ci_vendors.filled(vendor.run_id, environ)):
            found[CICD_PIPELINE_RUN_ID] = run
        if word := ci_vendors.provider(vendor, environ):
            found[VCS_PROVIDER_NAME] = word
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
        if value.strip() and not (variable in FLAGS and _says_no(value)) and not environ.get(SHADOWS.get(variable, ""))
    }
    if name := ci_info.name(meant):  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]  untyped
        return str(name)  # pyright: ignore[reportUnknownArgumentType]
    return UNKNOWN if any(not _says_no(meant.get(variable, "no")) for variable in GENERIC) else ""


def _says_no(value: str) -> bool:
    return value.strip().lower() in NO
