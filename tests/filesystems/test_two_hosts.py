"""Machines that share a home: what one leaves another delivers, once, not too early; who comes back loses nothing.

Real processes and renames on one file system; what is pretended (names, table of mounts, reach of locks, routes, the
age of a directory) is in `tests.filesystems.host` and `Cluster.rest` (reliability.md section 3, "Network file
systems").
"""

from __future__ import annotations

import random
import signal
import time

import pytest

from tests.filesystems.cluster import DAY, Cluster, silent
from tests.process.harness import GUARD_SECONDS

LEAVE = {"FOOTFALL_DELIVERY_INTERVAL_SECONDS": "3600", "FOOTFALL_EXIT_BUDGET_SECONDS": "0"}
TRY = {"FOOTFALL_DELIVERY_INTERVAL_SECONDS": "0.05"}


def test_each_machine_writes_into_a_directory_of_its_own(cluster: Cluster) -> None:
    """And delivers from there what is its own, without a look at the others'."""
    cluster.run("node-1", "plain", first=0, **LEAVE)
    cluster.run("node-2", "plain", first=1000, **LEAVE)
    assert cluster.places() == ["node-1", "node-2"]
    cluster.sent("node-2")
    assert sorted(cluster.observation.numbers()) == list(range(1000, 1050))
    cluster.sent("node-1")
    cluster.observation.assert_nothing_lost()


def test_nodes_without_a_route_are_delivered_by_the_login_node(cluster: Cluster) -> None:
    """The network is unreachable from them: they wait for nothing, and a day after the job all of it arrives, once."""
    nodes = [f"node-{number}" for number in range(3)]
    running = [
        cluster.drive(node, "slowly", "no-route", first=number * 1000, calls=20, **TRY)
        for number, node in enumerate(nodes)
    ]
    for process in running:
        silent(process)
    assert cluster.observation.sink.requests() == []
    said = cluster.sent("login-1")
    assert "left by" not in said, "nobody adopts what was written to just now"
    for node in nodes:
        cluster.rest(cluster.place(node), DAY + 60)
    said = cluster.sent("login-1")
    assert said.count("left by") == 3
    assert "nothing is pending" in said
    assert " NO " not in said
    cluster.observation.assert_nothing_lost()


def test_where_there_are_no_locks_one_process_delivers_all_the_same(cluster: Cluster) -> None:
    """Lustre without flock: a file in a directory of the machine's own stands for the lock; killed ones are found."""
    runtime = cluster.observation.directory / "runtime"
    runtime.mkdir(mode=0o700)
    extra = {**LEAVE, "XDG_RUNTIME_DIR": str(runtime)}
    killed = cluster.drive("node-1", "run_until_killed", "no-locks", first=0, calls=10**6, **extra)
    cluster.observation.wait_until_confirmed(20)
    killed.send_signal(signal.SIGKILL)
    killed.communicate(timeout=GUARD_SECONDS)
    cluster.run("node-1", "plain", "no-locks", first=10**7, **extra)
    words = ("no-locks", "send", "--deadline", "20")
    senders = [cluster.start("node-1", *words, XDG_RUNTIME_DIR=str(runtime)) for _ in range(3)]
    for sender in senders:
        out, err = sender.communicate(timeout=GUARD_SECONDS)
        assert sender.returncode == 0, (out, err)
    cluster.observation.assert_nothing_lost()
    ended = [crumb["proc"] for crumb in cluster.observation.crumbs() if crumb["proc"].get("error_type")]
    assert [each["error_type"] for each in ended] == ["ProcessKilled"]
    [lock] = (runtime / "footfall").iterdir()
    assert lock.suffix == ".lock"
    assert lock.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("options", [(), ("local-locks",)], ids=["shared locks", "locks of each machine"])
def test_killed_at_random_raced_for_and_delivered_once(cluster: Cluster, options: tuple[str, ...]) -> None:
    """Producers on several machines die by SIGKILL; a day later three machines race for what they left.

    Nothing that was accepted is missing, nothing arrives twice, and each directory had one new owner.
    """
    chance = random.Random(str(options))
    nodes = [f"node-{number}" for number in range(4)]
    running = [
        cluster.drive(node, "slowly", *options, first=number * 10**6, calls=10**6, **LEAVE)
        for number, node in enumerate(nodes)
    ]
    limit = time.monotonic() + GUARD_SECONDS
    while {number // 10**6 for number in cluster.observation.confirmed()} != set(range(len(nodes))):
        assert time.monotonic() < limit
        time.sleep(0.01)
    for process in running:
        time.sleep(chance.uniform(0.02, 0.1))  # the moment of a kill is the point
        process.send_signal(signal.SIGKILL)
    for process in running:
        _, err = process.communicate(timeout=GUARD_SECONDS)
        assert (process.returncode, err) == (-signal.SIGKILL, "")
    for node in nodes:
        cluster.rest(cluster.place(node), DAY - 600)
    cluster.sent("login-1", *options)
    assert cluster.observation.sink.requests() == [], "nobody adopts before the time"
    for node in nodes:
        cluster.rest(cluster.place(node), DAY + 60)
    racing = [cluster.send(f"login-{number}", *options) for number in range(1, 4)]
    owners: list[str] = []
    for sending in racing:
        out, err = sending.communicate(timeout=GUARD_SECONDS)
        assert (sending.returncode, err) == (0, ""), (out, err)
        assert " NO " not in out
        owners += [line for line in out.splitlines() if line.startswith("left by")]
    assert len(owners) == len(nodes), owners
    cluster.observation.assert_nothing_lost()


def test_an_adopter_that_dies_is_followed_by_itself_or_a_day_later_by_another(cluster: Cluster) -> None:
    """Killed in the middle of delivering: what it had sent is not lost, and sent again under its key at the most."""
    cluster.run("node-1", "plain", calls=300, **LEAVE)
    cluster.rest(cluster.place("node-1"), DAY + 60)
    cluster.observation.sink.set_mode("drip:0.01")
    sending = cluster.send("login-1")
    limit = time.monotonic() + GUARD_SECONDS
    while not cluster.observation.sink.requests():
        assert time.monotonic() < limit
        time.sleep(0.01)
    sending.send_signal(signal.SIGKILL)
    sending.communicate(timeout=GUARD_SECONDS)
    cluster.observation.sink.set_mode("ok")
    owned = next(
        path for path in (cluster.state / "hosts").iterdir() if path.name.startswith("login-1") and "~" in path.name
    )
    assert "left by" not in cluster.sent("login-2"), "it was alive a moment ago"
    cluster.rest(owned, DAY + 60)
    assert "left by" in cluster.sent("login-2")
    cluster.sent("login-1")
    cluster.observation.assert_nothing_lost(doubtful_requests=16)


@pytest.mark.parametrize("options", [(), ("local-locks",)], ids=["shared locks", "locks of each machine"])
def test_a_machine_that_comes_back_after_all_loses_nothing(cluster: Cluster, options: tuple[str, ...]) -> None:
    """Frozen for a day in the middle of a program, adopted meanwhile, and then it goes on: old and new calls arrive."""
    running = cluster.drive("node-1", "pause", *options, calls=40, **LEAVE)
    cluster.wait_for(cluster.observation.confirm.with_suffix(".paused"))
    running.send_signal(signal.SIGSTOP)
    try:
        cluster.rest(cluster.place("node-1"), DAY + 60)
        assert "left by login-1" in cluster.sent("login-1", *options)
        assert sorted(cluster.observation.numbers()) == list(range(40))
    finally:
        running.send_signal(signal.SIGCONT)
    silent(running, "\n")
    for _ in range(2):
        if cluster.place("node-1").exists():
            cluster.rest(cluster.place("node-1"), DAY + 60)
        cluster.sent("login-1", *options)
    assert sorted(cluster.observation.numbers()) == list(range(80))
    cluster.observation.assert_nothing_lost()
