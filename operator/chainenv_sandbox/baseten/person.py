"""The control API's view of the world, and what people and machines do to it behind the public API's back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from aiohttp import web

from chainenv_sandbox.baseten import lifecycle, rules, wire
from chainenv_sandbox.baseten.errors import JsonObject, invalid, not_found
from chainenv_sandbox.baseten.model import Chain, ChainletSettings, Deployment, Environment, LogLine
from chainenv_sandbox.baseten.options import Options
from chainenv_sandbox.baseten.simulation import Simulation
from chainenv_sandbox.baseten.state import ChainSpec, World

_BOTH = Options(wire_shape="both")


def summary(simulation: Simulation, chain: Chain) -> JsonObject:
    now = simulation.world.now()
    return {
        "environments": sorted(chain.environments),
        "deployments": {one.id: one.status(now) for one in chain.deployments.values()},
    }


def table(simulation: Simulation) -> list[tuple[str, str, Callable[[web.Request, JsonObject], Any]]]:
    person = Person(simulation)
    return [
        ("POST", "chains", person.add_chain),
        ("DELETE", "chains/{chain}", person.delete_chain),
        ("POST", "chains/{chain}/failures", person.fail_next),
        ("POST", "chains/{chain}/deployments", person.push),
        ("POST", "chains/{chain}/environments", person.add_environment),
        ("GET", "chains/{chain}/environments/{environment}", person.environment),
        ("PATCH", "chains/{chain}/environments/{environment}", person.edit_environment),
        ("DELETE", "chains/{chain}/environments/{environment}", person.delete_environment),
        ("GET", "deployments/{deployment}", person.deployment),
        ("PATCH", "deployments/{deployment}", person.set_deployment),
        ("POST", "deployments/{deployment}/wake", person.wake),
        ("POST", "deployments/{deployment}/logs", person.add_log),
    ]


class Person:
    def __init__(self, simulation: Simulation) -> None:
        self._simulation = simulation

    @property
    def _world(self) -> World:
        return self._simulation.world

    def _chain(self, request: web.Request) -> Chain:
        return self._world.chain(request.match_info["chain"])

    def _environment(self, request: web.Request) -> Environment:
        return self._world.environment(request.match_info["chain"], request.match_info["environment"], hidden=True)

    def _deployment(self, request: web.Request) -> Deployment:
        return self._world.deployment(request.match_info["deployment"], hidden=True)

    def _show(self, deployment: Deployment) -> JsonObject:
        return {**wire.deployment(deployment, _BOTH, self._world.now()), "origin": deployment.origin}

    def add_chain(self, _: web.Request, body: JsonObject) -> JsonObject:
        spec = ChainSpec(body["id"], tuple(body["chainlets"]), body.get("deployed", True))
        return wire.chain(self._world.add_chain(spec, body.get("name")))

    def delete_chain(self, request: web.Request, _: JsonObject) -> JsonObject:
        self._world.remove_chain(self._chain(request))
        return {}

    def fail_next(self, request: web.Request, body: JsonObject) -> JsonObject:
        self._world.plan_failure(self._chain(request), body.get("environment"), body["status"], int(body.get("times", 1)))
        return {}

    def push(self, request: web.Request, body: JsonObject) -> JsonObject:
        chain = self._chain(request)
        if body.get("id") in self._world.deployments:
            raise invalid(f"Deployment {body['id']} exists.")
        deployment = self._world.push(
            chain,
            environment=body.get("environment"),
            active=body.get("active", False),
            chainlets=body.get("chainlets"),
            deployment_id=body.get("id"),
        )
        return self._show(deployment)

    def add_environment(self, request: web.Request, body: JsonObject) -> JsonObject:
        chain = self._chain(request)
        if body["name"] in chain.environments:
            raise invalid(f"Environment {body['name']} exists.")
        environment = self._world.add_environment(chain, body["name"], {}, visible_at=0.0)
        if body.get("deployed", False):
            self._world.push(chain, environment=environment.name, active=True)
        return self._view(environment)

    def environment(self, request: web.Request, _: JsonObject) -> JsonObject:
        return self._view(self._environment(request))

    def _view(self, environment: Environment) -> JsonObject:
        self._world.environment(environment.chain_id, environment.name, hidden=True)
        now = self._world.now()
        return {
            **wire.environment(environment, _BOTH, now),
            "visible": environment.visible_at <= now,
            "autoscaling": {name: one.wanted_autoscaling() for name, one in environment.chainlets.items()},
            "instance_types": {name: one.wanted_type() for name, one in environment.chainlets.items()},
        }

    def edit_environment(self, request: web.Request, body: JsonObject) -> JsonObject:
        environment = self._environment(request)
        if unknown := body.keys() - {"autoscaling", "promotion", "instance_types"}:
            raise invalid(f"Unknown: {', '.join(sorted(unknown))}.")
        for name, values in body.get("autoscaling", {}).items():
            settings = self._settings(environment, name)
            settings.pending = [(self._world.now(), {**settings.wanted_autoscaling(), **values})]
        for name, instance_type in body.get("instance_types", {}).items():
            rules.known_type(instance_type, _BOTH)
            self._settings(environment, name).instance_type = instance_type
        environment.promotion = {**environment.promotion, **body.get("promotion", {})}
        return self._view(environment)

    @staticmethod
    def _settings(environment: Environment, name: str) -> ChainletSettings:
        if name not in environment.chainlets:
            raise not_found(f"Chainlet {name}")
        return environment.chainlets[name]

    def delete_environment(self, request: web.Request, _: JsonObject) -> JsonObject:
        environment = self._environment(request)
        del self._chain(request).environments[environment.name]
        return {}

    def deployment(self, request: web.Request, _: JsonObject) -> JsonObject:
        return self._show(self._deployment(request))

    def set_deployment(self, request: web.Request, body: JsonObject) -> JsonObject:
        deployment, now = self._deployment(request), self._world.now()
        if (status := body.get("status")) is not None:
            back = [] if body.get("for_seconds") is None else [(now + body["for_seconds"], deployment.status(now))]
            deployment.timeline.then((now, status), *back)
        for name, forced in body.get("chainlets", {}).items():
            chainlet = next((one for one in deployment.chainlets if one.name == name), None)
            if chainlet is None:
                raise not_found(f"Chainlet {name}")
            chainlet.forced_status = forced.get("status", chainlet.forced_status)
            chainlet.forced_replicas = forced.get("active_replica_count", chainlet.forced_replicas)
        return self._show(deployment)

    def wake(self, request: web.Request, _: JsonObject) -> JsonObject:
        deployment = self._deployment(request)
        lifecycle.wake(deployment, self._simulation.options, self._world.now())
        return self._show(deployment)

    def add_log(self, request: web.Request, body: JsonObject) -> JsonObject:
        deployment = self._deployment(request)
        deployment.logs.append(LogLine(self._world.now(), body["chainlet"], body["message"], body.get("level")))
        return {}
