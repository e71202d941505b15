"""A failing story made small: steps are left out while it still violates the same invariant."""

from __future__ import annotations

import time
from dataclasses import replace

from .runner import Outcome, play
from .story import Story


def shrink(failed: Outcome, *, seconds: float = 60.0) -> Outcome:
    """The smallest failing run found in so much real time."""
    until = time.monotonic() + seconds
    best = failed
    assert failed.violation is not None
    size = max(1, len(best.story.steps) // 2)
    while size >= 1 and time.monotonic() < until:
        smaller = _without_some(best, size, until)
        if smaller is None:
            size //= 2
        else:
            best = smaller
            size = min(size, max(1, len(best.story.steps) // 2))
    return _simpler(best, until)


def _without_some(best: Outcome, size: int, until: float) -> Outcome | None:
    steps = best.story.steps
    for start in range(0, len(steps), size):
        if time.monotonic() > until:
            return None
        found = _same(best, replace(best.story, steps=steps[:start] + steps[start + size :]))
        if found is not None:
            return found
    return None


def _simpler(best: Outcome, until: float) -> Outcome:
    """An ordinary server, clocks that agree, a smaller spec: whatever the failure does not need."""
    for name in list(best.story.shape):
        if time.monotonic() < until and name != "build_seconds":
            plain = {k: v for k, v in best.story.shape.items() if k != name}
            best = _same(best, replace(best.story, shape=plain)) or best
    for change in ({"skew": 0.0}, {"spec": {k: v for k, v in best.story.spec.items() if k != "promotionSettings"}}):
        if time.monotonic() < until:
            best = _same(best, replace(best.story, **change)) or best  # type: ignore[arg-type]
    return best


def _same(best: Outcome, story: Story) -> Outcome | None:
    outcome = play(story)
    assert best.violation is not None
    return outcome if outcome.violation is not None and outcome.violation.invariant == best.violation.invariant else None
