"""The tiers with Kafka between them, and a broker that goes away and comes back."""

from __future__ import annotations

import os
import time
from pathlib import Path

from tests.pipeline.kafka import Broker
from tests.pipeline.stage import FIGURES, Chain, Stage

PACE_SECONDS = 40.0
FULL = 100_000
FUNCTIONS = ["tracker", "otlp"]
"""A job besides spans: its start is a log record, which has a topic of its own."""
GRACE_SECONDS = 180.0


def check_nothing_is_lost_while_the_broker_is_away(stage: Stage, binary: Path, spans: int) -> None:
    """It is killed once and stopped once, in the middle of the stream; so are the Collectors on both sides of it."""
    began = time.monotonic()
    seconds = max(15.0, PACE_SECONDS * spans / FULL)
    with (
        Broker(Path(os.environ["PIPELINE_KAFKA"]), stage.directory) as broker,
        Chain(stage, binary, brokers=broker.address) as chain,
    ):
        with stage.program("main", FUNCTIONS, calls=spans, seconds=seconds, agent=chain.url) as program:
            stage.wait_until_the_job_is_open()
            stage.go.touch()
            stage.wait_until(lambda there: there.arrived("pipeline/otlp") > 0, "the first calls")
            broker.restart()
            before = stage.arrivals.arrived("pipeline/otlp")
            stage.wait_until(lambda there: there.arrived("pipeline/otlp") > before, "calls after the kill")
            chain.translator.restart()
            chain.gateway.restart()
            broker.stop()
            broker.start()
            stage.end(program, seconds + GRACE_SECONDS)
        stage.deliver("main")
        figures = stage.judge("main", FUNCTIONS)
        assert figures["calls"] == spans
        assert chain.given_up() == []
    FIGURES.append(
        f"kafka: {spans} calls, broker killed 1 and stopped 1, Collectors killed 2, lost {figures['lost']}, "
        f"copies {figures['copies']}, {time.monotonic() - began:.0f} s"
    )
