"""What is tried when, of several calls that fail."""

from __future__ import annotations

from datetime import UTC, datetime

from chainenv.api import Unavailable
from chainenv.core.actions import Action
from chainenv.core.changes import DeleteDeployment, Promote
from chainenv.crd.enums import Operation
from chainenv.crd.types import JournalEntry
from chainenv.engine.memory import Facts, Learned, Memory, Retry

NOW = datetime(2026, 10, 5, 6, 0, tzinfo=UTC)
ERROR = Unavailable("it broke", endpoint="delete_deployment", status=500)


def delete(deployment: str) -> Action:
    return Action(DeleteDeployment(deployment), JournalEntry(operation=Operation.DELETE, hash="h", started_at=NOW, target=deployment))


PROMOTE = Action(Promote("d9", None), JournalEntry(operation=Operation.PROMOTE, hash="h", started_at=NOW, target="d9"))
ALL = PROMOTE, delete("d1"), delete("d2"), delete("d3")


def fail(memory: Memory, action: Action, at: float) -> None:
    memory.retry_later(action, Retry(memory.failures_of(action) + 1, at, ERROR, action.change.aside))


def memory() -> Memory:
    return Memory("uid", NOW, Learned((), ()), Facts())


def names(actions: tuple[Action, ...]) -> list[str | None]:
    return [action.entry.target for action in actions]


def test_what_failed_least_is_cleaned_up_first() -> None:
    """One that always fails starves no other."""
    kept = memory()
    for now, first in ((0.0, "d1"), (10.0, "d2"), (20.0, "d3"), (30.0, "d1"), (40.0, "d2")):
        ready = kept.due(ALL, now)
        assert names(ready)[:2] == ["d9", first]
        fail(kept, ready[1], now + 5)
    assert kept.failures_of(ALL[3]) == 5


def test_all_of_a_cleanup_waits_for_one_try() -> None:
    kept = memory()
    fail(kept, ALL[1], 10.0)
    fail(kept, ALL[2], 20.0)
    assert kept.cleanup_waits(19.0)
    assert names(kept.due(ALL[:1], 19.0)) == ["d9"]
    assert not kept.cleanup_waits(20.0)
    assert names(kept.due(ALL, 20.0)) == ["d9", "d3", "d1", "d2"]


def test_another_kind_waits_for_itself_alone() -> None:
    kept = memory()
    fail(kept, PROMOTE, 50.0)
    assert names(kept.due(ALL, 10.0)) == ["d1", "d2", "d3"]
    assert not kept.cleanup_waits(10.0)
