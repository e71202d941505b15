"""What the invariants know of a run: what was declared, sent, read and begun, and when something last changed the question."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import Any

from . import gated
from .apiserver import ApiServer, Name, Raw
from .baseten import Baseten
from .owners import Owners
from .wire import ROLLOUTS, Network, Sent

Json = dict[str, Any]
SETTLE = 55.0
"""Nearly the settling time of 60 s: a rollout without an answer may still be running for so long."""
STALE_SPEC = 420.0
"""A lost watch event is made good by the next list (300 s)."""
GRACE = 75.0
"""A minute, and a call that runs into its timeout."""
HOUR, DAY = 3600.0, 86_400.0
FOR_A_PERSON = ("RolloutFailed", "ChainletNotFound", "DeploymentNotFound")
PASSING = ("Unavailable", "RateLimited")
MOST_READS, MOST_WRITES, MOST_KUBE_WRITES = 600, 60, 600
MOST_JOURNAL = 22
MOST_BYTES = 500 * 1024


class Violation(Exception):  # noqa: N818 - it is a finding, not a failure of the simulation
    def __init__(self, invariant: str, message: str) -> None:
        super().__init__(f"{invariant}: {message}")
        self.invariant = invariant
        self.message = message


class Episode:
    """One declared value of one object, from when it is declared to when something other than the operator changes the question."""

    def __init__(self, label: str) -> None:
        self.label = label
        self.sends: list[Sent] = []


class Facts:
    """What has been declared, sent, read and begun so far, for the invariants to ask."""

    def __init__(self, network: Network, baseten: Baseten, api: ApiServer, found: Callable[[Violation], None]) -> None:
        self._net, self._baseten, self._api, self._found = network, baseten, api, found
        self.episodes: dict[Any, Episode] = {}
        self.epoch: defaultdict[str, int] = defaultdict(int)
        self.own_epoch: defaultdict[tuple[str, str], int] = defaultdict(int)
        """The same, of one resource alone: by uid and kind."""
        self.owners = Owners(api)
        self.usable: Callable[[Raw], bool] = lambda _: True
        """Whether a resource has a key that is good for its chain."""
        self.lineage = 0
        self.writes: list[Sent] = []
        self.specs: list[tuple[float, str, Name, Json]] = []
        self.wiped = False
        self.reads: dict[tuple[str, Name], Json | None] = {}
        self.promoted: dict[tuple[str, Name], set[str]] = {}
        """By process and resource: what its last read showed, and what had been promoted into the environment by then."""
        self.ever_promoted: set[str] = set()
        self.forged: set[str] = set()
        """What somebody wrote into a history."""
        self.hours: defaultdict[tuple[int, str], int] = defaultdict(int)
        self.warned: set[str] = set()
        self.held: set[str] = set()
        self.begun: dict[str, float] = {}
        self.rollouts: list[tuple[Sent, str, int]] = []
        self.acts: Callable[[str], bool] = lambda _: True
        """Whether a process is the one that may act."""
        self.skew_of: Callable[[str], float] = lambda _: 0.0
        """By how much a process's clock is ahead."""
        self.neighbours: set[str] = set()
        self.failing_since: dict[str, float] = {}
        self.restricted_until: dict[str, float] = {}
        self.edges_held = 0
        self.approved: set[tuple[str, str]] = set()
        self.aborted: set[tuple[str, str]] = set()
        self.carried_out: defaultdict[tuple[str, int, str], list[Sent]] = defaultdict(list)
        """By object, journal and plan: the calls that its approval was for."""
        self.disturbed_at = 0.0
        """When anything last was wrong that concerns every resource."""
        baseten.on_start = lambda made, _: self.begun.__setitem__(made.id, network.loop.now)

    def broken(self, invariant: str, message: str) -> None:
        self._found(Violation(invariant, message))

    def asked_again(self) -> None:
        """By a person's annotation, or by a loss that nothing can make good (a wiped status and then a crash)."""
        for kind in ROLLOUTS:
            self.epoch[kind] += 1

    def process_started(self) -> None:
        if self.wiped:
            self.asked_again()
            self.lineage += 1
            self.wiped = False

    def _recent(self, now: float, seconds: float, who: Name) -> list[Json]:
        """Specs of the resource that were in force at some time within the last seconds."""
        out: list[Json] = []
        specs = [each for each in self.specs if each[2] == who]
        for index, (_, _, _, spec) in enumerate(specs):
            ended = specs[index + 1][0] if index + 1 < len(specs) else now
            if ended >= now - seconds:
                out.append(spec)
        return out

    def count(self, what: str, most: int) -> None:
        hour = int(self._net.loop.now // 3600)
        self.hours[hour, what] += 1
        if self.hours[hour, what] == most + 1:
            self.broken(f"bounded {what}", f"more than {most} in hour {hour}")

    def read(self, sent: Sent, document: Json | None) -> None:
        self.reads[sent.process, sent.by] = document
        environment = self._baseten.environments.get(sent.parameters["env_name"])
        there = set(environment.promoted) if environment else set()
        if environment and document and document.get("created_at") != self._baseten.moment(environment.created):
            there = self.promoted.get((sent.process, sent.by)) or self.ever_promoted  # a stale read shows one that was there before
        self.promoted[sent.process, sent.by] = there
        self.ever_promoted |= there

    def ended(self, process: str) -> None:
        """What a process had not written down when it ended, was never answered."""
        for sent, uid, _ in self.rollouts[-3:]:
            raw = next((each for each in self._api.objects.values() if each["metadata"]["uid"] == uid), None)
            if sent.process == process and raw is not None and any(True for _ in gated.plans(raw, sent.endpoint)):
                sent.answered = False
