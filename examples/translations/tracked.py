"""The same program, which says itself what it does: ``python tracked.py DIRECTORY [JOB_ID]``.

Each step reports figures of its own. A run that is started again with the same JOB_ID goes on with that job.
``TRACKER_URL`` and ``TRACKER_KEY`` (the header line ``x-api_key: ...``) say where to.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import translations as work

import footfall


def main(output: Path, job_id: str | None) -> str:
    """Do all of it, and write to the directory *output*."""
    with footfall.job("translations", customer_id=142, provider_job_id=job_id) as job:
        with job.step("find") as step:
            paths = work.find_catalogues()
            step.add(files=len(paths))
        with job.step("read") as step:
            texts = work.read_catalogues(paths)
            step.add(bytes=sum(map(len, texts.values())))
        with job.step("parse"):
            catalogues = work.parse_catalogues(texts)
        with job.step("count"):
            shares = work.count_messages(catalogues)
        with job.step("placeholders") as step:
            suspects = work.compare_placeholders(catalogues)
            step.add(suspects=sum(map(len, suspects.values())))
        with job.step("plurals"):
            plurals = work.compare_plurals(catalogues)
        with job.step("compiled") as step:
            step.add(differing=sum(work.compare_compiled(paths, catalogues).values()))
        with job.step("rank"):
            ranking = work.rank_languages(shares)
            job.note(f"{ranking[0]} is the most complete")
        with job.step("table"):
            work.write_table(output / "translations.csv", ranking, shares, plurals)
        with job.step("report"):
            return work.write_report(output / "translations.txt", ranking, shares, suspects)


if __name__ == "__main__":
    footfall.instrument(
        "example/translations",
        version="1.0.0",
        jobs="jobs.yaml",
        send_to=[
            footfall.Tracker(os.environ.get("TRACKER_URL", "http://localhost:8000"), credentials="env:TRACKER_KEY")
        ],
    )
    print(main(Path(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else None))
