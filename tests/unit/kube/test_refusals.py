"""One resource's refused key is its own affair, while the key works elsewhere; a key that works nowhere is tried seldom."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from chainenv.kube.refusals import FIRST_RETRY_SECONDS, LAST_RETRY_SECONDS, MOST_KEPT, Refusals

KEY = "fingerprint"


class World:
    """Seconds go by when a test says so."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.refusals = Refusals(lambda: self.now)

    def may(self, uid: str, key: str = KEY) -> bool:
        return self.refusals.check(uid, key) is None

    def refused(self, *uids: str) -> None:
        for uid in uids:
            self.refusals.refused(uid, KEY)

    def accepted(self, *uids: str) -> None:
        for uid in uids:
            self.refusals.accepted(uid, KEY)

    def tries(self, uid: str, count: int, *, reads: bool = False) -> list[float]:
        """The waits before each of so many tries that are refused again; ``reads``: what comes before the refused call is accepted."""
        waits = []
        for _ in range(count):
            refusal = self.refusals.check(uid, KEY)
            assert refusal is not None
            waits.append(refusal.seconds)
            self.now += refusal.seconds
            assert self.may(uid)
            if reads:
                self.accepted(uid)
            self.refused(uid)
        return waits


def test_one_refused_resource_waits_and_nobody_else() -> None:
    world = World()
    world.refused("bad")
    assert not world.may("bad")
    assert world.may("new"), "it has never tried"
    world.accepted("good")
    assert world.may("good")
    assert not world.may("bad"), "that it works elsewhere does not help it"


def test_tries_of_the_same_value_are_doubled_up_to_a_quarter_of_an_hour() -> None:
    world = World()
    world.refused("bad")
    assert world.tries("bad", 6) == [60, 120, 240, 480, 900, 900]


def test_a_refused_write_after_an_accepted_read_is_tried_less_and_less_often() -> None:
    world = World()
    world.accepted("writer")
    world.refused("writer")
    assert world.tries("writer", 5, reads=True) == [60, 120, 240, 480, 900]


def test_after_a_good_while_a_refusal_is_the_first_again() -> None:
    world = World()
    world.refused("bad")
    world.tries("bad", 3)
    world.accepted("bad")
    assert world.may("bad")
    world.now += 2 * LAST_RETRY_SECONDS
    world.accepted("bad")
    world.refused("bad")
    assert world.tries("bad", 1) == [FIRST_RETRY_SECONDS]


def test_refusals_that_were_under_way_together_count_once() -> None:
    world = World()
    world.refused(*["bad"] * 5)
    assert world.tries("bad", 2) == [60, 120]


def test_a_key_that_works_for_nobody_is_probed_by_one_at_a_time() -> None:
    world = World()
    world.refused("a", "b", "c")
    new = [f"new-{n}" for n in range(20)]
    assert [uid for uid in new if world.may(uid)] == ["new-0"]
    world.refused("new-0")
    assert not any(map(world.may, new))
    world.now += FIRST_RETRY_SECONDS
    refused_before = [uid for uid in ("a", "b", "c", "new-0") if world.may(uid)]
    assert len(refused_before) == 1


def test_a_probe_that_is_accepted_lets_everybody_go_on() -> None:
    world = World()
    world.refused("a", "b", "c")
    assert world.may("new")
    assert not world.may("other")
    world.accepted("new")
    assert world.may("other")
    assert not world.may("a")


def test_whom_the_key_worked_for_is_judged_by_its_own_calls_alone() -> None:
    """Three resources of one key whose chains are somebody else's, over and over, while nobody polls: a change is sent at once."""
    world = World()
    world.accepted("neighbour")
    for _ in range(3):
        world.refused("a", "b", "c", "d")
        world.now += LAST_RETRY_SECONDS
    assert world.may("neighbour")


def test_another_value_is_tried_at_once() -> None:
    world = World()
    world.refused("bad")
    assert world.may("bad", "another")


def test_what_is_gone_leaves_nothing_behind() -> None:
    world = World()
    for uid in ("a", "b", "c", "d"):
        world.accepted(uid)
        world.refused(uid)
    for n in range(3 * MOST_KEPT):
        world.refusals.refused("a", f"value-{n}")
    for uid in ("a", "b", "c", "d"):
        world.refusals.forget(uid)
    assert all(not kept for name, kept in vars(world.refusals).items() if name != "_clock")


STEPS = st.lists(st.tuples(st.sampled_from("abcdefgh"), st.sampled_from(["run", "run", "wait"])), min_size=20, max_size=80)


@given(steps=STEPS, bad=st.sets(st.sampled_from("abcdefgh"), max_size=7))
def test_a_resource_that_the_key_works_for_goes_on_sooner_or_later(steps: list[tuple[str, str]], bad: set[str]) -> None:
    """Whichever of the others are refused: at the next probe at the latest, and never again held back once it was accepted."""
    world = World()
    accepted: set[str] = set()
    for uid, step in steps:
        if step == "wait":
            world.now += 5
        elif world.may(uid):
            (world.refused if uid in bad else world.accepted)(uid)
            accepted |= {uid} - bad
        else:
            assert uid not in accepted
    world.now += LAST_RETRY_SECONDS
    for uid in sorted(set("abcdefgh") - bad):
        assert world.may(uid)
        world.accepted(uid)
