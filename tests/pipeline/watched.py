"""What the program under observation calls: a function for each project, in a module that knows nothing of footfall."""

from __future__ import annotations


def otlp(number: int) -> int:
    return number


def migas(number: int) -> int:
    return number


def access(number: int) -> int:
    return number


def ramen(number: int) -> int:
    return number


def tracker(number: int) -> int:
    return number


def insights(number: int) -> int:
    return number


def sdk(number: int) -> int:
    return number
