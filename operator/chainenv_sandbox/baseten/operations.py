"""The public operations. Each runs without interruption: a call has its whole effect or none."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from chainenv_sandbox.baseten import lifecycle, records, rules, wire
from chainenv_sandbox.baseten.catalogue import CATALOGUE
from chainenv_sandbox.baseten.errors import JsonObject, invalid, refused
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

    def record(self, kind: str, chain: Chain, **details: Any) -> None:
        entries = self.world.audit.setdefault(chain.id, [])
        entries.append(records.entry(len(entries), wire.moment(self.world.now()), self.key, kind, chain, **details))

    def chain(self) -> Chain:
        return self.world.chain(self.path["chain_id"])

    def environment(self) -> Environment:
        return self.world.environment(self.path["chain_id"], self.path["env_name"])

    def deployment(self) -> Deployment:
        return self.world.deployment_of(self.path["chain_id"], self.path["chain_deployment_id"])

    def show(self, deployment: Deployment) -> JsonObject:
        return wire.deployment(deployment, self.world.options, self.world.now())


Operation = Callable[[Call], JsonObject]


def instance_types(call: Call) -> JsonObject:  # noqa: ARG001 - one signature for all operations
    return {"instance_types": [one.as_json() for one in CATALOGUE.values()]}


def instance_type_prices(call: Call) -> JsonObject:  # noqa: ARG001 - one signature for all operations
    return {"instance_types": [{"instance_type": one.as_json(), "price": one.price} for one in CATALOGUE.values()]}


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
    deployment, chain = call.deployment(), call.chain()
    environment = chain.environments.get(deployment.environment or "")
    if environment and deployment in (environment.current, environment.candidate):
        raise invalid(f"Deployment {deployment.id} is in use by environment {environment.name}.")
    call.world.remove_deployment(deployment)
    call.effect["deleted_deployment"] = deployment.id
    call.record("CHAIN_DEPLOYMENT_DELETED", chain, chain_deployment_id=deployment.id, deployment_name=None)
    return {"id": deployment.id, "deleted": True, "chain_id": chain.id}


def deactivate(call: Call) -> JsonObject:
    deployment, options = call.deployment(), call.world.options
    off = deployment.status(call.world.now()) in OFF
    lifecycle.deactivate(deployment, options, call.world.now())
    call.effect["deactivated"] = deployment.id
    if not off:
        call.record("CHAIN_DEPLOYMENT_DEACTIVATED", call.chain(), **records.about_deployment(deployment))
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
    settings = _new_settings(call, chain, request.get("chainlet_settings", []))
    promotion = rules.merged_promotion(DEFAULT_PROMOTION, request.get("promotion_settings", {}), options)
    environment = world.add_environment(chain, name, settings, visible_at=world.now() + options.create_visible_after_seconds)
    environment.promotion = promotion
    call.effect["created_environment"] = name
    call.record("CHAIN_ENVIRONMENT_CREATED", chain, **records.about_promotion(environment))
    if chain.pushed and options.create_starts_deployment:
        environment.current = world.start(chain, environment, "create", world.types_for(chain, environment))
        call.effect["started_deployment"] = environment.current.id
    return wire.environment(environment, options, world.now())


def _new_settings(call: Call, chain: Chain, sent: list[JsonObject]) -> dict[str, ChainletSettings]:
    options = call.world.options
    by_name = {one["chainlet_name"]: one for one in sent}
    rules.known_chainlets(by_name, chain.chainlets, options)
    for one in sent:
        rules.known_type(one["instance_type_id"], options)
    return {
        name: ChainletSettings(
            one["instance_type_id"],
            autoscaling=rules.merged_autoscaling(DEFAULT_AUTOSCALING, one.get("autoscaling_settings", {}), options),
        )
        for name, one in by_name.items()
    }


def update_environment(call: Call) -> JsonObject:
    environment, options = call.environment(), call.world.options
    sent = rules.update_request(call.body, options).get("promotion_settings", {})
    before = environment.promotion
    environment.promotion = rules.merged_promotion(before, sent, options)
    if changed := sorted(name for name, value in environment.promotion.items() if value != before[name]):
        call.effect["changed_promotion_settings"] = changed
        call.record("CHAIN_ENVIRONMENT_UPDATED", call.chain(), **records.about_promotion(environment))
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
        if event := records.about_scaling(environment, name, environment.chainlets[name].wanted_autoscaling(), values):
            call.record("CHAINLET_AUTOSCALING_SETTINGS_CHANGED", call.chain(), **event)
        environment.chainlets[name].pending.append((due, values))
    call.effect["changed_autoscaling"] = sorted(changes)
    status = _autoscaling_status(call, environment)
    return {"status": status, "message": f"The update is {status.lower()}."}


def _autoscaling_status(call: Call, environment: Environment) -> str:
    if call.world.options.autoscaling_status != "auto":
        return call.world.options.autoscaling_status
    return "ACCEPTED" if environment.activated else "QUEUED"


def update_instance_types(call: Call) -> JsonObject:
    world, environment, options = call.world, call.environment(), call.world.options
    updates = rules.types_request(call.body, options)
    rules.known_chainlets(updates, environment.chainlets, options)
    for instance_type in updates.values():
        rules.known_type(instance_type, options)
    changes = {name: kind for name, kind in updates.items() if environment.chainlets[name].wanted_type() != kind}
    started = None
    if changes:
        rules.not_busy(environment, options)
        _set_types(call, environment, changes)
        started = _redeploy(call, environment)
    return {
        "requires_redeployment": started is not None,
        "chain_deployment": started and wire.deployment(started, options, world.now()),
        "chainlet_environment_settings": wire.chainlet_settings(environment, options),
    }


def _set_types(call: Call, environment: Environment, changes: Mapping[str, str]) -> None:
    at_once = environment.current is None or call.world.options.instance_types_visible == "at_once"
    for name, instance_type in changes.items():
        settings = environment.chainlets[name]
        if at_once:
            settings.instance_type = instance_type
        else:
            settings.next_instance_type = instance_type
    call.effect["changed_instance_types"] = sorted(changes)


def _redeploy(call: Call, environment: Environment) -> Deployment | None:
    if environment.current is None:
        return None
    types = {name: one.wanted_type() for name, one in environment.chainlets.items()}
    deployment = call.world.start(call.chain(), environment, "instance_types", types)
    call.effect["started_deployment"] = deployment.id
    call.world.begin_promotion(environment, deployment)
    return deployment


def promote(call: Call) -> JsonObject:
    world, environment, options = call.world, call.environment(), call.world.options
    request = rules.promote_request(call.body, options)
    source = world.deployment_of(environment.chain_id, request["deployment_id"])
    rules.not_busy(environment, options)
    if source.status(world.now()) in FAILED:
        raise invalid(f"Deployment {source.id} is {source.status(world.now())}: it cannot be promoted.")
    deployment = source
    if _needs_copy(source, environment):
        wanted = {name: one.wanted_type() for name, one in environment.chainlets.items()}
        types = {name: wanted.get(name, kind) for name, kind in source.types().items()}
        deployment = world.start(call.chain(), environment, "promote", types)
        call.effect["started_deployment"] = deployment.id
    call.effect["promoted"] = source.id
    where = {"environment_name": environment.name, "environment_id": None}
    call.record("CHAIN_DEPLOYMENT_PROMOTED", call.chain(), **records.about_deployment(deployment), **where)
    if deployment is not environment.current:
        _take_in(call, environment, deployment, scale_down_previous=request["scale_down_previous_deployment"])
    return call.show(deployment)


def _needs_copy(source: Deployment, environment: Environment) -> bool:
    types = {name: one.wanted_type() for name, one in environment.chainlets.items()}
    differs = any(types.get(name, kind) != kind for name, kind in source.types().items())
    return source.environment not in (None, environment.name) or differs or bool(environment.promotion["redeploy_on_promotion"])


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
    return records.page(list(call.world.audit.get(call.chain().id, ())), call.query)


def environment_group(call: Call) -> JsonObject:
    records.only_new(call.world.options)
    name = call.path["env_name"]
    return records.group(name, restricted=name in call.key.restricted_environments)


def change_environment_group(call: Call) -> JsonObject:
    raise refused(403, f"This key may not manage environment {call.path['env_name']}.")


def usage_summary(call: Call) -> JsonObject:
    """A new organisation's: it used nothing yet."""
    records.only_new(call.world.options)
    return {"dedicated_usage": {"subtotal": 0, "credits_used": "0.00", "total": 0, "minutes": 0, "breakdown": []}}


def me(call: Call) -> JsonObject:
    return {"user_id": "sandbox", "email": None, "name": call.key.name, "workspace_name": "Sandbox"}


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
