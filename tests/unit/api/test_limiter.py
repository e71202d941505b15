"""Time is the test's own: a clock that moves only when every call waits."""

import asyncio
import contextlib
import heapq
import itertools
import math
from bisect import bisect_left

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chainenv.api import RateLimited
from chainenv.api.limiter import (
    HALF_LIFE_SECONDS,
    LONGEST_WAIT_SECONDS,
    MAX_PAUSE_SECONDS,
    PATIENCE_SECONDS,
    SLOWER,
    SWEEP_SECONDS,
    Limiter,
    Turn,
)

pytestmark = pytest.mark.asyncio
PACE = 90 * 1.02


class Time:
    def __init__(self) -> None:
        self.now = 1000.0
        self._timers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._numbers = itertools.count()

    def clock(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        timer: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._timers, (self.now + seconds, next(self._numbers), timer))
        await timer

    async def run(self, *tasks: asyncio.Task[None]) -> None:
        while not all(task.done() for task in tasks):
            await self.settle()
            if self._timers:
                at, _, timer = heapq.heappop(self._timers)
                self.now = max(self.now, at)
                if not timer.done():
                    timer.set_result(None)

    async def settle(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(0)
            if not loop._ready:  # type: ignore[attr-defined]
                return


def limiter(time: Time, rate: float = 90) -> Limiter:
    return Limiter(rate, clock=time.clock, sleep=time.sleep)


def most_in_one_second(starts: list[float]) -> int:
    return max((index + 1 - bisect_left(starts, start - 1 + 1e-9) for index, start in enumerate(starts)), default=0)


@settings(deadline=None, max_examples=50)
@given(
    st.lists(st.tuples(st.floats(0, 4), st.none() | st.floats(0, 4)), max_size=300),
    st.sampled_from([1.0, 7.5, 90.0]),
)
async def test_never_more_than_allowed_in_any_second_and_first_come_first_served(
    callers: list[tuple[float, float | None]], rate: float
) -> None:
    """Each caller comes at a time and may be cancelled some time later."""
    time = Time()
    pacing = limiter(time, rate)
    starts: list[float] = []
    order: list[tuple[float, int]] = []

    async def caller(number: int, delay: float) -> None:
        await time.sleep(delay)
        arrived = time.now
        await pacing.acquire("key", "endpoint")
        starts.append(time.now)
        order.append((arrived, number))

    async def canceller(task: asyncio.Task[None], delay: float) -> None:
        await time.sleep(delay)
        task.cancel()

    callers.sort(key=lambda pair: pair[0])
    tasks = [asyncio.create_task(caller(number, delay)) for number, (delay, _) in enumerate(callers)]
    cancels = [asyncio.create_task(canceller(task, at)) for task, (_, at) in zip(tasks, callers, strict=True) if at is not None]
    await time.run(*tasks, *cancels)
    assert most_in_one_second(starts) <= rate * 1.02 + max(1, int(rate * 0.025))
    assert order == sorted(order)
    assert len(starts) == sum(not task.cancelled() for task in tasks)


async def test_a_queue_moves_at_two_percent_above_the_rate() -> None:
    time = Time()
    pacing = limiter(time)
    starts: list[float] = []

    async def caller() -> None:
        await pacing.acquire("key", "endpoint")
        starts.append(time.now)

    await time.run(*[asyncio.create_task(caller()) for _ in range(1000)])
    assert starts[-1] - starts[0] == pytest.approx(998 / PACE)
    assert starts[-1] - starts[0] < 1.1 * 1000 / 100 - 0.1
    assert most_in_one_second(starts) == 93


async def test_cancelled_callers_take_no_turn() -> None:
    time = Time()
    pacing = limiter(time, 10)

    async def caller() -> None:
        await pacing.acquire("key", "endpoint")

    tasks = [asyncio.create_task(caller()) for _ in range(50)]
    await time.settle()
    began = time.now
    for task in tasks[1:-1]:
        task.cancel()
    await time.run(*tasks)
    assert time.now - began == pytest.approx(0.1 / 1.02)


async def test_pairs_do_not_hold_each_other_up() -> None:
    time = Time()
    pacing = limiter(time, 1)
    assert [(await pacing.acquire(key, endpoint)).waited for key in "ab" for endpoint in "xy"] == [0, 0, 0, 0]


async def test_after_a_pause_there_is_no_burst() -> None:
    time = Time()
    pacing = limiter(time)
    pacing.pause("key", "endpoint", 10)
    with pytest.raises(RateLimited) as caught:
        await pacing.acquire("key", "endpoint")
    assert (caught.value.retry_after, caught.value.local) == (10, True)
    await pacing.acquire("other", "endpoint")
    time.now += 10
    began = time.now
    starts: list[float] = []

    async def caller() -> None:
        await pacing.acquire("key", "endpoint")
        starts.append(time.now - began)

    await time.run(*[asyncio.create_task(caller()) for _ in range(10)])
    gaps = [later - earlier for earlier, later in itertools.pairwise(starts)]
    assert starts[0] == 0
    assert all(1 / PACE < gap < SLOWER / PACE for gap in gaps)


async def starts_of(pacing: Limiter, time: Time, count: int) -> list[float]:
    """When so many callers who come together may start, from now on."""
    began, starts = time.now, []

    async def caller() -> None:
        await pacing.acquire("key", "endpoint")
        starts.append(time.now - began)

    await time.run(*[asyncio.create_task(caller()) for _ in range(count)])
    return starts


async def test_a_short_pause_is_waited_for_in_line() -> None:
    """Those who gave up their place would come back together, each after another poll."""
    time = Time()
    pacing = limiter(time)
    pacing.pause("key", "endpoint", PATIENCE_SECONDS)
    starts = await starts_of(pacing, time, 10)
    assert starts[0] == PATIENCE_SECONDS
    assert starts == sorted(starts)


async def test_nobody_waits_in_line_from_pause_to_pause() -> None:
    time = Time()
    pacing = limiter(time)
    pacing.pause("key", "endpoint", 1)
    refused: list[float] = []

    async def caller() -> None:
        try:
            await pacing.acquire("key", "endpoint")
        except RateLimited:
            refused.append(time.now - 1000)
        else:
            pacing.pause("key", "endpoint", 1)

    await time.run(*[asyncio.create_task(caller()) for _ in range(50)])
    assert len(refused) > 40
    assert LONGEST_WAIT_SECONDS < max(refused) < LONGEST_WAIT_SECONDS + 2


async def test_whoever_meets_a_limit_goes_slower_for_a_while_and_once_for_each_meeting() -> None:
    time = Time()
    pacing = limiter(time)
    for _ in range(5):  # what was under way
        pacing.pause("key", "endpoint", 1)
    time.now += 1
    slow = await starts_of(pacing, time, 50)
    assert slow[-1] == pytest.approx(49 * SLOWER / PACE, rel=0.05)
    time.now += 10 * HALF_LIFE_SECONDS
    again = await starts_of(pacing, time, 50)
    assert again[-1] <= 49 / PACE * 1.01


async def test_a_limit_that_is_met_again_and_again_is_found() -> None:
    """Others leave a tenth of the rate: nearly all of it is used, with few refusals."""
    time = Time()
    pacing, allowed = limiter(time), 9
    taken: list[float] = []
    refused = 0
    while time.now < 1000 + 300:
        await time.run(asyncio.create_task(_one(pacing, time)))
        if sum(moment > time.now - 1 for moment in taken) < allowed:
            taken.append(time.now)
        else:
            refused += 1
            pacing.pause("key", "endpoint", 1)
    assert len(taken) > 0.6 * allowed * 300
    assert refused < 0.05 * len(taken)


async def _one(pacing: Limiter, time: Time) -> None:
    while True:
        try:
            await pacing.acquire("key", "endpoint")
        except RateLimited as held:
            await time.sleep(held.retry_after)
        else:
            return


async def test_the_longest_pause_counts() -> None:
    time = Time()
    pacing = limiter(time)
    assert pacing.pause("key", "endpoint", 10) == 10
    assert pacing.pause("key", "endpoint", 2) == 10
    assert pacing.pause("key", "endpoint", 12) == 12


async def test_pairs_that_are_idle_are_forgotten_and_paused_ones_are_not() -> None:
    time = Time()
    pacing = limiter(time)
    for number in range(1000):
        await pacing.acquire(f"key-{number}", "endpoint")
    pacing.pause("paused", "endpoint", 3600)
    assert len(pacing) == 1001
    time.now += SWEEP_SECONDS
    await pacing.acquire("another", "endpoint")
    assert len(pacing) == 2
    with pytest.raises(RateLimited):
        await pacing.acquire("paused", "endpoint")


# -- a pause that was asked to be longer than one is kept --------------------------------------------------------------------


async def _tries(pacing: Limiter, number: int) -> list[Turn | RateLimited]:
    results = await asyncio.gather(*(pacing.acquire("key", "endpoint") for _ in range(number)), return_exceptions=True)
    return [result for result in results if isinstance(result, Turn | RateLimited)]


def _turns(results: list[Turn | RateLimited]) -> list[Turn]:
    return [result for result in results if isinstance(result, Turn)]


@pytest.mark.parametrize("asked", [3600.0, math.inf, MAX_PAUSE_SECONDS + 1])
async def test_two_minutes_at_most_then_one_call_and_the_others_after_it(asked: float) -> None:
    time = Time()
    pacing = limiter(time)
    assert pacing.pause("key", "endpoint", asked) == MAX_PAUSE_SECONDS
    assert pacing.pause("key", "endpoint", 1) == MAX_PAUSE_SECONDS
    time.now += MAX_PAUSE_SECONDS - PATIENCE_SECONDS - 1
    assert _turns(await _tries(pacing, 3)) == []
    time.now += PATIENCE_SECONDS + 1
    results = await _tries(pacing, 50)
    [probe] = _turns(results)
    refused = [result for result in results if isinstance(result, RateLimited)]
    assert len(refused) == 49
    assert all(error.local and error.retry_after == PATIENCE_SECONDS for error in refused)
    with probe:
        time.now += 20
        assert _turns(await _tries(pacing, 50)) == []
        probe.passed = True
    starts: list[float] = []

    async def caller() -> None:
        with await pacing.acquire("key", "endpoint"):
            starts.append(time.now)

    await time.run(*(asyncio.create_task(caller()) for _ in range(50)))
    assert len(starts) == 50


@pytest.mark.parametrize("again", [None, 5.0, math.inf], ids=["no answer", "paused for seconds", "paused for ever"])
async def test_a_probe_that_did_not_pass_is_followed_by_another(again: float | None) -> None:
    time = Time()
    pacing = limiter(time)
    pacing.pause("key", "endpoint", math.inf)
    for _ in range(3):
        time.now += MAX_PAUSE_SECONDS + 1
        [probe] = _turns(await _tries(pacing, 20))
        with contextlib.suppress(asyncio.CancelledError), probe:
            if again is None:
                raise asyncio.CancelledError
            assert pacing.pause("key", "endpoint", again) == min(again, MAX_PAUSE_SECONDS)


async def test_a_pause_that_begins_while_the_probe_is_under_way_is_doubted_as_well() -> None:
    """A call from before the first pause can be answered as late as that."""
    time = Time()
    pacing = limiter(time)
    pacing.pause("key", "endpoint", math.inf)
    time.now += MAX_PAUSE_SECONDS
    [probe] = _turns(await _tries(pacing, 2))
    with probe:
        pacing.pause("key", "endpoint", math.inf)
        probe.passed = True
    time.now += MAX_PAUSE_SECONDS + 1
    assert len(_turns(await _tries(pacing, 20))) == 1


async def test_other_keys_and_endpoints_are_not_probed_for() -> None:
    time = Time()
    pacing = limiter(time)
    pacing.pause("key", "endpoint", math.inf)
    time.now += MAX_PAUSE_SECONDS
    await pacing.acquire("key", "endpoint")
    await pacing.acquire("other", "endpoint")
    await pacing.acquire("key", "another")


async def test_a_doubted_pair_is_forgotten_in_the_end() -> None:
    time = Time()
    pacing = limiter(time)
    pacing.pause("gone", "endpoint", math.inf)
    for number in range(3):
        time.now += 3600
        await pacing.acquire(f"key-{number}", "endpoint")
    assert len(pacing) == 1
