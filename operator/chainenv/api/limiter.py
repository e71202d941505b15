"""Paces the calls of each key to each endpoint: Baseten allows 100 requests/s for every such pair."""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable
from typing import Final

from .errors import RateLimited

SWEEP_SECONDS: Final = 60.0


class _Pace:
    """One pair's state. `next_at` is GCRA's theoretical arrival time: a pair in arrears by less than the burst may go at once."""

    __slots__ = ("lock", "next_at", "paused_until", "users")

    def __init__(self) -> None:
        self.lock: Final = asyncio.Lock()  # first come, first served; the holder alone sleeps
        self.next_at = -math.inf
        self.paused_until = -math.inf
        self.users = 0

    def idle(self, now: float) -> bool:
        """True when a new object would behave the same."""
        return self.users == 0 and self.next_at <= now and self.paused_until <= now


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

        Raises RateLimited at once while the pair is paused, also for those that were waiting when the pause began.
        """
        pace = self._pace(key_id, endpoint)
        arrived = self._clock()
        pace.users += 1
        try:
            async with pace.lock:
                now = await self._turn(pace, endpoint)
        finally:
            pace.users -= 1
        return now - arrived

    def pause(self, key_id: str, endpoint: str, seconds: float) -> float:
        """No call starts for `seconds`; then one at a time, without a burst. Returns the seconds left of the longest pause asked for."""
        pace = self._pace(key_id, endpoint)
        now = self._clock()
        pace.paused_until = max(pace.paused_until, now + seconds)
        pace.next_at = max(pace.next_at, pace.paused_until + self._slack)
        return pace.paused_until - now

    async def _turn(self, pace: _Pace, endpoint: str) -> float:
        while True:
            now = self._clock()
            if pace.paused_until > now:
                left = pace.paused_until - now
                message = f"held back for {left:.0f} s: Baseten's rate limit was reached"
                raise RateLimited(message, endpoint=endpoint, retry_after=left, status=None, local=True)
            delay = pace.next_at - self._slack - now
            if delay <= 0:
                pace.next_at = max(pace.next_at, now) + self._interval
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
