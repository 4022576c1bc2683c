"""The capture fixture: users test what footfall sees of their code."""

import sys
import types

import footfall
from footfall.testing import SequentialIds, capture
from footfall.usage import Kind, Outcome


def library(name):
    module = types.ModuleType(name)
    exec("def work(n):\n    return 1 / n", module.__dict__)
    sys.modules[name] = module
    return module


def test_a_block_hands_out_what_its_calls_recorded(tmp_path):
    """Whole records, in order, with the outcome of each call; afterwards the function is the original again."""
    module = library("captured_library")
    original = module.work
    with capture(tmp_path, ids=SequentialIds()) as captured:
        footfall.instrument("me/mine", version="1", registry={"registry": {"s": ["captured_library:work"]}})
        module.work(1)
        try:
            module.work(0)
        except ZeroDivisionError:
            footfall.event("noticed", points=3)
        found = captured.usages
    assert [(usage.name, usage.kind, usage.outcome) for usage in found] == [
        ("captured_library:work", Kind.END, Outcome.OK),
        ("captured_library:work", Kind.END, Outcome.ERROR),
        ("noticed", Kind.EVENT, None),
    ]
    numbers = [int(usage.span_id, 16) for usage in found]
    assert numbers == sorted(set(numbers))
    assert max(numbers) < 10
    assert found[2].extra == {"points": 3}
    assert module.work is original


def test_counts_are_exact_beyond_the_rate(footfall_capture):
    """What was only counted is there too when the test looks."""
    module = library("counted_library")
    footfall.instrument("me/mine", version="1", registry={"registry": ["counted_library:work"]})
    for _ in range(1000):
        module.work(1)
    assert sum(usage.count for usage in footfall_capture.usages) == 1000


def test_the_users_choices_are_not_looked_at(tmp_path, monkeypatch):
    """A developer who opted out can still run the tests of a library, and nothing is sent by them."""
    monkeypatch.setenv("DO_NOT_TRACK", "1")
    module = library("chosen_library")
    with capture(tmp_path) as captured:
        footfall.instrument("me/mine", version="1", registry={"registry": ["chosen_library:work"]})
        module.work(1)
        assert [usage.project for usage in captured.usages] == ["me/mine"]
