"""The history is true over time, and cleanup never touches what somebody needs."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import pairwise
from random import Random

from hypothesis import given

from chainenv.core.history import MOST_ENTRIES, Cause, History, Needed, Observed, Origin, due, fold, next_due
from chainenv.crd.types import ChainEnvironmentStatus, Cleanup

from .worlds import NOW, maybe, of, some

IDS = tuple("abcdefghijklmnop")


def observations(random: Random) -> list[Observed]:
    now, out = NOW, []
    current: str | None = None
    for _ in range(random.randint(1, 40)):
        now += timedelta(seconds=random.choice([0, 1, 60, 3600, -5]))
        if random.random() < 0.5:
            current = random.choice([None, *IDS])
        origins = {name: Origin(random.choice(list(Cause)), NOW, maybe(random, "src")) for name in some(random, IDS, 4)}
        actors = dict.fromkeys(some(random, IDS, 4), "UI")
        out.append(Observed(now, current, random.random() < 0.8, random.random() < 0.5, origins, actors))
    return out


def stored(history: History) -> History:
    """As another process finds it in the status."""
    status = ChainEnvironmentStatus(history=history).model_dump(mode="json", by_alias=True, exclude_none=True)
    return ChainEnvironmentStatus.model_validate(status).history


@given(of(observations))
def test_a_history_is_in_order_bounded_and_says_what_serves(steps: list[Observed]) -> None:
    history: History = ()
    for seen in steps:
        history = fold(stored(history), seen)
        assert fold(history, seen) == history
        assert len(history) <= MOST_ENTRIES
        assert [entry for entry in history[1:] if entry.until is None] == []
        for newer, older in pairwise(history):
            assert older.until is not None
            assert older.since <= older.until <= newer.since
        serving = history[0].deployment_id if history and history[0].until is None else None
        assert serving in (seen.current, None)
        assert serving == seen.current or not seen.serves


def needed(random: Random, history: History) -> Needed:
    ids = tuple(dict.fromkeys((*(entry.deployment_id for entry in history), *IDS[:4])))
    current = random.choice([None, *ids]) if random.random() < 0.3 else (history[0].deployment_id if history else None)
    return Needed(current, random.choice([None, *ids]), frozenset(some(random, ids, 2)), frozenset(some(random, ids, 3)))


@given(of(lambda random: random))
def test_nothing_that_serves_is_candidate_wanted_or_a_source_is_ever_cleaned_up(random: Random) -> None:
    history: History = ()
    now: datetime = NOW
    for seen in observations(random):
        history, now = fold(history, seen), seen.now
    kept, after = random.randint(0, 4), random.choice([None, 0, 1, 3600])
    rules = Cleanup(keep_last=kept, after_seconds=after)
    given_ = needed(random, history)
    chosen = due(history, rules, given_, now)
    assert not {given_.current, given_.candidate} & set(chosen)
    assert not (given_.wanted | given_.sources) & set(chosen)
    assert len(set(chosen)) == len(chosen)
    previous = list(dict.fromkeys(e.deployment_id for e in history if e.deployment_id != given_.current))
    assert not set(chosen) - set(previous[kept:]), "of the newest so many stay"
    for deployment in chosen:
        ends = [entry.until for entry in history if entry.deployment_id == deployment]
        assert all(until is not None and until + timedelta(seconds=after or 0) <= now for until in ends)
    later = next_due(history, rules, given_, now)
    if later is not None:
        assert later > now
        assert set(due(history, rules, given_, later)) > set(chosen), "it is waited for until there is more to do"
