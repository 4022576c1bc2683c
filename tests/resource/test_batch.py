"""The batch detector where variables hold something else than their manuals say."""

from __future__ import annotations

import pytest

from footfall.resource import batch


@pytest.mark.parametrize(
    ("environ", "system", "job"),
    [
        ({"SLURM_JOB_ID": "12"}, "slurm", "12"),
        ({"SLURM_JOB_ID": "alice"}, "slurm", None),
        ({"SLURM_JOB_ID": "12alice"}, "slurm", None),
        ({"SLURM_JOB_ID": " "}, None, None),
        ({"PBS_JOBID": "12[].alice.example"}, "pbs", "12[]"),  # an array as a whole
        ({"PBS_JOBID": "12[alice].server"}, "pbs", None),
        ({"JOB_ID": "12"}, None, None),  # set by many
        ({"FLUX_JOB_ID": "f2oxBdeFN"}, "flux", "f2oxBdeFN"),  # where f with a hook cannot be shown
        ({"FLUX_JOB_ID": "falice.example"}, "flux", None),
        ({"_CONDOR_SLOT": "slot1", "SLURM_JOB_ID": "12"}, "htcondor", None),  # a pilot: the inner system runs us
    ],
)
def test_numbers_only(environ: dict[str, str], system: str | None, job: str | None) -> None:
    """The system is known by its variable; of what that holds, only a number passes, and only to the host."""
    assert batch.detect(environ).get("footfall.batch.system") == system
    assert batch.job(environ).get("footfall.batch.job.id") == job
