"""Whose environment it is: a proven claim beats an unproven one, of two proven ones the older wins, and never do two act."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from chainenv.engine.ports import Key, WriteConflictError
from chainenv.kube.claims import PRECEDENCE, Claim, Claims

TARGET = ("abcd1234", "staging")


def claim(name: str, age: int, *, counts: bool = True, proven: bool = False, tried: bool = True) -> Claim:
    uid = f"uid-of-{name}"
    return Claim(Key("team", name), uid, TARGET, (f"2026-01-01T00:00:{age:02}Z", uid), counts, proven, tried)


OLD, YOUNG = claim("old", 1), claim("young", 2)
TABLE = {
    "nobody has read it": ((OLD, YOUNG), None),
    "a proven one beats an older unproven one": ((OLD, replace(YOUNG, proven=True)), "young"),
    "a proven one beats a younger unproven one": ((replace(OLD, proven=True), YOUNG), "old"),
    "of two proven ones the older": ((replace(OLD, proven=True), replace(YOUNG, proven=True)), "old"),
    "proven, but paused or only observing": ((replace(OLD, proven=True, counts=False), replace(YOUNG, proven=True)), "young"),
    "nobody that counts": ((replace(OLD, proven=True, counts=False),), None),
}


@pytest.mark.parametrize(("there", "owner"), TABLE.values(), ids=TABLE)
def test_who_owns(there: tuple[Claim, ...], owner: str | None) -> None:
    for order in (there, there[::-1]):
        claims = Claims()
        for each in order:
            claims.put(each)
        assert {claims.owner(each.key) for each in there} == {Key("team", owner) if owner else None}


@pytest.mark.parametrize(
    ("there", "expected"),
    [
        pytest.param((YOUNG, replace(OLD, proven=True)), "old", id="the owner"),
        pytest.param((replace(OLD, tried=False), replace(YOUNG, proven=True)), "young", id="the owner, whoever else has yet to be tried"),
        pytest.param((replace(YOUNG, tried=False), replace(OLD, tried=False)), "old", id="the oldest that has yet to be tried"),
        pytest.param((OLD, replace(YOUNG, tried=False)), "young", id="one that was tried in vain is not expected to own"),
        pytest.param((OLD, YOUNG), None, id="all were tried in vain"),
        pytest.param((replace(OLD, tried=False, counts=False), YOUNG), None, id="one that only observes"),
    ],
)
def test_who_is_expected_to_own(there: tuple[Claim, ...], expected: str | None) -> None:
    claims = having(*there)
    assert {claims.expected_owner(each.key) for each in there} == {Key("team", expected) if expected else None}


def having(*there: Claim) -> Claims:
    claims = Claims()
    for each in there:
        claims.put(each)
    return claims


def test_of_two_unproven_ones_the_first_to_read_has_it_and_reads_again_before_it_acts() -> None:
    claims = having(OLD, YOUNG)
    state, woken = claims.take(YOUNG.key, YOUNG.uid)
    assert (state.fresh, state.contested, list(woken)) == (True, True, [OLD.key])
    for _ in range(2):
        with pytest.raises(WriteConflictError):
            claims.take(OLD.key, OLD.uid)
        claims.leave(TARGET, YOUNG.uid)
    claims.put(replace(YOUNG, proven=True))
    state, _ = claims.take(YOUNG.key, YOUNG.uid)
    assert not state.fresh


def test_who_is_alone_acts_at_once() -> None:
    state, _ = having(OLD).take(OLD.key, OLD.uid)
    assert (state.fresh, state.contested) == (False, False)


def test_a_proven_one_acts_at_once_after_a_restart() -> None:
    state, _ = having(OLD, replace(YOUNG, proven=True)).take(YOUNG.key, YOUNG.uid)
    assert (state.fresh, state.contested) == (False, True)


def test_while_another_ones_call_may_be_under_way_nobody_acts_and_after_it_the_world_is_read_again() -> None:
    claims = having(replace(OLD, counts=False, proven=True), YOUNG)
    claims.take(YOUNG.key, YOUNG.uid)
    claims.put(replace(YOUNG, proven=True))
    claims.put(replace(OLD, proven=True))  # no longer paused: the older of two proven ones
    assert claims.owner(YOUNG.key) == OLD.key
    with pytest.raises(WriteConflictError):
        claims.take(OLD.key, OLD.uid)
    claims.leave(TARGET, YOUNG.uid)
    state, _ = claims.take(OLD.key, OLD.uid)
    assert state.fresh


def test_the_same_when_the_one_that_acted_is_gone() -> None:
    claims = having(OLD, YOUNG)
    claims.take(YOUNG.key, YOUNG.uid)
    claims.remove(YOUNG.key)
    with pytest.raises(WriteConflictError):
        claims.take(OLD.key, OLD.uid)
    claims.leave(TARGET, YOUNG.uid)
    state, _ = claims.take(OLD.key, OLD.uid)
    assert state.fresh


def test_a_status_without_a_proof_gives_back_what_was_taken() -> None:
    claims = having(OLD, YOUNG)
    claims.take(OLD.key, OLD.uid)
    assert list(claims.written(OLD.key, OLD.uid)) == [], "not while it acts"
    claims.leave(TARGET, OLD.uid)
    assert list(claims.written(OLD.key, OLD.uid)) == [YOUNG.key]
    assert claims.owner(OLD.key) is None


def test_a_status_that_somebody_wiped_gives_back_nothing() -> None:
    claims = having(replace(OLD, proven=True), YOUNG)
    claims.take(OLD.key, OLD.uid)
    claims.leave(TARGET, OLD.uid)
    claims.put(replace(OLD, proven=False))
    assert claims.owner(YOUNG.key) == OLD.key


def test_an_older_one_goes_first_if_it_has_not_been_tried_but_not_for_ever() -> None:
    claims = having(replace(OLD, tried=False), YOUNG)
    for _ in range(PRECEDENCE):
        with pytest.raises(WriteConflictError):
            claims.take(YOUNG.key, YOUNG.uid)
    claims.take(YOUNG.key, YOUNG.uid)


def test_another_object_of_its_name_inherits_nothing() -> None:
    claims = having(OLD, YOUNG)
    claims.take(OLD.key, OLD.uid)
    claims.leave(TARGET, OLD.uid)
    claims.put(replace(OLD, uid="another", age=("2026-02-01T00:00:00Z", "another")))
    assert claims.owner(YOUNG.key) is None
    with pytest.raises(WriteConflictError):
        claims.take(OLD.key, OLD.uid)


def test_only_a_change_of_the_owner_wakes_the_others() -> None:
    many = [claim(f"n{number}", number) for number in range(20)]
    claims = Claims()
    assert [list(claims.put(each)) for each in many] == [[]] * 20
    woken = claims.put(replace(many[7], proven=True))
    assert sorted(woken) == sorted(each.key for each in many if each is not many[7])
    assert list(claims.put(replace(many[7], proven=True))) == []
    assert list(claims.remove(many[3].key)) == []
    assert len(claims.remove(many[7].key)) == 18


class Rivals(RuleBasedStateMachine):
    """Whatever the order: at most one acts, what it sends is decided from a read that began after all others had ended, and it is
    proven in its status if the process ends there."""

    names = ("a", "b", "c")

    def __init__(self) -> None:
        super().__init__()
        self.claims = Claims()
        self.there = {name: claim(name, age, tried=False) for age, name in enumerate(self.names)}
        self.acting: set[str] = set()
        self.read_at: dict[str, int] = {}
        self.moment = self.last_end = 0
        self.last_actor = ""
        for each in self.there.values():
            self.claims.put(each)

    def is_(self, name: str, **facts: bool) -> None:
        self.there[name] = replace(self.there[name], **facts)
        self.claims.put(self.there[name])

    @rule(name=st.sampled_from(names), counts=st.booleans())
    def policy(self, name: str, counts: bool) -> None:
        self.is_(name, counts=counts)

    @rule(name=st.sampled_from(names))
    def tried(self, name: str) -> None:
        self.is_(name, tried=True)

    @precondition(lambda self: not self.acting)
    @rule()
    def restart(self) -> None:
        self.claims, self.read_at = Claims(), {}
        for each in self.there.values():
            self.claims.put(each)

    @rule(name=st.sampled_from(names))
    def read(self, name: str) -> None:
        self.moment += 1
        self.read_at[name] = self.moment

    @rule(name=st.sampled_from(names))
    def act(self, name: str) -> None:
        if name not in self.read_at or name in self.acting:
            return
        mine = self.there[name]
        try:
            state, _ = self.claims.take(mine.key, mine.uid)
        except WriteConflictError:
            return
        assert mine.counts
        assert self.claims.owner(mine.key) == mine.key
        self.is_(name, proven=True)
        if state.fresh:
            self.claims.leave(TARGET, mine.uid)
            del self.read_at[name]
            return
        assert self.last_actor in ("", name) or self.read_at[name] > self.last_end
        self.acting.add(name)
        self.last_actor = name

    @rule(name=st.sampled_from(names))
    def end(self, name: str) -> None:
        if name in self.acting:
            self.acting.remove(name)
            self.moment += 1
            self.last_end = self.moment
            self.claims.leave(TARGET, self.there[name].uid)
            self.claims.written(self.there[name].key, self.there[name].uid)

    @invariant()
    def one_acts(self) -> None:
        assert len(self.acting) <= 1

    @invariant()
    def a_proven_one_owns(self) -> None:
        proven = sorted((c for c in self.there.values() if c.counts and c.proven), key=lambda c: c.age)
        owner = self.claims.owner(self.there["a"].key)
        assert owner == (proven[0].key if proven else owner)


def test_never_do_two_act() -> None:
    run_state_machine_as_test(Rivals)


@given(st.permutations(range(4)))
def test_the_order_of_arrival_does_not_matter(order: list[int]) -> None:
    there = [claim(f"n{age}", age, proven=age >= 2) for age in range(4)]
    claims = Claims()
    for position in order:
        claims.put(there[position])
    assert claims.owner(there[0].key) == there[2].key
