"""Which resource has to wait before it uses an API key again that Baseten refused; pure, apart from the clock.

A refusal is the affair of the resource that met it: its chain may belong to somebody else, or its key may only read. Only
when ENOUGH resources were refused, and no call with the key was accepted since the first of them, is the key itself in
doubt: then resources that it never worked for wait as well, while one at a time probes.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field

ENOUGH = 3
"""Resources that were refused, with none accepted meanwhile, that put a key in doubt for those it never worked for."""
FIRST_RETRY_SECONDS = 60.0
LAST_RETRY_SECONDS = 900.0
"""Between tries of a refused key; doubled from the first to the last."""
PROBE_SECONDS = 3.0
"""Between the probes of a key in doubt by resources that were not refused themselves, doubled up to LAST_RETRY_SECONDS; also how
long the others wait for the result of one that is under way."""
SECRET_READS = 20
"""How often the Secret is read between two tries of a refused value."""
MOST_KEPT = 4
"""Refused keys remembered for one resource."""


@dataclass(slots=True)
class _Backoff:
    """``at``: when the next try is allowed."""

    first: float
    at: float = -math.inf
    wait: float = 0.0

    def claim(self, now: float) -> None:
        """The caller tries; others wait for the result."""
        self.at = now + PROBE_SECONDS

    def failed(self, now: float) -> None:
        """Only a try whose turn it was makes the wait longer, not those that were under way beside it."""
        if now >= self.at - PROBE_SECONDS:
            self.wait = min(LAST_RETRY_SECONDS, self.wait * 2 or self.first)
            self.at = now + self.wait


@dataclass(slots=True)
class _Own:
    """What one resource knows of one key. ``open``: accepted since the refusal, which may come back at the next write."""

    retry: _Backoff
    refused_at: float
    open: bool = False


@dataclass(slots=True)
class _Shared:
    """Of one key: who was refused since it was accepted last."""

    refused: set[str] = field(default_factory=set)
    refused_at: float = -math.inf
    retry: _Backoff = field(default_factory=lambda: _Backoff(FIRST_RETRY_SECONDS))
    probe: _Backoff = field(default_factory=lambda: _Backoff(PROBE_SECONDS))

    @property
    def doubtful(self) -> bool:
        return len(self.refused) >= ENOUGH


@dataclass(frozen=True, slots=True)
class Refusal:
    """``seconds``: until the key may be tried again. ``secret_seconds``: how old a read of its Secret may be meanwhile; it is never
    older than ``refused_at`` (on the clock)."""

    seconds: float
    secret_seconds: float
    refused_at: float


class Refusals:
    """By the uid of the resource and the fingerprint of the key."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._own: dict[str, dict[str, _Own]] = {}
        self._shared: dict[str, _Shared] = {}
        self._proved: dict[str, str] = {}
        """The key that was last accepted for each resource: it is judged by its own calls alone."""

    def check(self, uid: str, fingerprint: str) -> Refusal | None:
        """None: the resource may use the key now."""
        now = self._clock()
        own = self._own.get(uid, {}).get(fingerprint)
        shared = self._shared.get(fingerprint)
        gates: list[_Backoff] = []
        if own is not None and not own.open:
            gates.append(own.retry)
        if shared is not None and shared.doubtful and (gates or self._proved.get(uid) != fingerprint):
            gates.append(shared.retry if gates else shared.probe)
        seconds = max((gate.at - now for gate in gates), default=0.0)
        if seconds > 0:
            wait = max(gate.wait for gate in gates)
            at = own.refused_at if own is not None else shared.refused_at if shared is not None else now
            return Refusal(seconds, max(PROBE_SECONDS, wait / SECRET_READS), at)
        for gate in gates:
            gate.claim(now)
        return None

    def refused(self, uid: str, fingerprint: str) -> None:
        now = self._clock()
        keys = self._own.setdefault(uid, {})
        own = keys.setdefault(fingerprint, _Own(_Backoff(FIRST_RETRY_SECONDS), now))
        if own.open:
            own.retry.at, own.open = -math.inf, False
        own.retry.failed(now)
        own.refused_at = now
        shared = self._shared.setdefault(fingerprint, _Shared())
        known, doubtful = uid in shared.refused, shared.doubtful
        shared.refused.add(uid)
        shared.refused_at = now
        if doubtful:
            (shared.retry if known else shared.probe).failed(now)
        elif shared.doubtful:
            shared.retry.failed(now)
        while len(keys) > MOST_KEPT:
            self._drop(uid, next(iter(keys)))

    def accepted(self, uid: str, fingerprint: str) -> None:
        """Ends what is held against the key; the resource's own wait goes on growing if its next call is refused again."""
        self._proved[uid] = fingerprint
        self._shared.pop(fingerprint, None)
        own = self._own.get(uid, {}).get(fingerprint)
        if own is None:
            return
        own.open = True
        if self._clock() - own.refused_at > 2 * own.retry.wait:
            self._drop(uid, fingerprint)

    def forget(self, uid: str) -> None:
        """The resource is gone."""
        self._proved.pop(uid, None)
        for fingerprint in list(self._own.get(uid, ())):
            self._drop(uid, fingerprint)

    def _drop(self, uid: str, fingerprint: str) -> None:
        self._own[uid].pop(fingerprint)
        if not self._own[uid]:
            del self._own[uid]
        shared = self._shared.get(fingerprint)
        if shared is not None:
            shared.refused.discard(uid)
            if not shared.refused:
                del self._shared[fingerprint]
