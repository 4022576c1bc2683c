"""Where CI vendors keep what they tell of a run: one row each, as their manuals have it. Data only, and how to read it.

A template names variables in braces; alternatives stand apart by a blank, and the first of which all variables are set
counts. A field is empty where a vendor documents no such variable. Vendors without a row (``ci-info`` knows more) are
reported by their name alone.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

import msgspec

_VARIABLE: Final = re.compile(r"\{(\w+)\}")


class Vendor(msgspec.Struct, frozen=True, kw_only=True):
    """Templates of one vendor.

    Attributes:
        run_id: Of the run of the whole pipeline. Empty where the id alone opens the run's page, and so leads from a
            public project's run to its owner; ``run_url`` holds it there.
        provider: Who keeps the repository; a word without braces where the vendor serves one only.
        pipeline: Name that people gave to the pipeline.
        task: Name of the job, stage or step within it.
        run_url: Page of the run.
        repository: Address of the repository, for a browser or for ``git clone``.
        ref: Branch or tag; of a pull request the branch that it comes from.
        revision: Commit.
    """

    run_id: str = ""
    provider: str = ""
    pipeline: str = ""
    task: str = ""
    run_url: str = ""
    repository: str = ""
    ref: str = ""
    revision: str = ""


_GITHUB: Final = Vendor(
    run_id="{GITHUB_RUN_ID}",
    provider="github",
    pipeline="{GITHUB_WORKFLOW}",
    task="{GITHUB_JOB}",
    run_url="{GITHUB_SERVER_URL}/{GITHUB_REPOSITORY}/actions/runs/{GITHUB_RUN_ID}",
    repository="{GITHUB_SERVER_URL}/{GITHUB_REPOSITORY}",
    ref="{GITHUB_HEAD_REF} {GITHUB_REF_NAME}",
    revision="{GITHUB_SHA}",
)

VENDORS: Final[Mapping[str, Vendor]] = {
    "AWS CodeBuild": Vendor(
        run_id="{CODEBUILD_BUILD_NUMBER}",
        run_url="{CODEBUILD_PUBLIC_BUILD_URL}",
        repository="{CODEBUILD_SOURCE_REPO_URL}",
        ref="{CODEBUILD_WEBHOOK_HEAD_REF}",
        revision="{CODEBUILD_RESOLVED_SOURCE_VERSION}",
    ),
    "AppVeyor": Vendor(
        run_id="{APPVEYOR_BUILD_ID}",
        provider="{APPVEYOR_REPO_PROVIDER}",
        pipeline="{APPVEYOR_PROJECT_SLUG}",
        task="{APPVEYOR_JOB_NAME}",
        run_url="{APPVEYOR_URL}/project/{APPVEYOR_ACCOUNT_NAME}/{APPVEYOR_PROJECT_SLUG}/builds/{APPVEYOR_BUILD_ID}",
        ref="{APPVEYOR_PULL_REQUEST_HEAD_REPO_BRANCH} {APPVEYOR_REPO_TAG_NAME} {APPVEYOR_REPO_BRANCH}",
        revision="{APPVEYOR_PULL_REQUEST_HEAD_COMMIT} {APPVEYOR_REPO_COMMIT}",
    ),
    "Azure Pipelines": Vendor(
        run_id="{BUILD_BUILDID}",
        provider="{BUILD_REPOSITORY_PROVIDER}",
        pipeline="{BUILD_DEFINITIONNAME}",
        task="{SYSTEM_JOBDISPLAYNAME}",
        run_url="{SYSTEM_COLLECTIONURI}{SYSTEM_TEAMPROJECT}/_build/results?buildId={BUILD_BUILDID}",
        repository="{BUILD_REPOSITORY_URI}",
        ref="{SYSTEM_PULLREQUEST_SOURCEBRANCH} {BUILD_SOURCEBRANCH}",
        revision="{SYSTEM_PULLREQUEST_SOURCECOMMITID} {BUILD_SOURCEVERSION}",
    ),
    "Bamboo": Vendor(
        run_id="{bamboo_buildNumber}",
        pipeline="{bamboo_planName}",
        task="{bamboo_shortJobName}",
        run_url="{bamboo_resultsUrl} {bamboo_buildResultsUrl}",
        repository="{bamboo_planRepository_repositoryUrl}",
        ref="{bamboo_planRepository_branchName}",
        revision="{bamboo_planRepository_revision}",
    ),
    "Bitbucket Pipelines": Vendor(
        run_id="{BITBUCKET_BUILD_NUMBER}",
        provider="bitbucket",
        repository="{BITBUCKET_GIT_HTTP_ORIGIN}",
        ref="{BITBUCKET_BRANCH} {BITBUCKET_TAG}",
        revision="{BITBUCKET_COMMIT}",
    ),
    "Bitrise": Vendor(
        pipeline="{BITRISE_TRIGGERED_WORKFLOW_TITLE} {BITRISE_TRIGGERED_WORKFLOW_ID}",
        run_url="{BITRISE_BUILD_URL}",
        repository="{GIT_REPOSITORY_URL}",
        ref="{BITRISE_GIT_BRANCH} {BITRISE_GIT_TAG}",
        revision="{BITRISE_GIT_COMMIT} {GIT_CLONE_COMMIT_HASH}",
    ),
    "Buddy": Vendor(
        run_id="{BUDDY_EXECUTION_ID}",
        pipeline="{BUDDY_PIPELINE_NAME}",
        run_url="{BUDDY_EXECUTION_URL}",
        ref="{BUDDY_EXECUTION_PULL_REQUEST_HEAD_BRANCH} {BUDDY_EXECUTION_BRANCH} {BUDDY_EXECUTION_TAG}",
        revision="{BUDDY_EXECUTION_REVISION}",
    ),
    "Buildkite": Vendor(
        run_id="{BUILDKITE_BUILD_ID}",
        provider="{BUILDKITE_PIPELINE_PROVIDER}",
        pipeline="{BUILDKITE_PIPELINE_NAME} {BUILDKITE_PIPELINE_SLUG}",
        task="{BUILDKITE_LABEL}",
        run_url="{BUILDKITE_BUILD_URL}",
        repository="{BUILDKITE_REPO}",
        ref="{BUILDKITE_BRANCH} {BUILDKITE_TAG}",
        revision="{BUILDKITE_COMMIT}",
    ),
    "CircleCI": Vendor(
        task="{CIRCLE_JOB}",
        run_url="https://app.circleci.com/pipelines/workflows/{CIRCLE_WORKFLOW_ID}",
        repository="{CIRCLE_REPOSITORY_URL}",
        ref="{CIRCLE_BRANCH} {CIRCLE_TAG}",
        revision="{CIRCLE_SHA1}",
    ),
    "Cirrus CI": Vendor(
        provider="github",  # it serves no other
        task="{CIRRUS_TASK_NAME}",
        run_url="https://cirrus-ci.com/build/{CIRRUS_BUILD_ID}",
        repository="{CIRRUS_REPO_CLONE_URL}",
        ref="{CIRRUS_BRANCH} {CIRRUS_TAG}",
        revision="{CIRRUS_CHANGE_IN_REPO}",
    ),
    "Cloudflare Pages": Vendor(ref="{CF_PAGES_BRANCH}", revision="{CF_PAGES_COMMIT_SHA}"),
    "Cloudflare Workers": Vendor(
        run_id="{WORKERS_CI_BUILD_UUID}", ref="{WORKERS_CI_BRANCH}", revision="{WORKERS_CI_COMMIT_SHA}"
    ),
    "Codefresh": Vendor(
        pipeline="{CF_PIPELINE_NAME}",
        task="{CF_STEP_NAME}",
        run_url="{CF_BUILD_URL}",
        ref="{CF_BRANCH}",
        revision="{CF_REVISION}",
    ),
    "Codemagic": Vendor(run_id="{CM_BUILD_ID}", ref="{CM_BRANCH} {CM_TAG}", revision="{CM_COMMIT}"),
    "Codeship": Vendor(run_id="{CI_BUILD_ID}", ref="{CI_BRANCH}", revision="{CI_COMMIT_ID}"),
    "Drone": Vendor(
        run_id="{DRONE_BUILD_NUMBER}",
        pipeline="{DRONE_STAGE_NAME}",
        task="{DRONE_STEP_NAME}",
        run_url="{DRONE_BUILD_LINK}",
        repository="{DRONE_REPO_LINK}",
        ref="{DRONE_SOURCE_BRANCH} {DRONE_BRANCH} {DRONE_TAG}",
        revision="{DRONE_COMMIT_SHA}",
    ),
    "Expo Application Services": Vendor(run_id="{EAS_BUILD_ID}", revision="{EAS_BUILD_GIT_COMMIT_HASH}"),
    "GitHub Actions": _GITHUB,
    "GitLab CI": Vendor(
        run_id="{CI_PIPELINE_ID}",
        provider="gitlab",
        pipeline="{CI_PIPELINE_NAME}",
        task="{CI_JOB_NAME}",
        run_url="{CI_PIPELINE_URL}",
        repository="{CI_PROJECT_URL}",  # CI_REPOSITORY_URL holds the job's token
        ref="{CI_COMMIT_REF_NAME}",
        revision="{CI_COMMIT_SHA}",
    ),
    # The address of a run's page holds a number that no variable has.
    "Gitea Actions": msgspec.structs.replace(_GITHUB, provider="gitea", run_url=""),
    "GoCD": Vendor(
        run_id="{GO_PIPELINE_COUNTER}", pipeline="{GO_PIPELINE_NAME}", task="{GO_JOB_NAME}", revision="{GO_REVISION}"
    ),
    "Jenkins": Vendor(
        run_id="{BUILD_ID}",
        pipeline="{JOB_NAME}",
        task="{STAGE_NAME}",
        run_url="{BUILD_URL}",
        repository="{GIT_URL}",
        ref="{CHANGE_BRANCH} {BRANCH_NAME} {GIT_BRANCH}",
        revision="{GIT_COMMIT}",
    ),
    "Netlify CI": Vendor(
        run_id="{BUILD_ID}", repository="{REPOSITORY_URL}", ref="{HEAD} {BRANCH}", revision="{COMMIT_REF}"
    ),
    "Prow": Vendor(
        run_id="{BUILD_ID}",
        pipeline="{JOB_NAME}",
        ref="{PULL_HEAD_REF} {PULL_BASE_REF}",
        revision="{PULL_PULL_SHA} {PULL_BASE_SHA}",
    ),
    "Render": Vendor(ref="{RENDER_GIT_BRANCH}", revision="{RENDER_GIT_COMMIT}"),
    "Screwdriver": Vendor(
        run_id="{SD_BUILD_ID}",
        pipeline="{SD_PIPELINE_NAME}",
        task="{SD_JOB_NAME}",
        run_url="{SD_UI_BUILD_URL}",
        repository="{SCM_URL}",
        ref="{PR_BRANCH_NAME} {GIT_BRANCH}",
        revision="{SD_BUILD_SHA}",
    ),
    "Semaphore": Vendor(
        run_id="{SEMAPHORE_WORKFLOW_ID}",
        provider="{SEMAPHORE_GIT_PROVIDER}",
        pipeline="{SEMAPHORE_PIPELINE_NAME} {SEMAPHORE_PROJECT_NAME}",
        task="{SEMAPHORE_JOB_NAME}",
        run_url="{SEMAPHORE_ORGANIZATION_URL}/workflows/{SEMAPHORE_WORKFLOW_ID}",
        repository="{SEMAPHORE_GIT_URL}",
        ref="{SEMAPHORE_GIT_PR_BRANCH} {SEMAPHORE_GIT_WORKING_BRANCH} {SEMAPHORE_GIT_BRANCH}",
        revision="{SEMAPHORE_GIT_PR_SHA} {SEMAPHORE_GIT_SHA}",
    ),
    "Sourcehut": Vendor(run_url="{JOB_URL}", ref="{GIT_REF}"),
    "TaskCluster": Vendor(run_url="{TASKCLUSTER_ROOT_URL}/tasks/{TASK_ID}"),
    "TeamCity": Vendor(run_id="{BUILD_NUMBER}", pipeline="{TEAMCITY_BUILDCONF_NAME}", revision="{BUILD_VCS_NUMBER}"),
    "Travis CI": Vendor(
        task="{TRAVIS_JOB_NAME}",
        run_url="{TRAVIS_BUILD_WEB_URL}",
        ref="{TRAVIS_PULL_REQUEST_BRANCH} {TRAVIS_BRANCH}",
        revision="{TRAVIS_PULL_REQUEST_SHA} {TRAVIS_COMMIT}",
    ),
    "Vela": Vendor(
        run_id="{VELA_BUILD_NUMBER}",
        task="{VELA_STEP_NAME}",
        run_url="{VELA_BUILD_LINK}",
        repository="{VELA_REPO_LINK}",
        ref="{VELA_PULL_REQUEST_SOURCE} {VELA_BUILD_BRANCH}",
        revision="{VELA_BUILD_COMMIT}",
    ),
    "Vercel": Vendor(
        provider="{VERCEL_GIT_PROVIDER}", ref="{VERCEL_GIT_COMMIT_REF}", revision="{VERCEL_GIT_COMMIT_SHA}"
    ),
    "Woodpecker": Vendor(
        run_id="{CI_PIPELINE_NUMBER}",
        provider="{CI_FORGE_TYPE}",
        pipeline="{CI_WORKFLOW_NAME}",
        task="{CI_STEP_NAME}",
        run_url="{CI_PIPELINE_URL}",
        repository="{CI_REPO_URL}",
        ref="{CI_COMMIT_SOURCE_BRANCH} {CI_COMMIT_BRANCH} {CI_COMMIT_TAG}",
        revision="{CI_COMMIT_SHA}",
    ),
    "Xcode Cloud": Vendor(
        run_id="{CI_BUILD_ID}",
        pipeline="{CI_WORKFLOW}",
        run_url="{CI_BUILD_URL}",
        ref="{CI_PULL_REQUEST_SOURCE_BRANCH} {CI_BRANCH} {CI_TAG}",
        revision="{CI_COMMIT}",
    ),
}
"""By the name that ``ci-info`` gives them."""

PROVIDERS: Final = frozenset({"github", "gitlab", "gitea", "bitbucket"})
"""What ``vcs.provider.name`` may be, as the conventions list it."""


def filled(templates: str, environ: Mapping[str, str]) -> str:
    """Return the first of *templates* of which all variables are set, with their values; "" when there is none."""
    for template in templates.split():
        values = {name: environ.get(name, "").strip() for name in _VARIABLE.findall(template)}
        if all(values.values()):
            return _VARIABLE.sub(lambda match: values[match[1]], template)  # noqa: B023  used at once
    return ""


def provider(vendor: Vendor, environ: Mapping[str, str]) -> str:
    """Return the convention's word for who keeps the repository, or "" where it has none."""
    word = filled(vendor.provider, environ).lower()
    return word if word in PROVIDERS else ""
