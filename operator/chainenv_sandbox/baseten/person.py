"""The control API's view of the world, and what people and machines do to it behind the public API's back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from aiohttp import web

from chainenv_sandbox.baseten import lifecycle, records, rules, wire
from chainenv_sandbox.baseten.audit import PERSON, SYSTEM, Actor
from chainenv_sandbox.baseten.catalogue import CATALOGUE
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
        ("PUT", "chains/{chain}/environments/{environment}/promotion", person.set_promotion),
        ("GET", "chains/{chain}/audit_logs", person.audit_log),
        ("POST", "chains/{chain}/audit_logs", person.add_audit_entry),
        ("PATCH", "prices", person.set_prices),
        ("GET", "deployments/{deployment}", person.deployment),
        ("PATCH", "deployments/{deployment}", person.set_deployment),
        ("POST", "deployments/{deployment}/wake", person.wake),
        ("POST", "deployments/{deployment}/activate", person.activate),
        ("POST", "deployments/{deployment}/deactivate", person.deactivate),
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

    def _actor(self, body: JsonObject) -> Actor:
        """`by`: "system", somebody's address, or the name of a key; a person when it is not given."""
        by = body.get("by")
        if by is None:
            return PERSON
        if by == "system":
            return SYSTEM
        if "@" in by:
            return Actor("USER", "UI", email=by)
        if (key := self._simulation.keys.named(by)) is None:
            raise not_found(f"Key {by}")
        return Actor.of_key(key)

    def _record(self, body: JsonObject, kind: str, chain_id: str, about: JsonObject, environment: str | None) -> None:
        self._world.record(self._actor(body), kind, self._world.chain(chain_id), about, environment)

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
        name = deployment.environment
        self._record(body, "CHAIN_DEPLOYED", chain.id, records.about_push(deployment), name)
        if name is not None:
            about = records.about_placing(deployment, chain.environments[name])
            self._record(body, "CHAIN_DEPLOYMENT_PROMOTED", chain.id, about, name)
        return self._show(deployment)

    def add_environment(self, request: web.Request, body: JsonObject) -> JsonObject:
        chain = self._chain(request)
        if body["name"] in chain.environments:
            raise invalid(f"Environment {body['name']} exists.")
        environment = self._world.add_environment(chain, body["name"], {}, visible_at=0.0)
        self._record(body, "CHAIN_ENVIRONMENT_CREATED", chain.id, records.about_promotion(environment), environment.name)
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
        if unknown := body.keys() - {"autoscaling", "promotion", "instance_types", "by"}:
            raise invalid(f"Unknown: {', '.join(sorted(unknown))}.")
        for name, values in body.get("autoscaling", {}).items():
            settings = self._settings(environment, name)
            before = settings.wanted_autoscaling()
            settings.pending = [(self._world.now(), {**before, **values})]
            if environment.current is not None:
                about = records.about_scaling(environment.current, name, before, settings.wanted_autoscaling())
                self._record(body, "CHAINLET_AUTOSCALING_SETTINGS_CHANGED", environment.chain_id, about, environment.name)
        for name, instance_type in body.get("instance_types", {}).items():
            kind = rules.known_type(instance_type, self._world.options)
            self._settings(environment, name).instance_type = kind
            if environment.current is not None:
                about = records.about_type(environment.current, name, CATALOGUE[kind].name)
                self._record(body, "CHAINLET_INSTANCE_TYPE_CHANGED", environment.chain_id, about, environment.name)
        if promotion := body.get("promotion"):
            environment.promotion = {**environment.promotion, **promotion}
            about = records.about_promotion(environment)
            self._record(body, "CHAIN_ENVIRONMENT_UPDATED", environment.chain_id, about, environment.name)
        return self._view(environment)

    def set_promotion(self, request: web.Request, body: JsonObject) -> JsonObject:
        """How far it is, as shown from now on; a null body ends that."""
        environment = self._environment(request)
        environment.forced_progress = body or None
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

    def activate(self, request: web.Request, body: JsonObject) -> JsonObject:
        deployment = self._deployment(request)
        lifecycle.wake(deployment, self._simulation.options, self._world.now())
        about = records.about_deployment(deployment)
        self._record(body, "CHAIN_DEPLOYMENT_ACTIVATED", deployment.chain_id, about, deployment.environment)
        return self._show(deployment)

    def deactivate(self, request: web.Request, body: JsonObject) -> JsonObject:
        deployment = self._deployment(request)
        lifecycle.deactivate(deployment, self._simulation.options, self._world.now())
        about = records.about_deployment(deployment)
        self._record(body, "CHAIN_DEPLOYMENT_DEACTIVATED", deployment.chain_id, about, deployment.environment)
        return self._show(deployment)

    def add_log(self, request: web.Request, body: JsonObject) -> JsonObject:
        deployment = self._deployment(request)
        at = self._world.now() - body.get("seconds_ago", 0.0)
        more = {name: body.get(name) for name in ("replica", "request_id", "component")}
        deployment.logs.append(LogLine(at, body["chainlet"], body["message"], body.get("level"), **more))
        return {}

    def audit_log(self, request: web.Request, _: JsonObject) -> JsonObject:
        """All of it, also what does not show yet; oldest first."""
        entries = self._world.audit[self._chain(request).id].entries
        return {"items": [{**one.as_json(), "environment": one.environment} for one in entries]}

    def add_audit_entry(self, request: web.Request, body: JsonObject) -> JsonObject:
        """Anything, unchecked, by the rest of the body."""
        chain, actor = self._chain(request), self._actor(body)
        if source := body.get("source"):
            actor = replace(actor, source=source)
        data = {"event_type": body["event_type"], "chain_id": chain.id, "chain_name": chain.name, **body.get("data", {})}
        at = self._world.now() - body.get("seconds_ago", 0.0)
        return self._world.audit[chain.id].add(at, actor, data, body.get("environment")).as_json()

    def set_prices(self, _: web.Request, body: JsonObject) -> JsonObject:
        """{catalogue id: USD a minute, as a number or as text; null: it is not listed}."""
        if unknown := body.keys() - CATALOGUE.keys():
            raise invalid(f"Unknown: {', '.join(sorted(unknown))}.")
        self._world.prices.update(body)
        return {name: self._world.prices.get(name, one.price) for name, one in CATALOGUE.items()}
