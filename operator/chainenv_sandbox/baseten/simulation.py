"""All that one running simulator holds, and how to begin again."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from chainenv_sandbox.baseten.faults import FaultPlan
from chainenv_sandbox.baseten.holds import HoldPoints
from chainenv_sandbox.baseten.journal import Journal
from chainenv_sandbox.baseten.keys import DEFAULT_KEYS, Key, KeyRing, parse_keys
from chainenv_sandbox.baseten.limits import RateLimiter
from chainenv_sandbox.baseten.options import Options
from chainenv_sandbox.baseten.state import ChainSpec, World

DEFAULT_CHAINS = (ChainSpec("abcd1234", ("HelloWorld", "RandInt")),)


@dataclass(frozen=True, slots=True)
class Start:
    """What a simulator starts with, and returns to on a reset."""

    chains: tuple[ChainSpec, ...] = DEFAULT_CHAINS
    keys: tuple[Key, ...] = field(default_factory=lambda: parse_keys(DEFAULT_KEYS))
    options: dict[str, Any] = field(default_factory=dict)


class Simulation:
    world: World
    keys: KeyRing
    limiter: RateLimiter
    faults: FaultPlan
    holds: HoldPoints
    journal: Journal

    def __init__(self, start: Start) -> None:
        self._start = start
        self.holds = HoldPoints()
        self.reset()

    @property
    def options(self) -> Options:
        return self.world.options

    def reset(self) -> None:
        """Raises ApiError 400 when the start options are wrong. Held calls are released."""
        self.holds.release()
        options = Options()
        options.change(self._start.options)
        self.world = World(options)
        self.keys = KeyRing(self._start.keys)
        self.limiter, self.faults, self.holds, self.journal = RateLimiter(), FaultPlan(), HoldPoints(), Journal()
        for spec in self._start.chains:
            self.world.add_chain(spec)
