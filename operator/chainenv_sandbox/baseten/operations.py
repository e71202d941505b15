"""The public operations. Each runs without interruption: a call has its whole effect or none."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from chainenv_sandbox.baseten import lifecycle, records, rules, wire
from chainenv_sandbox.baseten.audit import Actor
from chainenv_sandbox.baseten.catalogue import CATALOGUE
from chainenv_sandbox.baseten.errors import ApiError, JsonObject, invalid, refused
from chainenv_sandbox.baseten.keys import Key
from chainenv_sandbox.baseten.logs import read_logs
from chainenv_sandbox.baseten.model import DEFAULT_AUTOSCALING, DEFAULT_PROMOTION, Chain, ChainletSettings, Deployment, Environment
from chainenv_sandbox.baseten.state import PRODUCTION, World
from chainenv_sandbox.baseten.timeline import FAILED, OFF


@dataclass(slots=True)
class Call:
    world: World
    path: Mapping[str, str]
    query: Mapping[str, list[str]]
    body: Any
    key: Key
    effect: JsonObject = field(default_factory=dict)

    def record(self, kind: str, about: Mapping[str, Any], environment: str | None = None) -> None:
        self.world.record(Actor.of_key(self.key), kind, self.chain(), about, environment)

    def record_start(self, deployment: Deployment) -> None:
        self.effect["started_deployment"] = deployment.id
        self.record("CHAIN_DEPLOYED", records.about_push(deployment), deployment.environment)

    def chain(self) -> Chain:
        return self.world.chain(self.path["chain_id"])

    def environment(self) -> Environment:
        return self.world.environment(self.path["chain_id"], self.path["env_name"])

    def deployment(self) -> Deployment:
        return self.world.deployment_of(self.path["chain_id"], self.path["chain_deployment_id"])

    def show(self, deployment: Deployment) -> JsonObject:
        return wire.deployment(deployment, self.world.options, self.world.now())


Operation = Callable[[Call], JsonObject]


def instance_types(call: Call) -> JsonObject:
    return {"instance_types": [wire.instance_type(one, call.world.options) for one in CATALOGUE]}


def instance_type_prices(call: Call) -> JsonObject:
    records.only_new(call.world.options)
    prices = {name: call.world.prices.get(name, one.price) for name, one in CATALOGUE.items()}
    shown = [(wire.instance_type(name, call.world.options), price) for name, price in prices.items() if price is not None]
    return {"instance_types": [{"instance_type": one, "price": price} for one, price in shown]}


def list_chains(call: Call) -> JsonObject:
    return {"chains": [wire.chain(one) for one in call.world.chains.values()]}


def get_chain(call: Call) -> JsonObject:
    return wire.chain(call.chain())


def delete_chain(call: Call) -> JsonObject:
    chain = call.chain()
    call.world.remove_chain(chain)
    call.effect["deleted_chain"] = chain.id
    return {"id": chain.id, "deleted": True}


def list_deployments(call: Call) -> JsonObject:
    return {"deployments": [call.show(one) for one in call.world.visible_deployments(call.path["chain_id"])]}


def get_deployment(call: Call) -> JsonObject:
    return call.show(call.deployment())


def delete_deployment(call: Call) -> JsonObject:
    records.only_new(call.world.options)
    deployment, chain = call.deployment(), call.chain()
    environment = chain.environments.get(deployment.environment or "")
    if environment and deployment in (environment.current, environment.candidate):
        raise invalid(f"Deployment {deployment.id} is in use by environment {environment.name}.")
    call.world.remove_deployment(deployment)
    call.effect["deleted_deployment"] = deployment.id
    about = {"chain_deployment_id": deployment.id, "deployment_name": None}
    call.record("CHAIN_DEPLOYMENT_DELETED", about, deployment.environment)
    return {"id": deployment.id, "deleted": True, "chain_id": chain.id}


def deactivate(call: Call) -> JsonObject:
    deployment, options = call.deployment(), call.world.options
    off = deployment.status(call.world.now()) in OFF
    lifecycle.deactivate(deployment, options, call.world.now())
    call.effect["deactivated"] = deployment.id
    if not off:
        call.record("CHAIN_DEPLOYMENT_DEACTIVATED", records.about_deployment(deployment), deployment.environment)
    return {"success": True} | ({"no_op": off} if options.wire_shape != "old" else {})


def logs(call: Call) -> JsonObject:
    return read_logs(call.deployment(), call.path["chainlet_id"], call.query, call.world.now())


def list_environments(call: Call) -> JsonObject:
    found = call.world.visible_environments(call.path["chain_id"])
    return {"environments": [wire.listed_environment(one, call.world.options, call.world.now()) for one in found]}


def get_environment(call: Call) -> JsonObject:
    return wire.environment(call.environment(), call.world.options, call.world.now())


def create_environment(call: Call) -> JsonObject:
    world, chain, options = call.world, call.chain(), call.world.options
    request = rules.create_request(call.body, options)
    name = request["name"]
    if name == PRODUCTION:
        raise invalid("The environment name 'production' is reserved.")
    if name in chain.environments:
        raise refused(options.exists_status, f"Environment {name} already exists.")
    sent = {one["chainlet_name"]: one for one in request.get("chainlet_settings", ())}
    rules.known_chainlets(sent, chain.chainlets, options)
    types = {chainlet: rules.known_type(one["instance_type_id"], options) for chainlet, one in sent.items()}
    settings = {
        chainlet: ChainletSettings(
            types[chainlet],
            autoscaling=rules.merged_autoscaling(DEFAULT_AUTOSCALING, one.get("autoscaling_settings", {}), options),
        )
        for chainlet, one in sent.items()
    }
    promotion = rules.merged_promotion(DEFAULT_PROMOTION, request.get("promotion_settings", {}), options)
    environment = world.add_environment(chain, name, settings, visible_at=world.now() + options.create_visible_after_seconds)
    environment.promotion = promotion
    call.effect["created_environment"] = name
    call.record("CHAIN_ENVIRONMENT_CREATED", records.about_promotion(environment), name)
    if chain.pushed and options.create_starts_deployment:
        environment.current = world.start(chain, environment, "create", world.types_for(chain, environment))
        call.record_start(environment.current)
    return wire.environment(environment, options, world.now())


def update_environment(call: Call) -> JsonObject:
    environment, options = call.environment(), call.world.options
    sent = rules.update_request(call.body, options).get("promotion_settings", {})
    before = environment.promotion
    environment.promotion = rules.merged_promotion(before, sent, options)
    if changed := sorted(name for name, value in environment.promotion.items() if value != before[name]):
        call.effect["changed_promotion_settings"] = changed
        call.record("CHAIN_ENVIRONMENT_UPDATED", records.about_promotion(environment), environment.name)
    return {"ok": True}


def update_autoscaling(call: Call) -> JsonObject:
    environment, options = call.environment(), call.world.options
    updates = rules.scale_request(call.body, options)
    rules.known_chainlets(updates, environment.chainlets, options)
    changes = {}
    for name, sent in updates.items():
        wanted = environment.chainlets[name].wanted_autoscaling()
        changed = rules.merged_autoscaling(wanted, sent, options)
        if any(wanted[one] != value for one, value in sent.items()):
            changes[name] = changed
    if not changes:
        return {"status": "UNCHANGED", "message": "The autoscaling settings are already as requested."}
    due = call.world.now() + options.autoscaling_seconds
    for name, values in changes.items():
        if environment.current is not None:  # an event names a deployment
            before = environment.chainlets[name].wanted_autoscaling()
            about = records.about_scaling(environment.current, name, before, values)
            call.record("CHAINLET_AUTOSCALING_SETTINGS_CHANGED", about, environment.name)
        environment.chainlets[name].pending.append((due, values))
    call.effect["changed_autoscaling"] = sorted(changes)
    status = options.autoscaling_status
    if status == "auto":
        status = "ACCEPTED" if environment.activated else "QUEUED"
    return {"status": status, "message": f"The update is {status.lower()}."}


def update_instance_types(call: Call) -> JsonObject:
    world, environment, options = call.world, call.environment(), call.world.options
    sent = rules.types_request(call.body, options)
    rules.known_chainlets(sent, environment.chainlets, options)
    updates = {name: rules.known_type(kind, options) for name, kind in sent.items()}
    changes = {name: kind for name, kind in updates.items() if environment.chainlets[name].wanted_type() != kind}
    started = None
    if changes:
        rules.not_busy(environment, options)
        started = _roll_out_types(call, environment, changes)
        if (about := started or environment.current) is not None:
            for name, kind in changes.items():
                event = records.about_type(about, name, CATALOGUE[kind].name)
                call.record("CHAINLET_INSTANCE_TYPE_CHANGED", event, environment.name)
    shown = started if options.redeployment == "shown" else None
    return {
        "requires_redeployment": bool(changes) and environment.current is not None,
        "chain_deployment": shown and wire.deployment(shown, options, world.now()),
        "chainlet_environment_settings": wire.chainlet_settings(environment, options),
    }


def _roll_out_types(call: Call, environment: Environment, changes: Mapping[str, str]) -> Deployment | None:
    """The candidate that brings them; None when nothing is deployed there yet, or no rollout is to start."""
    at_once = environment.current is None or call.world.options.instance_types_visible == "at_once"
    for name, instance_type in changes.items():
        settings = environment.chainlets[name]
        if at_once:
            settings.instance_type = instance_type
        else:
            settings.next_instance_type = instance_type
    call.effect["changed_instance_types"] = sorted(changes)
    if environment.current is None or call.world.options.redeployment == "none":
        return None
    types = {name: one.wanted_type() for name, one in environment.chainlets.items()}
    deployment = call.world.start(call.chain(), environment, "instance_types", types)
    call.record_start(deployment)
    call.world.begin_promotion(environment, deployment)
    return deployment


def promote(call: Call) -> JsonObject:
    world, environment, options = call.world, call.environment(), call.world.options
    request = rules.promote_request(call.body, options)
    source = world.deployment_of(environment.chain_id, request["deployment_id"])
    rules.not_busy(environment, options)
    status = source.status(world.now())
    if status in FAILED or (status in OFF and not options.promotes_inactive):
        raise invalid(f"Deployment {source.id} is {status}: it cannot be promoted.")
    deployment = source
    wanted = {name: one.wanted_type() for name, one in environment.chainlets.items()}
    types = {name: wanted.get(name, kind) for name, kind in source.types().items()}
    elsewhere = source.environment not in (None, environment.name)
    if elsewhere or types != source.types() or environment.promotion["redeploy_on_promotion"]:
        deployment = world.start(call.chain(), environment, "promote", types)
        call.record_start(deployment)
    call.effect["promoted"] = source.id
    call.record("CHAIN_DEPLOYMENT_PROMOTED", records.about_placing(deployment, environment), environment.name)
    if deployment is not environment.current:
        _take_in(call, environment, deployment, scale_down_previous=request["scale_down_previous_deployment"])
    return call.show(deployment)


def _take_in(call: Call, environment: Environment, deployment: Deployment, *, scale_down_previous: bool) -> None:
    world, options = call.world, call.world.options
    deployment.environment = environment.name
    for chainlet in deployment.chainlets:
        if chainlet.name in environment.chainlets:
            chainlet.autoscaling = environment.chainlets[chainlet.name].wanted_autoscaling().copy()
    lifecycle.wake(deployment, options, world.now())
    if environment.current is None and options.first_promotion == "current":
        lifecycle.become_current(environment, deployment, options, world.now())
    else:
        world.begin_promotion(environment, deployment, scale_down_previous=scale_down_previous)


def audit_logs(call: Call) -> JsonObject:
    records.only_new(call.world.options)
    chain = call.chain()
    if not call.key.audit_logs:
        raise ApiError(403, "PERMISSION_DENIED", "This key may not read audit logs.")
    return call.world.audit[chain.id].page(call.query, call.world.options, call.world.now())


def environment_group(call: Call) -> JsonObject:
    records.only_new(call.world.options)
    return _group(call)


def change_environment_group(call: Call) -> JsonObject:
    """Restricts an environment's name to some people, in every chain, or lifts that."""
    records.only_new(call.world.options)
    name, sent = call.path["env_name"], rules.group_request(call.body, call.world.options)
    if sent is not None:
        call.world.managers.pop(name, None)
        if sent["is_restricted"]:
            call.world.managers[name] = tuple(sent.get("user_ids", ()))
        call.effect["changed_environment_group"] = name
    return _group(call)


def _group(call: Call) -> JsonObject:
    name = call.path["env_name"]
    restricted = () if name in call.key.restricted_environments else None
    return records.group(name, call.world.managers.get(name, restricted))


def usage_summary(call: Call) -> JsonObject:
    records.only_new(call.world.options)
    return records.usage(call.query)


def me(call: Call) -> JsonObject:
    return {"user_id": call.key.user_id, "email": None, "name": call.key.name, "workspace_name": "Sandbox"}


TABLE: dict[tuple[str, str], Operation] = {
    ("GET", "/v1/instance_types"): instance_types,
    ("GET", "/v1/instance_type_prices"): instance_type_prices,
    ("GET", "/v1/users/me"): me,
    ("GET", "/v1/billing/usage_summary"): usage_summary,
    ("GET", "/v1/environment_groups/{env_name}"): environment_group,
    ("PATCH", "/v1/environment_groups/{env_name}"): change_environment_group,
    ("GET", "/v1/chains/{chain_id}/audit_logs"): audit_logs,
    ("GET", "/v1/chains"): list_chains,
    ("GET", "/v1/chains/{chain_id}"): get_chain,
    ("DELETE", "/v1/chains/{chain_id}"): delete_chain,
    ("GET", "/v1/chains/{chain_id}/deployments"): list_deployments,
    ("GET", "/v1/chains/{chain_id}/deployments/{chain_deployment_id}"): get_deployment,
    ("DELETE", "/v1/chains/{chain_id}/deployments/{chain_deployment_id}"): delete_deployment,
    ("POST", "/v1/chains/{chain_id}/deployments/{chain_deployment_id}/deactivate"): deactivate,
    ("GET", "/v1/chains/{chain_id}/deployments/{chain_deployment_id}/chainlets/{chainlet_id}/logs"): logs,
    ("GET", "/v1/chains/{chain_id}/environments"): list_environments,
    ("POST", "/v1/chains/{chain_id}/environments"): create_environment,
    ("GET", "/v1/chains/{chain_id}/environments/{env_name}"): get_environment,
    ("PATCH", "/v1/chains/{chain_id}/environments/{env_name}"): update_environment,
    ("POST", "/v1/chains/{chain_id}/environments/{env_name}/promote"): promote,
    ("PATCH", "/v1/chains/{chain_id}/environments/{env_name}/chainlet_settings/autoscaling_settings"): update_autoscaling,
    ("POST", "/v1/chains/{chain_id}/environments/{env_name}/chainlet_settings/instance_types/update"): update_instance_types,
}
