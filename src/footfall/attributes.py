"""Every attribute key that footfall emits: one row each with meaning, stability and source.

Stable OpenTelemetry names could be imported from `opentelemetry.semconv.attributes`; they are repeated as text
because importing that package costs the host more than the names are worth, and because the incubating ones move and
vanish between releases (otel.md section 4). `tests/resource/test_attributes.py` compares them with the installed
conventions.
"""

from __future__ import annotations

from typing import Final, Literal

import msgspec

Stability = Literal["stable", "release candidate", "development", "footfall"]

SCOPE_NAME: Final = "footfall"
"""Instrumentation scope of our spans and events; exporters ship nothing else (otel.md section 1, rule 4)."""

SCHEMA_URL: Final = "https://opentelemetry.io/schemas/1.44.0"

SESSION_ID: Final = "session.id"
SESSION_PREVIOUS_ID: Final = "session.previous_id"
APP_INSTALLATION_ID: Final = "app.installation.id"
SERVICE_NAME: Final = "service.name"
SERVICE_VERSION: Final = "service.version"
SERVICE_NAMESPACE: Final = "service.namespace"
TELEMETRY_SDK_LANGUAGE: Final = "telemetry.sdk.language"
TELEMETRY_DISTRO_NAME: Final = "telemetry.distro.name"
TELEMETRY_DISTRO_VERSION: Final = "telemetry.distro.version"
PROCESS_RUNTIME_NAME: Final = "process.runtime.name"
PROCESS_RUNTIME_VERSION: Final = "process.runtime.version"
PROCESS_INTERACTIVE: Final = "process.interactive"
OS_TYPE: Final = "os.type"
OS_VERSION: Final = "os.version"
HOST_ARCH: Final = "host.arch"
CONTAINER_ID: Final = "container.id"
CONTAINER_RUNTIME_NAME: Final = "container.runtime.name"
CICD_PIPELINE_NAME: Final = "cicd.pipeline.name"
CICD_PIPELINE_RUN_ID: Final = "cicd.pipeline.run.id"
CICD_PIPELINE_RUN_URL_FULL: Final = "cicd.pipeline.run.url.full"
CICD_PIPELINE_TASK_NAME: Final = "cicd.pipeline.task.name"
VCS_PROVIDER_NAME: Final = "vcs.provider.name"
VCS_REPOSITORY_URL_FULL: Final = "vcs.repository.url.full"
VCS_REF_HEAD_NAME: Final = "vcs.ref.head.name"
VCS_REF_HEAD_REVISION: Final = "vcs.ref.head.revision"
CICD_SYSTEM: Final = "footfall.cicd.system"
BATCH_SYSTEM: Final = "footfall.batch.system"
BATCH_JOB_ID: Final = "footfall.batch.job.id"
KUBERNETES: Final = "footfall.kubernetes"
WSL: Final = "footfall.wsl"
NOTEBOOK: Final = "footfall.notebook"
CODE_FUNCTION_NAME: Final = "code.function.name"
ERROR_TYPE: Final = "error.type"

PROJECT: Final = "footfall.project"
SERVICE: Final = "footfall.service"
KIND: Final = "footfall.kind"
OUTCOME: Final = "footfall.outcome"
COUNT: Final = "footfall.count"
ITEMS: Final = "footfall.items"
PARAMETERS: Final = "footfall.parameters"
RECORDED: Final = "footfall.recorded"
PARENT_SPAN_ID: Final = "footfall.parent_span_id"
MESSAGE: Final = "footfall.message"
DROP: Final = "footfall.drop"
JSON_VALUES: Final = "footfall.json"
LOG_RECORD_UID: Final = "log.record.uid"
START_EVENT: Final = "footfall.start"
COUNT_EVENT: Final = "footfall.count"
"""Event names of the log records that tell of starts and counts; an event has its own."""

ARGUMENT_PREFIX: Final = "footfall.args."
EXTRA_PREFIX: Final = "footfall.extra."
ADDRESSED_PREFIX: Final = "footfall.for."
"""Before an extra field that is for one server alone, such as ``footfall.for.migas.user_id``."""


def record_uid(trace_id: str, span_id: str) -> str:
    """Return the `LOG_RECORD_UID` of a record about the use with these ids."""
    return f"{trace_id}-{span_id}"


class Row(msgspec.Struct, frozen=True):
    """One emitted attribute.

    Attributes:
        key: Its name.
        stability: As the conventions have it; ``footfall`` for a name of our own.
        where: ``resource`` and ``use`` go to usage servers. ``host`` is given to the host's own resource by
            `footfall.resource.detectors`, because its user asked for it, and goes nowhere else.
        meaning: A sentence for the documentation.
    """

    key: str
    stability: Stability
    where: Literal["resource", "use", "host"]
    meaning: str


TABLE: Final = (
    Row(SESSION_ID, "development", "use", "Random UUID of one run of a process."),
    Row(
        SESSION_PREVIOUS_ID,
        "development",
        "use",
        "Session of the process this one was forked or started from.",
    ),
    Row(
        APP_INSTALLATION_ID,
        "development",
        "use",
        "Random, resettable UUID of the installation; pseudonymous.",
    ),
    Row(SERVICE_NAME, "stable", "resource", "Repository part of the project, `fmriprep`."),
    Row(SERVICE_NAMESPACE, "development", "resource", "Owner part of the project, `nipreps`."),
    Row(SERVICE_VERSION, "stable", "resource", "Version of the observed project."),
    Row(TELEMETRY_SDK_LANGUAGE, "stable", "resource", "Always `python`."),
    Row(TELEMETRY_DISTRO_NAME, "stable", "resource", "Always `footfall`."),
    Row(TELEMETRY_DISTRO_VERSION, "stable", "resource", "Version of footfall."),
    Row(PROCESS_RUNTIME_NAME, "release candidate", "resource", "Python implementation, `cpython`."),
    Row(PROCESS_RUNTIME_VERSION, "release candidate", "resource", "Python version."),
    Row(
        PROCESS_INTERACTIVE,
        "release candidate",
        "resource",
        "Whether a person types at this interpreter, at a prompt or into a notebook.",
    ),
    Row(OS_TYPE, "development", "resource", "`linux`, `darwin`, `windows`."),
    Row(OS_VERSION, "development", "resource", "Numbers of the kernel's release, `6.8.0`; no name of a build or site."),
    Row(HOST_ARCH, "development", "resource", "`amd64`, `arm64`, ... as the convention's enumeration has it."),
    Row(CONTAINER_ID, "stable", "resource", "Only when it is 64 hexadecimal digits."),
    Row(
        CONTAINER_RUNTIME_NAME,
        "development",
        "resource",
        "`docker`, `podman`, `apptainer`, `singularity`, `containerd`, `cri-o`, ...; `unknown` for one without a mark.",
    ),
    Row(
        KUBERNETES, "footfall", "resource", "True in a pod, else absent. Never the pod's name, which is its host name."
    ),
    Row(WSL, "footfall", "resource", "True in the Windows Subsystem for Linux, else absent."),
    Row(
        CICD_SYSTEM,
        "footfall",
        "resource",
        "Which CI system, `GitHub Actions`; `unknown` behind a bare `CI=true`.",
    ),
    Row(CICD_PIPELINE_RUN_ID, "release candidate", "resource", "Run of the pipeline: a number or a random id."),
    Row(VCS_PROVIDER_NAME, "release candidate", "resource", "In CI: `github`, `gitlab`, `gitea` or `bitbucket`."),
    Row(CICD_PIPELINE_NAME, "release candidate", "host", "Name of the pipeline, as people gave it."),
    Row(CICD_PIPELINE_TASK_NAME, "release candidate", "host", "Name of the job, stage or step."),
    Row(CICD_PIPELINE_RUN_URL_FULL, "release candidate", "host", "Page of the run, without credentials."),
    Row(VCS_REPOSITORY_URL_FULL, "release candidate", "host", "In CI: page of the repository, without credentials."),
    Row(VCS_REF_HEAD_NAME, "release candidate", "host", "In CI: branch or tag."),
    Row(VCS_REF_HEAD_REVISION, "release candidate", "host", "In CI: commit."),
    Row(
        BATCH_SYSTEM,
        "footfall",
        "resource",
        "`slurm`, `pbs`, `lsf`, `sge`, `flux`, `htcondor` or `cobalt`, in a job of it.",
    ),
    Row(BATCH_JOB_ID, "footfall", "host", "Number of that job, and its index in an array; no name of a server."),
    Row(
        NOTEBOOK,
        "footfall",
        "resource",
        "`jupyter`, `ipython`, `colab`, `kaggle` or `vscode`.",
    ),
    Row(CODE_FUNCTION_NAME, "stable", "use", "Fully qualified name of the registered function."),
    Row(ERROR_TYPE, "stable", "use", "Class name of the exception, or `ProcessKilled`."),
    Row(PROJECT, "footfall", "use", "`owner/name` of the observed project."),
    Row(SERVICE, "footfall", "use", "Group in the registry, `intake_catalog`."),
    Row(KIND, "footfall", "use", "`start`, `end`, `event` or `count`."),
    Row(OUTCOME, "footfall", "use", "`ok`, `error`, `interrupted` or `killed`."),
    Row(COUNT, "footfall", "use", "Uses that this record stands for."),
    Row(ITEMS, "footfall", "use", "Items that a generator yielded."),
    Row(
        PARAMETERS,
        "footfall",
        "use",
        "Which captured arguments are passed by position (`/key`, `*names`), or are any keywords (`**query`).",
    ),
    Row(
        LOG_RECORD_UID,
        "development",
        "use",
        "On log records: the ids of the start, event or count itself, for the record's own may be its span's.",
    ),
    Row(PARENT_SPAN_ID, "footfall", "use", "On log records: the enclosing span."),
    Row(
        MESSAGE,
        "footfall",
        "use",
        "The caller's short text, where neither a status nor a body holds it: of starts, counts and successes.",
    ),
    Row(JSON_VALUES, "footfall", "use", "Which attributes are JSON in a text, for OTLP has no form for their values."),
    Row(
        DROP,
        "footfall",
        "use",
        "With `addressed` only: fields that the registry takes out, for the receiving gateway to do so.",
    ),
    Row(
        RECORDED,
        "footfall",
        "use",
        "On host spans only: this use is already in the journal; exporters skip it.",
    ),
)
