"""Who is run once more for a read that somebody waits for."""

from __future__ import annotations

from chainenv.engine.awaited import AwaitedReads
from chainenv.engine.ports import Key

SOURCE, FIRST, SECOND = (Key("apps", name) for name in ("staging", "production", "canary"))


def test_the_source_is_read_and_then_those_who_wait_decide_again() -> None:
    again: list[Key] = []
    awaited = AwaitedReads(again.append)
    awaited.wait(FIRST, SOURCE, failing=False)
    awaited.wait(SECOND, SOURCE, failing=False)
    assert again == [SOURCE, SOURCE]
    again.clear()
    awaited.confirmed(SOURCE)
    assert sorted(again) == sorted([FIRST, SECOND])
    again.clear()
    awaited.confirmed(SOURCE)
    assert again == []


def test_a_source_whose_reads_fail_is_asked_once_for_each_who_waits() -> None:
    again: list[Key] = []
    awaited = AwaitedReads(again.append)
    for _ in range(3):
        awaited.wait(FIRST, SOURCE, failing=True)
    assert again == [SOURCE]


def test_a_source_that_is_gone_is_waited_for_no_more() -> None:
    again: list[Key] = []
    awaited = AwaitedReads(again.append)
    awaited.wait(FIRST, SOURCE, failing=False)
    awaited.forget(SOURCE)
    awaited.confirmed(SOURCE)
    assert again == [SOURCE]
