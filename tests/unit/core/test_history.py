"""What served when and why, and what is cleaned up of it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from chainenv.core.history import Cause, History, Needed, Observed, Origin, due, fold, is_here, newcomer, next_due
from chainenv.crd.types import Cleanup, HistoryEntry

from .helpers import NOW, Case, table

OURS = {"b": Origin(Cause.PROMOTION, NOW, "source-of-b"), "c": Origin(Cause.INSTANCE_TYPES, NOW)}
THREE = [("a", "External"), ("b", "Promotion"), ("a", "External")]


def at(minutes: float) -> datetime:
    return NOW + timedelta(minutes=minutes)


def seen(minutes: float, current: str | None, **more: Any) -> Observed:
    return Observed(at(minutes), current, **{"origins": OURS, **more})


def reported(*observations: Observed) -> History:
    history: History = ()
    for observation in observations:
        history = fold(history, observation)
    return history


def brief(history: History) -> list[tuple[str, str]]:
    return [(entry.deployment_id, entry.cause) for entry in history]


@table(
    Case("nothing serves", "", (seen(0, None),), []),
    Case("the first of an environment of ours", "", (seen(0, "a", created=True),), [("a", "Created")]),
    Case("the first that was found", "somebody's", (seen(0, "a"),), [("a", "External")]),
    Case("the first, by our rollout", "", (seen(0, "b"),), [("b", "Promotion")]),
    Case("it builds", "does not serve yet", (seen(0, "a", serves=False),), []),
    Case("it serves later", "", (seen(0, "a", serves=False, created=True), seen(1, "a", created=True)), [("a", "Created")]),
    Case("a promotion", "", (seen(0, "a"), seen(1, "b")), [("b", "Promotion"), ("a", "External")]),
    Case("instance types", "", (seen(0, "a"), seen(1, "c")), [("c", "InstanceTypes"), ("a", "External")]),
    Case("a stranger's push", "", (seen(0, "b"), seen(1, "x", created=True)), [("x", "External"), ("b", "Promotion")]),
    Case("back again", "an entry for each time", (seen(0, "a"), seen(1, "b"), seen(2, "a")), THREE),
    Case("the same twice", "", (seen(0, "a"), seen(1, "a")), [("a", "External")]),
    Case("gone and back", "", (seen(0, "a"), seen(1, None), seen(2, "a")), [("a", "External"), ("a", "External")]),
    Case("an answer that comes later", "it was our rollout after all", (seen(0, "b", origins={}), seen(1, "b")), [("b", "Promotion")]),
)
def test_the_cause(case: Case) -> None:
    assert brief(reported(*case.given)) == case.expected, case.why


def test_times_sources_and_actors() -> None:
    later = (seen(3, "b", actors={"b": "API key abcd"}), seen(4, "x", actors={"x": "UI"}))
    history = reported(seen(0, "a", created=True), seen(1, "a"), seen(2, "b"), *later)
    assert history == (
        HistoryEntry(deployment_id="x", cause="External", since=at(4), by="UI"),
        HistoryEntry(deployment_id="b", cause="Promotion", source="source-of-b", since=at(2), until=at(4), by="API key abcd"),
        HistoryEntry(deployment_id="a", cause="Created", since=at(0), until=at(2)),
    )


def test_a_wish_for_what_serves_already_is_no_cause() -> None:
    """deploymentID was set to it afterwards."""
    assert brief(reported(seen(0, "a", created=True), seen(2, "a", origins={"a": Origin(Cause.PROMOTION, at(1), "a")}))) == [
        ("a", "Created")
    ]


def test_what_still_builds_ends_what_served() -> None:
    assert [(e.deployment_id, e.until) for e in reported(seen(0, "a"), seen(1, "b", serves=False))] == [("a", at(1))]


def test_who_did_it_is_not_overwritten() -> None:
    assert reported(seen(0, "a", actors={"a": "UI"}), seen(1, "a", actors={"a": "API"}))[0].by == "UI"


def test_a_clock_that_goes_back_makes_no_time_negative() -> None:
    history = reported(seen(5, "a"), seen(0, "b"), seen(1, "c"))
    assert [(e.since, e.until) for e in history] == [(at(5), None), (at(5), at(5)), (at(5), at(5))]


def test_at_most_ten_are_kept_the_newest() -> None:
    history = reported(*(seen(n, f"d{n}") for n in range(15)))
    assert [entry.deployment_id for entry in history] == [f"d{n}" for n in range(14, 4, -1)]


def test_a_lost_history_starts_anew() -> None:
    assert brief(fold((), seen(9, "b", created=True))) == [("b", "Promotion")]
    assert brief(fold((), seen(9, "x"))) == [("x", "External")]


# -- cleanup -------------------------------------------------------------------------------------------------------

FOUR = reported(*(seen(n, name) for n, name in enumerate("abcd")))
"""d serves since minute 3; c stopped then, b at 2, a at 1."""


def rules(keep: int, after: int | None = None) -> Cleanup:
    return Cleanup(keep_last=keep, after_seconds=after)


D = Needed("d")


@table(
    Case("without rules", "nothing is touched", (None, D, 99), ()),
    Case("none is kept", "oldest first", (rules(0), D, 99), ("a", "b", "c")),
    Case("the last one is kept", "", (rules(1), D, 99), ("a", "b")),
    Case("all are kept", "", (rules(3), D, 99), ()),
    Case("more than there are", "", (rules(50), D, 99), ()),
    Case("for an hour", "a stopped at minute 1", (rules(0, 3600), D, 61), ("a",)),
    Case("nearly an hour", "", (rules(0, 3600), D, 60.9), ()),
    Case("the candidate", "", (rules(0), Needed("d", candidate="b"), 99), ("a", "c")),
    Case("what the spec wants", "a rollback to it may be under way", (rules(0), Needed("d", wanted=frozenset("a")), 99), ("b", "c")),
    Case("somebody's source", "", (rules(0), Needed("d", sources=frozenset("bc")), 99), ("a",)),
    Case("another one serves", "a stranger's, not observed yet", (rules(1), Needed("x"), 99), ("a", "b", "c")),
    Case("one of them serves again", "", (rules(0), Needed("a"), 99), ("b", "c")),
    Case("nothing is current", "what served last may be all there is", (rules(0), Needed(None), 99), ()),
)
def test_what_is_cleaned_up(case: Case) -> None:
    given, needed, minutes = case.given
    expected = tuple(name for name in case.expected)
    assert due(FOUR, given, needed, at(minutes)) == expected, case.why


def test_what_still_counts_as_serving_is_never_cleaned_up() -> None:
    """Another one is current, but the history does not say yet that d has stopped."""
    assert due(FOUR, rules(0), Needed("x"), at(99)) == ("a", "b", "c")


def test_what_was_cleaned_up_is_not_due_again() -> None:
    assert due(FOUR, rules(0), D, at(99), done={"a", "c"}) == ("b",)


def test_a_deployment_that_served_twice_counts_once_from_when_it_last_stopped() -> None:
    history = reported(seen(0, "a"), seen(1, "b"), seen(2, "a"), seen(3, "b"))
    assert due(history, rules(1), Needed("b"), at(99)) == ()
    assert due(history, rules(0, 3600), Needed("b"), at(62)) == ()
    assert due(history, rules(0, 3600), Needed("b"), at(63)) == ("a",)


def test_the_next_one_is_waited_for() -> None:
    assert next_due(FOUR, rules(1, 3600), D, at(10)) == at(61)
    assert next_due(FOUR, rules(1, 3600), D, at(61)) == at(62)
    assert next_due(FOUR, rules(1, 3600), D, at(62)) is None
    assert next_due(FOUR, None, D, at(10)) is None


def test_a_deployment_is_cleaned_up_only_in_its_own_environment() -> None:
    assert is_here("staging", "staging")
    assert not is_here("staging", "production")
    assert not is_here("staging", None)


def test_a_newcomer_is_what_somebody_else_brought_and_no_read_has_shown_before() -> None:
    first = fold((), Observed(NOW, "a"))
    second = fold(first, Observed(NOW, "b"))
    ours = fold(first, Observed(NOW, "b", origins={"b": Origin(Cause.PROMOTION, NOW, "b")}))
    back = fold(second, Observed(NOW + timedelta(seconds=9), "a"))
    assert newcomer((), first) is None, "it was there when the history began"
    assert newcomer(first, first) is None
    assert newcomer(first, second) == "b", "also within a second"
    assert newcomer(first, ours) is None
    assert newcomer(second, back) == "a"
