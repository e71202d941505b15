"""A few hundred virtual days; each test is a stretch of seeds, so that they can be shared out. More: ``make simulate``."""

from __future__ import annotations

import pytest

from .runner import play
from .shrinking import shrink
from .story import draw

STRETCH = 15


@pytest.mark.parametrize("first", range(1, 316, STRETCH))
def test_random_days(first: int) -> None:
    """Seeds of one virtual day each: whatever happens, no invariant is violated."""
    days = 0.0
    for seed in range(first, first + STRETCH):
        outcome = play(draw(seed))
        days += outcome.days
        if outcome.violation is not None:
            pytest.fail(shrink(outcome).text)
    assert days == pytest.approx(STRETCH)


def test_a_seed_gives_the_same_run_each_time() -> None:
    """Else a printed seed would be worth nothing."""
    one, other = play(draw(5)), play(draw(5))
    assert one.timeline == other.timeline
    assert len(one.timeline) > 10
