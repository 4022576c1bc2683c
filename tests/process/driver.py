"""A program under observation: makes numbered calls and confirms each one that returned, on a descriptor of its own.

Usage: ``python -m tests.process.driver SCENARIO FIRST CALLS CONFIRM_FILE SINK_URL``. Each call carries its number,
which arrives at the sink as a captured argument; the confirmations say which calls had returned when the process died.
"""

from __future__ import annotations

import faulthandler
import multiprocessing
import os
import signal
import sys
import threading
import time
from concurrent.futures import ProcessPoolExecutor

import footfall
from tests.process import observed

ENTRY = {"function": "tests.process.observed:work", "capture": {"number": "int"}}


def instrument(sink: str) -> None:
    send_to = [footfall.Otlp(sink), footfall.Migas(sink), footfall.Access(sink + "/api")]
    footfall.instrument("tests/observed", version="1.0", registry={"registry": {"calls": [ENTRY]}}, send_to=send_to)


def calls(first: int, count: int, pause_seconds: float = 0.0) -> None:
    fd = os.open(os.environ["CONFIRM"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    for number in range(first, first + count):
        observed.work(number)
        os.write(fd, b"%d\n" % number)
        if pause_seconds:
            time.sleep(pause_seconds)
    os.close(fd)


def one(number: int) -> int:
    calls(number, 1)
    return number


def plain(first: int, count: int) -> None:
    calls(first, count)


def slowly(first: int, count: int) -> None:
    calls(first, count, pause_seconds=0.02)


def until_killed(first: int, count: int) -> None:
    calls(first, count, pause_seconds=0.0005)


def os_fork(first: int, count: int) -> None:
    for child in range(4):
        if os.fork() == 0:
            calls(first + child * count, count)
            os._exit(0)
    calls(first + 4 * count, count)
    for _ in range(4):
        os.wait()


def fork_inside_a_call(first: int, count: int) -> None:
    """A fork in the middle of an observed call: the use is the parent's, the child's own calls are the child's."""
    with footfall.track("tests/observed"):
        if os.fork() == 0:
            calls(first, count)
            return  # leaves the block in the child, whose run it is not
        calls(first + count, count)
        os.wait()


def fork_while_recording(first: int, count: int) -> None:
    thread = threading.Thread(target=calls, args=(first, count * 4, 0.0005))
    thread.start()
    children = 0
    while thread.is_alive() and children < 5:
        children += 1
        if os.fork() == 0:
            calls(first + count * 4 + children * count, count)
            os._exit(0)
    thread.join()
    for _ in range(children):
        os.wait()


def _processes(method: str, first: int, count: int) -> None:
    context = multiprocessing.get_context(method)
    processes = [context.Process(target=_child, args=(first + n * count, count)) for n in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
        assert process.exitcode == 0
    calls(first + 3 * count, count)


def _child(first: int, count: int) -> None:
    if not hasattr(observed.work, "__wrapped__"):  # spawn and forkserver children are new interpreters
        instrument(os.environ["SINK"])
    calls(first, count)


def mp_fork(first: int, count: int) -> None:
    _processes("fork", first, count)


def mp_spawn(first: int, count: int) -> None:
    _processes("spawn", first, count)


def mp_forkserver(first: int, count: int) -> None:
    _processes("forkserver", first, count)


def daemonic(first: int, count: int) -> None:
    process = multiprocessing.get_context("fork").Process(target=_child, args=(first, count), daemon=True)
    process.start()
    process.join()


def pool_terminate(first: int, count: int) -> None:
    with multiprocessing.get_context("fork").Pool(2) as pool:
        pool.map(one, range(first, first + count))
    # the block's exit is `Pool.terminate`: SIGTERM, no exit handlers


def executor(first: int, count: int) -> None:
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("fork")) as workers:
        assert list(workers.map(one, range(first, first + count))) == list(range(first, first + count))


def run_until_killed(first: int, count: int) -> None:
    with footfall.track("tests/observed"):
        calls(first, count, pause_seconds=0.001)


def show_hangs() -> None:
    """Let the kernel's alarm show the stacks of all threads and then end this process; also in fork children.

    Not faulthandler's own watchdog: it is a thread, and a fork child that ends would wait for it.
    """
    faulthandler.register(signal.SIGALRM, all_threads=True, chain=True)
    signal.alarm(45)
    os.register_at_fork(after_in_child=lambda: signal.alarm(45))


if __name__ == "__main__":
    show_hangs()
    _, scenario, first_number, number_of_calls, confirm, sink_url = sys.argv
    os.environ["CONFIRM"], os.environ["SINK"] = confirm, sink_url
    instrument(sink_url)
    globals()[scenario](int(first_number), int(number_of_calls))
