"""How a figure is made: interleaved rounds, the 10th percentile of each side, their ratio.

One side is run, then the other, A B A B, so that a busy neighbour slows both. The 10th percentile of many short rounds
is what the code costs when nobody disturbs it, and moves less than a mean or a median. The spread is that of the ratio
of the two rounds that stand next to each other: its quartiles say how far the figure can be trusted.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import repeat
from typing import Any

Side = Callable[[], float]
"""Runs one round and returns what a single use, message or start cost in it."""


@dataclass(frozen=True)
class Ratio:
    """Two sides compared.

    Attributes:
        value: 10th percentile of the subject over that of the reference.
        low: First quartile of the ratios of neighbouring rounds.
        high: Third quartile of them.
        subject: 10th percentile of the subject.
        reference: 10th percentile of the reference.
    """

    value: float
    low: float
    high: float
    subject: float
    reference: float


@dataclass(frozen=True)
class Figure:
    """One line of the report.

    Attributes:
        name: What was measured.
        measured: The result, in *unit*.
        target: The most it may be, or the least where *at_least*; None for a line that only informs.
        unit: ``x`` for ratios, or ``B``, ``ms`` and the like.
        spread: How the result varied, as text.
        detail: The two sides in their own units.
        at_least: More is better.
    """

    name: str
    measured: float
    target: float | None
    unit: str = "x"
    spread: str = ""
    detail: str = ""
    at_least: bool = False

    @property
    def missed(self) -> bool:
        """Whether the target was missed."""
        if self.target is None:
            return False
        return self.measured < self.target if self.at_least else self.measured > self.target

    def line(self) -> str:
        """Return the line: name, target, measured, spread, verdict, the sides."""
        bound = f"{'>=' if self.at_least else '<='} {self.target:.4g}{self.unit}" if self.target is not None else "-"
        verdict = "info" if self.target is None else "MISSED" if self.missed else "ok"
        measured = f"{self.measured:.4g}{self.unit}"
        return f"{self.name:<42} {bound:>10} {measured:>10}  {self.spread:<17} {verdict:<7} {self.detail}".rstrip()


def percentile(values: Sequence[float], percent: float) -> float:
    """Return the value below which *percent* of *values* lie, interpolated."""
    ordered = sorted(values)
    place = (len(ordered) - 1) * percent / 100
    low = int(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)


def interleave(rounds: int, *sides: Side, warm_up: int = 1) -> list[list[float]]:
    """Return what each of *sides* gave in *rounds* rounds, run in turn, after *warm_up* rounds that do not count."""
    results: list[list[float]] = [[] for _ in sides]
    for number in range(-warm_up, rounds):
        for side, found in zip(sides, results, strict=True):
            value = side()
            if number >= 0:
                found.append(value)
    return results


def compare(subject: Sequence[float], reference: Sequence[float], *, less: float = 0.0) -> Ratio:
    """Return *subject* against *reference*, both less the cost *less* that they share."""
    ratios = [(one - less) / max(other - less, 1e-12) for one, other in zip(subject, reference, strict=True)]
    ours, theirs = percentile(subject, 10) - less, percentile(reference, 10) - less
    return Ratio(ours / theirs, percentile(ratios, 25), percentile(ratios, 75), ours, theirs)


def cost(name: str, ratio: Ratio, target: float | None, *, show: Callable[[float], str]) -> Figure:
    """Return the figure of a cost that must not exceed *target* times its reference."""
    detail = f"{show(ratio.subject)} against {show(ratio.reference)}"
    return Figure(name, ratio.value, target, spread=f"({ratio.low:.3g}-{ratio.high:.3g})", detail=detail)


def gain(name: str, ratio: Ratio, target: float | None, *, show: Callable[[float], str]) -> Figure:
    """Return the figure of a speed that must reach *target* times its reference; *ratio* compares costs."""
    spread = f"({1 / ratio.high:.3g}-{1 / ratio.low:.3g})"
    detail = f"{show(ratio.subject)} against {show(ratio.reference)}"
    return Figure(name, 1 / ratio.value, target, spread=spread, detail=detail, at_least=True)


def nanoseconds_per_call(function: Callable[[], Any], calls: int) -> float:
    """Return what one of *calls* calls in a row took, in nanoseconds, the loop included.

    A fifth as many go before: a process that was stopped begins with cold caches, whoever's code it runs.
    """
    for _ in repeat(None, calls // 5):
        function()
    begin = time.perf_counter_ns()
    for _ in repeat(None, calls):
        function()
    return (time.perf_counter_ns() - begin) / calls


def in_microseconds(nanoseconds: float) -> str:
    """Return *nanoseconds* as text in microseconds."""
    return f"{nanoseconds / 1e3:.3g} us"


def in_milliseconds(nanoseconds: float) -> str:
    """Return *nanoseconds* as text in milliseconds."""
    return f"{nanoseconds / 1e6:.3g} ms"


def per_second(nanoseconds: float) -> str:
    """Return how often *nanoseconds* go into a second, as text."""
    return f"{1e9 / nanoseconds:,.0f}/s"
