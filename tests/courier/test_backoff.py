"""Waits: full jitter, `Retry-After`, halts."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from footfall.courier.backoff import backoff_seconds, halt_seconds, retry_after_seconds

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=timezone.utc)
NOW_NS = int(NOW.timestamp()) * 10**9


@given(st.integers(-5, 10**6), st.floats(0, 1, exclude_max=True))
def test_backoff_stays_within_the_cap(attempt, chance):
    """Never negative, never above 15 min, whatever the attempt."""
    assert 0 <= backoff_seconds(attempt, lambda: chance) <= 900


def test_backoff_ceiling_doubles_from_a_second():
    """The ceiling is 1 s, 2 s, 4 s ... 15 min."""
    ceilings = [backoff_seconds(attempt, lambda: 1.0) for attempt in range(1, 13)]
    assert ceilings == [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900]


def test_jitter_is_full():
    """The whole interval is used: clients that failed together do not come back together (N12)."""
    assert backoff_seconds(11, lambda: 0.0) == 0.0
    assert backoff_seconds(11, lambda: 0.5) == 450.0


def test_halts_double_from_a_quarter_of_an_hour_to_a_day():
    """15 min, 30 min, ... 24 h."""
    assert [halt_seconds(count) for count in (0, 1, 2, 3, 7, 8, 10**9)] == [900, 900, 1800, 3600, 57600, 86400, 86400]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("0", 0.0),
        ("120", 120.0),
        (" 7 ", 7.0),
        ("1.5", 1.0),
        ("86401", 86400.0),
        ("1000000000", 86400.0),
        ("9" * 5000, 86400.0),
        ("-1", None),
        ("+5", None),
        ("1e9", None),
        ("soon", None),
        ("", None),
        ("nan", None),
        ("inf", None),
        ("٣", None),
        ("\x00", None),
        ("Sun, 01 Mar 2026 12:01:00 GMT", 60.0),
        ("Sunday, 01-Mar-26 12:01:00 GMT", 60.0),
        ("Sun Mar  1 12:01:00 2026", 60.0),
        ("Sun, 01 Mar 2026 11:00:00 GMT", 0.0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 86400.0),
        ("Sun, 99 Mar 2026 12:01:00 GMT", None),
    ],
)
def test_retry_after(value, expected):
    """Seconds and the three HTTP dates are read; what makes no sense is ignored; a day is the most (N5, S14)."""
    assert retry_after_seconds(value, now_ns=NOW_NS) == expected


@given(st.text(), st.integers(0, 2**64))
def test_retry_after_never_raises(value, now_ns):
    """Any text gives None or a wait within bounds."""
    wait = retry_after_seconds(value, now_ns=now_ns)
    assert wait is None or 0 <= wait <= 86400


@given(st.integers(0, 86400))
def test_dates_give_the_same_as_seconds(seconds):
    """Both forms of one wish agree."""
    date = format_datetime(NOW + timedelta(seconds=seconds), usegmt=True)
    assert retry_after_seconds(date, now_ns=NOW_NS) == retry_after_seconds(str(seconds), now_ns=NOW_NS)
