"""When the next poll is due (docs/operations.md, "Settings"; docs/behaviour.md, "Rate limits and failures")."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from chainenv.core.changes import Deactivate
from chainenv.core.findings import Finding, Severity
from chainenv.core.polling import Intervals, backoff, next_poll
from chainenv.core.reasons import Reason

from .helpers import Case, deployment, environment, paused, report, table

EVERY = Intervals()
WAITING = Finding(Severity.WAITING, Reason.CORRECTING, "waiting")
BLOCKED = Finding(Severity.BLOCKED, Reason.NOT_CONVERGING, "blocked")
STALLED = Finding(Severity.STALLED, Reason.REFUSED, "refused")
UNAVAILABLE = Finding(Severity.BLOCKED, Reason.UNAVAILABLE, "unavailable")
JITTERS = (0.0, 0.25, 0.5, 0.999)


def poll(given: Any, *, missing: bool = False, unchanged: int = 0, jitter: float = 0.5, every: Intervals = EVERY) -> float:
    return next_poll(given, every, missing=missing, unchanged=unchanged, jitter=jitter)


@table(
    Case("settled", "one GET per poll in steady state", report(environment()), 300),
    Case("no deployment", "the environment is as declared: settled", report(environment(bare=True)), 300),
    Case("blocked", "only a person or an hour changes it", report(environment(), BLOCKED), 300),
    Case("stalled", "only a person or an hour changes it", report(environment(), STALLED), 300),
    Case("waiting", "something moves", report(environment(), WAITING), 10),
    Case("transient", "a failed call is tried again", report(environment(), UNAVAILABLE), 10),
    Case("building", "the deployment moves", report(environment(current=deployment(status="BUILDING"))), 10),
    Case("never heard of", "an unknown status is in progress", report(environment(current=deployment(status="ODD"))), 10),
    Case("failed", "terminal", report(environment(current=deployment(status="BUILD_FAILED"))), 300),
    Case("candidate", "a promotion runs", report(environment(candidate=deployment("new", "DEPLOYING"))), 10),
    Case(
        "ramping up", "a promotion runs while there is a candidate, whatever its status", report(environment(candidate=deployment("n"))), 10
    ),
    Case("refused create", "it may have happened and show only later", report(None, STALLED), 10),
    Case("after a call", "only a read that follows a write proves it", report(environment(), changes=(Deactivate("d"),)), 1),
    Case("paused", "no call is made, whatever was seen last", paused(), 300),
)
def test_next_poll(case: Case) -> None:
    assert poll(case.given) == pytest.approx(case.expected), case.why


@pytest.mark.parametrize("jitter", JITTERS)
def test_polls_are_spread_by_a_tenth_either_side(jitter: float) -> None:
    assert 270 <= poll(report(environment()), jitter=jitter) <= 330
    assert 9 <= poll(report(environment(), WAITING), jitter=jitter) <= 11


def test_progress_polls_back_off_gently_to_a_minute() -> None:
    waits = [poll(report(environment(), WAITING), unchanged=n) for n in range(40)]
    assert waits[0] == pytest.approx(10)
    assert waits == sorted(waits)
    assert all(b <= 1.25 * a for a, b in itertools.pairwise(waits))
    assert waits[-1] == pytest.approx(60)


def test_a_progress_interval_longer_than_a_minute_stays_as_it_is() -> None:
    assert poll(report(environment(), WAITING), unchanged=9, every=Intervals(progress=120)) == pytest.approx(120)


@pytest.mark.parametrize("jitter", JITTERS)
def test_a_missing_environment_is_read_again_no_earlier_than_it_is_believed(jitter: float) -> None:
    assert 30 <= poll(report(None, WAITING), missing=True, jitter=jitter) <= 33


@pytest.mark.parametrize("jitter", JITTERS)
@pytest.mark.parametrize("failures", [1, 2, 3, 8, 9, 40, 10_000])
def test_backoff_stays_between_a_second_and_the_longest(failures: int, jitter: float) -> None:
    assert 1 <= backoff(failures, EVERY, jitter) <= 300


def test_backoff_grows_and_its_jitter_is_full() -> None:
    longest = [backoff(n, EVERY, 0.999) for n in range(1, 12)]
    assert longest == sorted(longest)
    assert longest[-1] == pytest.approx(300, rel=0.01)
    assert backoff(9, EVERY, 0.0) == 1


def test_a_short_longest_wait_is_kept() -> None:
    assert backoff(9, Intervals(backoff_max=0.2), 0.5) <= 0.2
