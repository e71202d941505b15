"""Requests a second for each key and endpoint, over a sliding second: no second ever holds more."""

from __future__ import annotations

import math
from collections import defaultdict, deque
from email.utils import formatdate

from chainenv_sandbox.baseten.errors import JsonObject
from chainenv_sandbox.baseten.options import Options


class RateLimiter:
    def __init__(self) -> None:
        self._taken: defaultdict[tuple[str, str], deque[float]] = defaultdict(deque)
        self.refusals = 0

    def wait_for(self, key: str, endpoint: str, limit: int, now: float) -> float | None:
        """Takes a place and returns None, or the seconds until one is free. now: any steady clock."""
        taken = self._taken[key, endpoint]
        while taken and taken[0] <= now - 1.0:
            taken.popleft()
        if len(taken) >= limit:
            self.refusals += 1
            return taken[0] + 1.0 - now
        taken.append(now)
        return None


def refusal(options: Options, wait: float, wall: float) -> tuple[JsonObject, dict[str, str]]:
    """Body and headers of a 429. wall: epoch seconds, for the header's date form."""
    seconds = float(max(1, math.ceil(wait))) if options.retry_after is None else options.retry_after
    shown = int(seconds) if seconds == int(seconds) else seconds
    body = {"error": "Rate limit exceeded. Please try again later.", "retry_after": shown}
    headers = {
        "none": {},
        "seconds": {"Retry-After": str(shown)},
        "date": {"Retry-After": formatdate(wall + math.ceil(seconds), usegmt=True)},
    }
    return body, headers[options.retry_after_header]
