"""Paces the calls of each key to each endpoint: Baseten allows 100 requests/s for every such pair."""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable
from typing import Final

from .errors import RateLimited

SWEEP_SECONDS: Final = 60.0
PATIENCE_SECONDS: Final = 2.0
"""A pause that ends so soon is waited for in line: whoever gave up the place would have to read again before the call is made."""
LONGEST_WAIT_SECONDS: Final = 5.0
"""In line through pauses; longer, and the callers would be missed elsewhere."""
SLOWER: Final = 1.4
"""After a 429 (somebody else uses the key as well) calls start so many times more slowly; half of it is made good in HALF_LIFE_SECONDS."""
SLOWEST: Final = 20.0
HALF_LIFE_SECONDS: Final = 30.0


class _Pace:
    """One pair's state. `next_at` is GCRA's theoretical arrival time: a pair in arrears by less than the burst may go at once."""

    __slots__ = ("lock", "next_at", "paused_until", "slowed_at", "slowness", "users")

    def __init__(self) -> None:
        self.lock: Final = asyncio.Lock()  # first come, first served; the holder alone sleeps
        self.next_at = -math.inf
        self.paused_until = -math.inf
        self.slowness = 1.0
        self.slowed_at = -math.inf
        self.users = 0

    def slower(self, now: float) -> float:
        """By which the interval between two calls is longer than it would be alone."""
        return 1 + (self.slowness - 1) * math.exp2((self.slowed_at - now) / HALF_LIFE_SECONDS)

    def idle(self, now: float) -> bool:
        """True when a new object would behave (nearly) the same."""
        return self.users == 0 and self.next_at <= now and self.paused_until <= now and self.slower(now) < 1.01


class Limiter:
    """`rate` is in requests/s, exceeded by 2 % in a long queue. In any second at most 1.04 times as many start: 93 at the default of 90,
    which leaves room for those that are sent a moment late."""

    def __init__(
        self, rate: float, *, clock: Callable[[], float] = time.monotonic, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    ) -> None:
        if not (rate > 0 and math.isfinite(rate)):
            raise ValueError(f"the rate limit is {rate}: give a number of requests per second above 0")
        self._interval: Final = 1 / (rate * 1.02)  # 1,000 calls at 90 take 10.85 s: within a tenth of what a limit of 100 allows
        burst = max(1, int(rate * 0.025))
        self._slack: Final = (burst - 1) * self._interval
        self._clock: Final = clock
        self._sleep: Final = sleep
        self._paces: Final[dict[tuple[str, str], _Pace]] = {}
        self._sweep_at = clock() + SWEEP_SECONDS

    def __len__(self) -> int:
        return len(self._paces)

    async def acquire(self, key_id: str, endpoint: str) -> float:
        """Waits for this call's turn, FIFO; a call that is cancelled while it waits takes no turn. Returns the seconds waited.

        Raises RateLimited at once while the pair is paused for longer than PATIENCE_SECONDS, also for those that were waiting when the
        pause began, and for those that have waited for long.
        """
        pace = self._pace(key_id, endpoint)
        arrived = self._clock()
        pace.users += 1
        try:
            async with pace.lock:
                now = await self._turn(pace, endpoint, arrived)
        finally:
            pace.users -= 1
        return now - arrived

    def pause(self, key_id: str, endpoint: str, seconds: float) -> float:
        """No call starts for `seconds`; then one at a time, without a burst. Returns the seconds left of the longest pause asked for.

        What was under way when the first answer came may ask for pauses as well: they slow the pair down only once.
        """
        pace = self._pace(key_id, endpoint)
        now = self._clock()
        if now >= pace.paused_until:
            pace.slowness, pace.slowed_at = min(SLOWEST, pace.slower(now) * SLOWER), now
        pace.paused_until = max(pace.paused_until, now + seconds)
        pace.next_at = max(pace.next_at, pace.paused_until + self._slack)
        return pace.paused_until - now

    async def _turn(self, pace: _Pace, endpoint: str, arrived: float) -> float:
        while True:
            now = self._clock()
            left = pace.paused_until - now
            if left > PATIENCE_SECONDS or (left > 0 and now - arrived > LONGEST_WAIT_SECONDS):
                message = f"held back for {left:.0f} s: Baseten's rate limit was reached"
                raise RateLimited(message, endpoint=endpoint, retry_after=left, status=None, local=True)
            delay = max(left, pace.next_at - self._slack - now)
            if delay <= 0:
                pace.next_at = max(pace.next_at, now) + self._interval * pace.slower(now)
                return now
            await self._sleep(delay)

    def _pace(self, key_id: str, endpoint: str) -> _Pace:
        now = self._clock()
        if now >= self._sweep_at:
            self._sweep_at = now + SWEEP_SECONDS
            for name in [name for name, pace in self._paces.items() if pace.idle(now)]:
                del self._paces[name]
        pace = self._paces.get((key_id, endpoint))
        if pace is None:
            pace = self._paces[key_id, endpoint] = _Pace()
        return pace
