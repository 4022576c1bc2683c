"""Which batch system runs this process, told by the variables that it gives its jobs (otel.md section 4).

OpenTelemetry has no names for this; ours begin with ``footfall.batch.``. A record says which system it is, and no more.
The job's number is for the host's own resource (`job`): a site's accounting, often readable by all its users, leads
from it to a login name. Names of jobs, queues, accounts, nodes and servers are read by neither.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Final

from footfall.attributes import BATCH_JOB_ID, BATCH_SYSTEM
from footfall.usage import AttributeValue

SYSTEMS: Final[Mapping[str, tuple[str, ...]]] = {
    "flux": ("FLUX_JOB_ID",),
    "htcondor": ("_CONDOR_SLOT",),
    "slurm": ("SLURM_JOB_ID",),
    "pbs": ("PBS_JOBID",),
    "lsf": ("LSB_JOBID",),
    "cobalt": ("COBALT_JOBID",),
    "sge": ("JOB_ID", "SGE_ROOT"),
}
"""What must all be set; the first holds the job's number, if any. Flux and HTCondor also run inside jobs of the others,
so they come first; ``JOB_ID`` alone is set by many."""

_NUMBER: Final = re.compile(
    r"([0-9]{1,20}(?:\[[0-9]{0,10}\])?)(?:\.|$)"  # PBS: 1234.server, and 1234[7].server in an array
    r"|([fƒ][1-9A-HJ-NP-Za-km-z]{1,11})$"  # Flux: 64 bits in base 58
)


def detect(environ: Mapping[str, str] | None = None) -> dict[str, AttributeValue]:
    """Return ``footfall.batch.system``; empty outside a job.

    Args:
        environ: Environment; default: this process's.
    """
    name = _system(os.environ if environ is None else environ)
    return {BATCH_SYSTEM: name} if name else {}


def job(environ: Mapping[str, str] | None = None) -> dict[str, AttributeValue]:
    """Return ``footfall.batch.job.id``, with its index in an array, without the server's name that PBS adds.

    Args:
        environ: Environment; default: this process's.
    """
    environ = os.environ if environ is None else environ
    name = _system(environ)
    match = _NUMBER.match(environ[SYSTEMS[name][0]].strip()) if name else None
    return {BATCH_JOB_ID: match[1] or match[2]} if match else {}


def _system(environ: Mapping[str, str]) -> str:
    return next(
        (name for name, needed in SYSTEMS.items() if all(environ.get(variable, "").strip() for variable in needed)), ""
    )
