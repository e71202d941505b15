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
MAX_PAUSE_SECONDS: Final = 120.0
"""Whatever is asked for. After a pause that was asked to be longer one call goes first, and the others wait for what comes of it."""
SLOWER: Final = 1.4
"""After a 429 (somebody else uses the key as well) calls start so many times more slowly; half of it is made good in HALF_LIFE_SECONDS."""
SLOWEST: Final = 20.0
HALF_LIFE_SECONDS: Final = 30.0
_DOUBT_SECONDS: Final = 3600.0  # a key that is not used any more is forgotten then


class _Pace:
    """One pair's state. `next_at` is GCRA's theoretical arrival time: a pair in arrears by less than the burst may go at once.

    `doubted`: a pause ended before the time that was asked for; `probing`: the call that shows whether it is over is under way.
    """

    __slots__ = ("doubted", "lock", "next_at", "paused_until", "probing", "slowed_at", "slowness", "users")

    def __init__(self) -> None:
        self.lock: Final = asyncio.Lock()  # first come, first served; the holder alone sleeps
        self.next_at = -math.inf
        self.paused_until = -math.inf
        self.slowness = 1.0
        self.slowed_at = -math.inf
        self.users = 0
        self.doubted = False
        self.probing = False

    def slower(self, now: float) -> float:
        """By which the interval between two calls is longer than it would be alone."""
        return 1 + (self.slowness - 1) * math.exp2((self.slowed_at - now) / HALF_LIFE_SECONDS)

    def idle(self, now: float) -> bool:
        """True when a new object would behave (nearly) the same."""
        quiet = now - self.paused_until
        return self.users == 0 and self.next_at <= now and quiet >= (_DOUBT_SECONDS if self.doubted else 0) and self.slower(now) < 1.01


class Turn:
    """A call may start. While it is entered its call is under way; set `passed` when that call was answered, and not with a 429."""

    __slots__ = ("_pace", "_paused_until", "_probe", "passed", "waited")

    def __init__(self, pace: _Pace, waited: float) -> None:
        self.waited: Final = waited
        self.passed = False
        self._pace: Final = pace
        self._paused_until: Final = pace.paused_until
        self._probe: Final = pace.probing

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        if self._probe:
            self._pace.probing = False
            self._pace.doubted = not self.passed or self._pace.paused_until > self._paused_until


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

    async def acquire(self, key_id: str, endpoint: str) -> Turn:
        """Waits for this call's turn, FIFO; a call that is cancelled while it waits takes no turn. Enter what is returned.

        Raises RateLimited at once while the pair is paused for longer than PATIENCE_SECONDS, also for those that were waiting when the
        pause began, for those that have waited for long, and while a probing call is under way.
        """
        pace = self._pace(key_id, endpoint)
        arrived = self._clock()
        pace.users += 1
        try:
            async with pace.lock:
                now = await self._turn(pace, endpoint, arrived)
        finally:
            pace.users -= 1
        return Turn(pace, now - arrived)

    def pause(self, key_id: str, endpoint: str, seconds: float) -> float:
        """No call starts for `seconds`, at most MAX_PAUSE_SECONDS; then one at a time, without a burst. Returns the seconds left.

        What was under way when the first answer came may ask for pauses as well: they slow the pair down only once.
        """
        pace = self._pace(key_id, endpoint)
        now = self._clock()
        if now >= pace.paused_until:
            pace.slowness, pace.slowed_at = min(SLOWEST, pace.slower(now) * SLOWER), now
        pace.doubted = pace.doubted or seconds > MAX_PAUSE_SECONDS
        pace.paused_until = max(pace.paused_until, now + min(seconds, MAX_PAUSE_SECONDS))
        pace.next_at = max(pace.next_at, pace.paused_until + self._slack)
        return pace.paused_until - now

    async def _turn(self, pace: _Pace, endpoint: str, arrived: float) -> float:
        while True:
            now = self._clock()
            left = pace.paused_until - now
            if left > PATIENCE_SECONDS or (left > 0 and now - arrived > LONGEST_WAIT_SECONDS):
                message = f"held back for {left:.0f} s: Baseten's rate limit was reached"
                raise RateLimited(message, endpoint=endpoint, retry_after=left, status=None, local=True)
            if pace.probing:
                message = "held back: one call is tried first, Baseten's rate limit was reached"
                raise RateLimited(message, endpoint=endpoint, retry_after=PATIENCE_SECONDS, status=None, local=True)
            delay = max(left, pace.next_at - self._slack - now)
            if delay <= 0:
                pace.next_at = max(pace.next_at, now) + self._interval * pace.slower(now)
                pace.probing = pace.doubted
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
