"""The soak: many resources under one operator, specs that change at random, and everything around it going wrong.

All that is chosen comes from the seed: `plan` is the list of what happens when, and each fault of Baseten has dice of its own.
What that meets in the operator depends on the machine. At the end the faults stop, and `Ledger` holds the simulator's journal
against what the specs have asked for.
"""

from __future__ import annotations

import itertools
import json
import random
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import httpx

from chainenv_sandbox.baseten.journal import Entry
from chainenv_sandbox.proxy.client import Proxy

from ..integration.harness.case import CHAINLETS, RECONCILE, Case
from ..integration.harness.cluster import Json
from ..integration.harness.manifests import chainlet
from ..integration.harness.observing import secret, together
from ..integration.harness.operator import OperatorProcess
from ..integration.harness.stage import Stage, condition
from ..integration.harness.waiting import wait_until
from .jobs import is_done

TYPES = ("1x2", "1x4", "2x8", "4x16", "A10Gx4x16", "A10Gx8x32", "A10G:2x24x96", "H100:2")
SECRET = "baseten"
OVERLAP_SECONDS = 10.0
"""An old key is good for so long after the Secret holds another one."""
SETTLE_SECONDS = 5.0
LATE_SECONDS = 1.5
"""Longer than the operator waits for an answer, and well within the settling time."""

SETTINGS = {"CHAINENV_REQUEST_TIMEOUT_SECONDS": "1", "CHAINENV_SETTLE_SECONDS": str(SETTLE_SECONDS)}
HURRY = {
    "chainenv.kube.handlers:INACTIVITY_SECONDS": 2.0,
    "chainenv.kube.lister:RELIST_SECONDS": 3.0,
    "chainenv.kube.secrets:KEPT_SECONDS": 3.0,
}

FAULTS: dict[str, dict[str, Any]] = {
    "answer lost": {"kind": "reset", "point": "after_effect", "probability": 0.03},
    "call lost": {"kind": "reset", "point": "before_effect", "probability": 0.02},
    "answer late": {"kind": "delay", "point": "after_effect", "seconds": LATE_SECONDS, "probability": 0.02},
    "call late": {"kind": "delay", "point": "before_effect", "seconds": LATE_SECONDS, "probability": 0.02},
    "429": {"kind": "answer", "status": 429, "body": {"error": "Rate limit exceeded.", "retry_after": 1}, "probability": 0.02},
    "500": {"kind": "answer", "status": 500, "body": {"message": "boom"}, "probability": 0.02},
    "503 after the effect": {"kind": "answer", "status": 503, "point": "after_effect", "body": "gone", "probability": 0.02},
    "502 as HTML": {"kind": "answer", "status": 502, "body": "<html>Bad Gateway</html>", "probability": 0.02},
    "200 as HTML": {"kind": "garbage", "garbage": "html", "probability": 0.02},
    "truncated JSON": {"kind": "garbage", "garbage": "truncated_json", "probability": 0.02},
    "cut answer": {"kind": "garbage", "garbage": "cut", "probability": 0.02},
    "another document": {"kind": "garbage", "garbage": "wrong_json", "probability": 0.02},
}

CHANGE = "spec changed"
EVERY: dict[str, float] = {
    CHANGE: 0.4,
    "operator killed": 7.0,
    "API server killed, etcd compacted": 20.0,
    "watches cut": 6.0,
    "watches silent": 12.0,
    "API server away": 10.0,
    "Secret rotated": 7.0,
}
"""Seconds between two of a kind, on average."""
ENDS = {"watches silent": ("watches speak", 3.0), "API server away": ("API server back", 2.0), "Secret rotated": ("key revoked", 12.0)}


@dataclass(frozen=True, order=True)
class Step:
    at: float
    kind: str
    seed: int


def plan(seed: int, seconds: float) -> list[Step]:
    """What happens when, in seconds from the beginning."""
    chance = random.Random(seed)
    steps: list[Step] = []
    for kind, every in EVERY.items():
        at = chance.uniform(0.3, 1.0) * every
        while at < seconds:
            steps.append(Step(at, kind, chance.randrange(2**32)))
            if kind in ENDS:
                end, after = ENDS[kind]
                steps.append(Step(at + after, end, 0))
            at += chance.uniform(0.5, 1.5) * every
    return sorted(steps)


@dataclass
class Track:
    """One resource and all that its spec ever asked for; ``keyed``: its key is in the Secret."""

    case: Case
    keyed: bool
    types: list[tuple[str, ...]] = field(default_factory=lambda: [("1x2", "1x2")])
    promotions: list[str] = field(default_factory=list)
    most: int = 2
    ramp: int = 60

    def change(self, chance: random.Random) -> None:
        match chance.choice(("types", "types", "autoscaling", "ramp", "promotion")):
            case "types":
                chosen = list(self.types[-1])
                which = chance.randrange(len(chosen))
                chosen[which] = chance.choice([each for each in TYPES if each != chosen[which]])
                self.types.append(tuple(chosen))
            case "autoscaling":
                self.most = chance.choice([each for each in range(1, 9) if each != self.most])
            case "ramp":
                self.ramp = chance.choice([each for each in range(10, 20) if each != self.ramp])
            case "promotion":
                self.promotions.append(f"dep-{self.case.name}-{len(self.promotions)}")
                self.case.pushed(self.promotions[-1])

    def spec(self) -> Json:
        types = zip(CHAINLETS, self.types[-1], strict=True)
        spec: Json = {
            "promotionSettings": {"rampUpDurationSeconds": self.ramp},
            "chainletSettings": [chainlet(name, kind, maxReplica=self.most) for name, kind in types],
        }
        if self.promotions:
            spec["deploymentID"] = self.promotions[-1]
        if self.keyed:
            spec["apiKeySecretRef"] = {"name": SECRET, "key": "api-key"}
        return spec

    def is_on_baseten(self) -> bool:
        found = self.case.on_baseten()
        scaled = all(values["max_replica"] == self.most for values in found["autoscaling"].values())
        typed = tuple(found["instance_types"][name] for name in CHAINLETS) == self.types[-1]
        return bool(scaled and typed and found["promotion_settings"]["ramp_up_duration_seconds"] == self.ramp)


class Soak:
    def __init__(self, stage: Stage, proxy: Proxy, operator: OperatorProcess, *, seed: int, seconds: float, resources: int) -> None:
        self.stage, self.proxy, self.operator = stage, proxy, operator
        self.plan = plan(seed, seconds)
        self.tracks = [Track(Case(stage, f"soak-{number}"), keyed=number % 2 == 1) for number in range(resources)]
        self.counts: Counter[str] = Counter()
        self.ahead: list[str] = []
        self._seed = seed
        self._faults: dict[int, str] = {}
        self._keys: list[tuple[str, float]] = []
        self._numbers = itertools.count()
        self._etcd = _etcd_url(stage)
        self._do: dict[str, Callable[[Step], object]] = {
            CHANGE: self._change,
            "operator killed": self._kill_operator,
            "API server killed, etcd compacted": self._kill_api_server,
            "watches cut": lambda _: proxy.cut_watches(),
            "watches silent": lambda _: proxy.mute_watches(new=True),
            "watches speak": lambda _: proxy.reset(),
            "API server away": lambda _: proxy.refuse(),
            "API server back": lambda _: proxy.accept(),
            "Secret rotated": lambda _: self._rotate(),
            "key revoked": lambda _: self._revoke(),
        }

    # -- from the beginning to the end -----------------------------------------------------------------------------

    def run(self) -> None:
        """The chaos, then peace; returns when every resource is settled on its last spec. Fails the test if one does not."""
        self._begin()
        begun = time.monotonic()
        for step in self.plan:
            time.sleep(max(0.0, begun + step.at - time.monotonic()))  # the chosen moment, not a condition
            self._do[step.kind](step)
            self.counts[step.kind] += 1
            self.sample()
        self.counts["seconds"] = round(time.monotonic() - begun)
        self._end()

    def _begin(self) -> None:
        for each in self.tracks:
            each.case.with_chain()
        self._rotate()
        manifest = together(each.case.manifest(**each.spec()) for each in self.tracks)
        self.stage.cluster.kubectl("apply", "-f", "-", namespace=self.stage.namespace, input=json.dumps(manifest))
        for number, (name, fault) in enumerate(FAULTS.items()):
            self._faults[self.stage.simulator.add_fault(times=None, seed=self._seed + number, **fault)] = name

    def _end(self) -> None:
        for fault in self.stage.simulator.faults():
            self.counts[self._faults[fault["id"]]] += fault["applied"]
        self.stage.simulator.clear_faults()
        self.proxy.reset()
        for each in self.tracks:
            wait_until(f"{each.case.name} is settled on its last spec {each.spec()}", partial(self._is_settled, each))
        self.sample()

    def _is_settled(self, track: Track) -> bool:
        seen = track.case.see()
        if condition(seen, "Synced").get("reason") == "NotConverging" and RECONCILE not in seen["metadata"].get("annotations", {}):
            self.counts["lost three times, asked for by a person"] += 1
            track.case.annotate(RECONCILE, "now")
        return is_done(seen) and track.is_on_baseten()

    def sample(self) -> None:
        """No resource may say that it was acted on as it will be."""
        for seen in self.stage.cluster.resources(self.stage.namespace):
            self.counts["samples"] += 1
            observed, generation = seen["status"]["observedGeneration"], seen["metadata"]["generation"]
            if observed > generation:
                self.ahead.append(f"{seen['metadata']['name']}: {observed} of {generation}")

    # -- what happens ----------------------------------------------------------------------------------------------

    def _change(self, step: Step) -> None:
        chance = random.Random(step.seed)
        track = chance.choice(self.tracks)
        track.change(chance)
        self.stage.cluster.patch(self.stage.namespace, track.case.name, {"spec": track.spec()})

    def _kill_operator(self, _: Step) -> None:
        self.operator.kill()
        self.operator.start()

    def _kill_api_server(self, _: Step) -> None:
        """Compacted while it is away: what it could tell of the time before is gone from its cache and from etcd (410)."""
        server = self.stage.cluster.plane.apiserver
        server.kill()
        _compact(self._etcd)
        server.start()
        wait_until("the API server serves resources again", self._serves)

    def _serves(self) -> bool:
        """For a moment it answers 429: its storage is being initialised."""
        try:
            self.stage.cluster.resources(self.stage.namespace)
        except httpx.HTTPStatusError as error:
            if error.response.status_code != 429:
                raise
            return False
        return True

    def _rotate(self) -> None:
        name = f"rotated-{next(self._numbers)}"
        value = f"key-{name}-{random.SystemRandom().getrandbits(64):x}"
        self.stage.simulator.add_key(name, value)
        manifest = json.dumps(secret(SECRET, **{"api-key": value}))
        self.stage.cluster.kubectl("apply", "-f", "-", namespace=self.stage.namespace, input=manifest)
        self._keys.append((name, time.monotonic()))

    def _revoke(self) -> None:
        """The oldest, once its successor has been there long enough."""
        if len(self._keys) > 1 and time.monotonic() - self._keys[1][1] > OVERLAP_SECONDS:
            self.stage.simulator.revoke_key(self._keys.pop(0)[0])


# -- the account ---------------------------------------------------------------------------------------------------


class Ledger:
    """What Baseten did, by resource, against what the specs asked for."""

    def __init__(self, stage: Stage, track: Track) -> None:
        self._track = track
        self._started = stage.simulator.started_deployments(track.case.chain)
        self._calls = track.case.calls()

    def doubled(self) -> list[str]:
        """Deployments that no change of the spec asked for."""
        return [*self._created_twice(), *self._types_out_of_order(), *self._promoted_twice(), *self._more_deployments_than_changes()]

    def lost(self) -> list[str]:
        promoted = self._effects("promoted")
        last = self._track.promotions[-1:]
        return [f"{each} was never promoted" for each in last if each not in promoted]

    def wrong_keys(self) -> list[str]:
        """Calls that Baseten refused for their key, or that were made with a key which is not this resource's."""
        return [f"{e.seq} {e.path} {e.key} {e.status}" for e in self._calls if e.status in (401, 403) or (e.key and self._foreign(e.key))]

    def _foreign(self, key: str) -> bool:
        return key.startswith("rotated-") != self._track.keyed

    def _effects(self, name: str) -> list[Any]:
        return [each.effect[name] for each in self._calls if name in each.effect]

    def _created_twice(self) -> list[str]:
        return [f"created again: {each}" for each in self._effects("created_environment")[1:]]

    def _promoted_twice(self) -> list[str]:
        return [f"{each} was promoted {count} times" for each, count in Counter(self._effects("promoted")).items() if count > 1]

    def _types_out_of_order(self) -> list[str]:
        """Each call that changes types brings a state that the spec declared, and each declaration brings one call at most."""
        declared, held, wrong = iter(self._track.types[1:]), dict(zip(CHAINLETS, self._track.types[0], strict=True)), []
        for call in self._calls:
            held.update(_types_in(call))
            if "changed_instance_types" in call.effect and tuple(held.values()) not in declared:  # the iterator only goes on
                wrong.append(f"types {tuple(held.values())} were not asked for (again); asked for: {self._track.types}")
        return wrong

    def _more_deployments_than_changes(self) -> list[str]:
        allowed = {"create": 1, "instance_types": len(self._track.types) - 1, "promote": len(self._track.promotions)}
        counts = Counter(str(each["origin"]) for each in self._started)
        return [f"{counts[origin]} deployments by {origin} for {most} changes" for origin, most in allowed.items() if counts[origin] > most]


def _types_in(call: Entry) -> dict[str, str]:
    """What an effective call made of the instance types."""
    entries: list[Json] = []
    if "created_environment" in call.effect:
        entries = call.request.get("chainlet_settings", [])
    elif "changed_instance_types" in call.effect:
        entries = call.request["updates"]
    return {each["chainlet_name"]: each["instance_type_id"] for each in entries}


# -- etcd ----------------------------------------------------------------------------------------------------------


def _etcd_url(stage: Stage) -> str:
    argument = next(str(each) for each in stage.cluster.plane.etcd._command if "--listen-client-urls=" in str(each))
    return argument.partition("=")[2]


def _compact(etcd: str) -> None:
    """Every version but the newest is forgotten."""
    with httpx.Client(base_url=etcd, trust_env=False, timeout=10) as client:
        revision = client.post("/v3/maintenance/status", json={}).raise_for_status().json()["header"]["revision"]
        client.post("/v3/kv/compaction", json={"revision": revision, "physical": True}).raise_for_status()
