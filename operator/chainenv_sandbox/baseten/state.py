"""The world: chains and what is in them, on a clock that tests can move forward."""

from __future__ import annotations

import random
import string
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from chainenv_sandbox.baseten.audit import Actor, AuditLog
from chainenv_sandbox.baseten.catalogue import DEFAULT_INSTANCE_TYPE
from chainenv_sandbox.baseten.errors import ApiError, JsonObject, not_found
from chainenv_sandbox.baseten.lifecycle import become_current, fall_idle, launch, settle
from chainenv_sandbox.baseten.model import Chain, Chainlet, ChainletSettings, Deployment, Environment, Origin, PlannedFailure
from chainenv_sandbox.baseten.options import Options
from chainenv_sandbox.baseten.timeline import Timeline

PRODUCTION = "production"


@dataclass(frozen=True, slots=True)
class ChainSpec:
    """A chain to start with. `deployed`: it has been pushed, and that deployment is ACTIVE in `production`."""

    id: str
    chainlets: tuple[str, ...]
    deployed: bool = True

    @classmethod
    def parse(cls, text: str) -> ChainSpec:
        """Reads ID:Chainlet1,Chainlet2. Raises ValueError."""
        chain_id, _, names = text.partition(":")
        chainlets = tuple(name.strip() for name in names.split(",") if name.strip())
        if not chain_id.strip() or not chainlets:
            raise ValueError(f"{text!r}: write ID:Chainlet1,Chainlet2")
        return cls(chain_id.strip(), chainlets)


@dataclass
class World:
    options: Options
    chains: dict[str, Chain] = field(default_factory=dict)
    deployments: dict[str, Deployment] = field(default_factory=dict)
    audit: dict[str, AuditLog] = field(default_factory=dict)
    prices: dict[str, float | str | None] = field(default_factory=dict)  # in place of the catalogue's; None: not listed
    managers: dict[str, tuple[str, ...]] = field(default_factory=dict)  # of restricted environment groups: who may manage them
    skew: float = 0.0
    _started: list[Deployment] = field(default_factory=list)
    _random: random.Random = field(default_factory=lambda: random.Random(2718))

    def now(self) -> float:
        return time.time() + self.skew

    def new_id(self) -> str:
        return "".join(self._random.choices(string.ascii_lowercase + string.digits, k=8))

    # Looking things up, always as of now.

    def chain(self, chain_id: str) -> Chain:
        if (chain := self.chains.get(chain_id)) is None:
            raise not_found(f"Chain {chain_id}")
        return chain

    def environment(self, chain_id: str, name: str, *, hidden: bool = False) -> Environment:
        """hidden: also one that does not show yet."""
        environment = self.chain(chain_id).environments.get(name)
        if environment is None or not (hidden or environment.visible_at <= self.now()):
            raise not_found(f"Environment {name}")
        settle(environment, self.options, self.now())
        return environment

    def deployment(self, deployment_id: str, *, hidden: bool = False) -> Deployment:
        deployment = self.deployments.get(deployment_id)
        if deployment is None or not (hidden or deployment.visible_at <= self.now()):
            raise not_found(f"Deployment {deployment_id}")
        self._settle_around(deployment)
        return deployment

    def deployment_of(self, chain_id: str, deployment_id: str) -> Deployment:
        chain = self.chain(chain_id)
        if deployment_id not in chain.deployments:
            raise not_found(f"Deployment {deployment_id}")
        return self.deployment(deployment_id)

    def _settle_around(self, deployment: Deployment) -> None:
        environment = self.chains[deployment.chain_id].environments.get(deployment.environment or "")
        if environment is not None:
            settle(environment, self.options, self.now())
        fall_idle(deployment, self.options, self.now())

    def visible_environments(self, chain_id: str) -> list[Environment]:
        now = self.now()
        found = [one for one in self.chain(chain_id).environments.values() if one.visible_at <= now]
        for one in found:
            settle(one, self.options, now)
        return found

    def visible_deployments(self, chain_id: str) -> list[Deployment]:
        now = self.now()
        found = [one for one in self.chain(chain_id).deployments.values() if one.visible_at <= now]
        for one in found:
            self._settle_around(one)
        return found

    def record(self, actor: Actor, kind: str, chain: Chain, about: Mapping[str, Any], environment: str | None = None) -> None:
        data = {"event_type": kind, "chain_id": chain.id, "chain_name": chain.name, **about}
        self.audit[chain.id].add(self.now(), actor, data, environment)

    # Making things.

    def add_chain(self, spec: ChainSpec, name: str | None = None) -> Chain:
        if spec.id in self.chains:
            raise ApiError(409, "CONFLICT", f"Chain {spec.id} exists.")
        chain = Chain(spec.id, name or spec.id, self.now(), dict.fromkeys(spec.chainlets, DEFAULT_INSTANCE_TYPE))
        self.chains[spec.id], self.audit[spec.id] = chain, AuditLog()
        self.add_environment(chain, PRODUCTION, {}, visible_at=0.0)
        if spec.deployed:
            self.push(chain, environment=PRODUCTION, active=True)
        return chain

    def add_environment(self, chain: Chain, name: str, settings: Mapping[str, ChainletSettings], *, visible_at: float) -> Environment:
        chainlets = {one: settings.get(one) or ChainletSettings() for one in chain.chainlets}
        environment = Environment(name, chain.id, self.now(), visible_at, chainlets)
        chain.environments[name] = environment
        return environment

    def push(
        self,
        chain: Chain,
        *,
        environment: str | None = None,
        active: bool = False,
        chainlets: Iterable[str] | None = None,
        deployment_id: str | None = None,
    ) -> Deployment:
        """What a developer's push does; with an environment it is promoted there at once. active: it needs no time."""
        if chainlets is not None:
            chain.chainlets = {name: chain.chainlets.get(name, DEFAULT_INSTANCE_TYPE) for name in chainlets}
        chain.pushed = True
        target = None if environment is None else self.environment(chain.id, environment, hidden=True)
        types = self.types_for(chain, target)
        deployment = self.start(chain, target, "push", types, deployment_id=deployment_id)
        if active:
            deployment.timeline = Timeline((self.now(), "ACTIVE"))
        if target is not None and (active or target.current is None):
            become_current(target, deployment, self.options, self.now())
        elif target is not None:
            self.begin_promotion(target, deployment)
        return deployment

    @staticmethod
    def types_for(chain: Chain, environment: Environment | None) -> dict[str, str]:
        types = dict(chain.chainlets)
        for name, settings in environment.chainlets.items() if environment else ():
            if name in types:
                types[name] = settings.wanted_type()
        return types

    def start(
        self,
        chain: Chain,
        environment: Environment | None,
        origin: Origin,
        types: Mapping[str, str],
        *,
        deployment_id: str | None = None,
    ) -> Deployment:
        now = self.now()
        settings = environment.chainlets if environment else {}
        chainlets = [
            Chainlet(self.new_id(), name, kind, (settings.get(name) or ChainletSettings()).wanted_autoscaling().copy())
            for name, kind in types.items()
        ]
        timeline = launch(self.options, now, self._planned_failure(chain, environment))
        visible_at = now if origin == "push" else now + self.options.create_visible_after_seconds
        where = environment.name if environment else None
        deployment = Deployment(deployment_id or self.new_id(), chain.id, where, now, visible_at, origin, chainlets, timeline)
        chain.deployments[deployment.id] = self.deployments[deployment.id] = deployment
        if origin != "push":
            self._started.append(deployment)
        return deployment

    def begin_promotion(self, environment: Environment, deployment: Deployment, *, scale_down_previous: bool = True) -> None:
        environment.candidate, environment.candidate_since = deployment, self.now()
        environment.scale_down_previous = scale_down_previous
        settle(environment, self.options, self.now())

    @staticmethod
    def _planned_failure(chain: Chain, environment: Environment | None) -> str | None:
        name = environment.name if environment else None
        for planned in chain.failures:
            if planned.environment in (None, name):
                planned.times -= 1
                if not planned.times:
                    chain.failures.remove(planned)
                return planned.status
        return None

    def plan_failure(self, chain: Chain, environment: str | None, status: str, times: int) -> None:
        chain.failures.append(PlannedFailure(environment, status, times))

    def remove_deployment(self, deployment: Deployment) -> None:
        del self.deployments[deployment.id]
        del self.chains[deployment.chain_id].deployments[deployment.id]

    def remove_chain(self, chain: Chain) -> None:
        for deployment in chain.deployments:
            self.deployments.pop(deployment, None)
        del self.chains[chain.id]

    def started(self, chain_id: str | None = None) -> list[JsonObject]:
        """Every deployment that a call of the public API ever started (not pushes), oldest first."""
        return [
            {"id": one.id, "chain_id": one.chain_id, "environment": one.environment, "origin": one.origin, "created_at": one.created_at}
            for one in self._started
            if chain_id in (None, one.chain_id)
        ]
