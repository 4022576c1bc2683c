"""A program, an agent, two gateway tiers, `footfall gateway` and servers of every kind, with all of them in trouble."""

from __future__ import annotations

import random
import time
from pathlib import Path

from tests.pipeline.stage import FIGURES, WIRES, Chain, Stage

FULL = 100_000
PACE_SECONDS = 60.0
"""Over which a full run spreads its calls, so that the kills meet them."""

SDK_CALLS = 2000
GRACE_SECONDS = 180.0
"""For programs on a machine that is busy with something else."""


def check_nothing_acknowledged_is_lost_whoever_is_killed(stage: Stage, binary: Path, spans: int) -> None:
    """`footfall gateway` dies 20 times and Collectors 5 times, and the servers are away for a while.

    Most calls come by footfall's own wire, which keeps what it sends until the agent has said yes; some by the
    pipeline of the program's own SDK.
    """
    began = time.monotonic()
    share = min(1.0, spans / FULL)
    seconds = max(8.0, PACE_SECONDS * share)
    chance = random.Random(spans)
    with Chain(stage, binary) as chain:
        by_sdk = {"OTEL_TRACES_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"}
        by_sdk |= {"OTEL_EXPORTER_OTLP_ENDPOINT": chain.url, "OTEL_BSP_SCHEDULE_DELAY": "200"}
        sdk = stage.program("sdk", ["sdk"], calls=SDK_CALLS, seconds=seconds / 4, agent="", **by_sdk)
        with stage.program("main", WIRES, calls=spans, seconds=seconds, agent=chain.url) as program, sdk as traced:
            stage.wait_until_the_job_is_open()
            stage.go.touch()
            _kill(chain.footfall, max(2, round(8 * share)), chance)
            # An SDK has no copy of what it sent: what reaches no agent within its few tries is gone, and said to be.
            stage.end(traced, seconds + GRACE_SECONDS)
            _kill_collectors_and_footfall(chain, max(1, round(12 * share)), chance)
            stage.sink.set_mode("refuse")
            time.sleep(3 + 5 * share)
            stage.sink.set_mode("ok")
            under_load = program.poll() is None
            stage.end(program, seconds + GRACE_SECONDS)
            called = time.monotonic()
        stage.deliver("main")
        figures = stage.judge("main", WIRES)
        assert figures["calls"] == spans
        stage.judge("sdk", ["sdk"])
        assert chain.given_up() == []
        kills = ", ".join(f"{each.name} {each.kills}" for each in (chain.footfall, *chain.collectors))
    FIGURES.append(
        f"pipeline: {spans + SDK_CALLS} calls, killed: {kills}, lost {figures['lost']}, copies {figures['copies']}, "
        f"still calling after the last kill: {'yes' if under_load else 'no'}, "
        f"{called - began:.0f} s of calls, {time.monotonic() - called:.0f} s until all had arrived"
    )


def _kill(victim, times: int, chance: random.Random) -> None:
    for _ in range(times):
        time.sleep(chance.uniform(0.2, 1.2))
        victim.restart()


def _kill_collectors_and_footfall(chain: Chain, times: int, chance: random.Random) -> None:
    victims = [chain.footfall] * times + [chain.agent, chain.gateway, chain.translator, chain.gateway, chain.translator]
    chance.shuffle(victims)
    for victim in victims:
        _kill(victim, 1, chance)
