"""Baseten, as far as it is known: one chain, its environments and deployments, with their lives in virtual time.

Written from the published behaviour alone; it shares nothing with the operator's sandbox, so that two opinions meet here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from random import Random
from typing import Any

from .beside import audit_log, price_list
from .clock import VirtualLoop, stamp, wall
from .model import DEFAULTS, INSTANCE_TYPES, OFF, PROMOTION_DEFAULTS, RUNNING, SERVING, Deployment, Environment, Json, RefusedError, Shape


class Baseten:
    """``handle`` is the server: one request, one answer or RefusedError, at one instant."""

    def __init__(self, loop: VirtualLoop, rng: Random, shape: Shape, chainlets: Mapping[str, str]) -> None:
        self.loop = loop
        self._rng = rng
        self.shape = shape
        self.chain = "chain1"
        self.chainlets = dict(chainlets)
        self.deployments: dict[str, Deployment] = {}
        self.environments: dict[str, Environment] = {}
        self.shown: dict[str, set[str]] = {}
        """By environment's name: every deployment that a read has shown as the current one."""
        self._count = 0
        self.next_fails = 0
        self.garbled: Json = {}
        """Promotion settings that are shown as something else."""
        self.hides_types = False
        """No instance type is shown."""
        self.actor = "stranger-key"
        """Whose key the call has that is being handled."""
        self.audited: list[tuple[float, str, str, str, str]] = []
        """Moment, kind, environment, deployment and key of each rollout."""
        self.on_start: Callable[[Deployment, Environment], None] = lambda *_: None

    # -- lives -------------------------------------------------------------------------------------------------------

    def deploy(self, environment: str | None, types: dict[str, str], *, build: bool = True) -> Deployment:
        self._count += 1
        made = Deployment(f"d{self._count}", environment, self.loop.now, dict(types), "BUILDING" if build else "DEPLOYING")
        if self.next_fails > 0:
            self.next_fails -= 1
            made.doomed = "BUILD_FAILED" if build else "DEPLOY_FAILED"
        self.deployments[made.id] = made
        self.loop.call_later(self.shape.build_seconds * (0.3 + 0.4 * self._rng.random()), self._step, made)
        return made

    def _step(self, made: Deployment) -> None:
        if made.status not in RUNNING:
            return None
        if made.doomed:
            return self._end(made, made.doomed)
        following = {"BUILDING": "DEPLOYING", "DEPLOYING": "LOADING_MODEL", "LOADING_MODEL": "ACTIVE"}[made.status]
        made.status = following
        if following == "ACTIVE":
            made.served = True
            self.loop.call_later(2 + 10 * self._rng.random(), self._promote_if_candidate, made)
        else:
            self.loop.call_later(self.shape.build_seconds * 0.3 * self._rng.random(), self._step, made)
        return None

    def _end(self, made: Deployment, status: str) -> None:
        made.status = status
        for environment in self.environments.values():
            if environment.candidate is made:
                environment.progress = "FAILED" if status != "INACTIVE" else "CANCELED"
                if self.shape.old:
                    environment.candidate = None  # nothing says what became of it
                self._next(environment)

    def _promote_if_candidate(self, made: Deployment) -> None:
        for environment in self.environments.values():
            if environment.candidate is made and made.status == "ACTIVE":
                if environment.paused:
                    self.loop.call_later(60, self._promote_if_candidate, made)
                    return
                if self.shape.ramp_seconds and environment.progress != "RAMPING_UP":
                    environment.progress = "RAMPING_UP"
                    self.loop.call_later(self.shape.ramp_seconds, self._promote_if_candidate, made)
                    return
                before, environment.current, environment.candidate = environment.current, made, None
                environment.switched = self.loop.now
                environment.progress = "SUCCEEDED"
                environment.types = dict(made.types)
                made.environment = environment.name
                if before is not None and environment.promotion["promotion_cleanup_strategy"] != "KEEP" and before.status in SERVING:
                    before.status = "SCALED_TO_ZERO"
                self._next(environment)

    def _next(self, environment: Environment) -> None:
        environment.paused = False
        while environment.queue and not environment.busy:
            self._begin(environment, environment.queue.pop(0))

    def pause(self, environment: Environment, *, paused: bool) -> None:
        """Of a promotion that is under way."""
        if environment.busy:
            environment.paused, environment.progress = paused, "PAUSED" if paused else "RELEASING"

    def start(self, environment: Environment, made: Deployment) -> None:
        """A promotion begins."""
        self.on_start(made, environment)
        environment.promoted.add(made.id)
        if environment.busy:
            environment.queue.append(made)
        else:
            self._begin(environment, made)

    def _begin(self, environment: Environment, made: Deployment) -> None:
        if made.status in OFF:
            return
        if environment.current is None and made.status != "ACTIVE":
            environment.current = made
            return
        environment.candidate, environment.progress = made, "RELEASING"
        if made.status in SERVING:
            made.status = "ACTIVE"
            self.loop.call_later(5 + 20 * self._rng.random(), self._promote_if_candidate, made)

    # -- what strangers do -------------------------------------------------------------------------------------------

    def add_environment(self, name: str, *, deployed: bool) -> Environment:
        made = Environment(
            name, self.loop.now, dict(self.chainlets), {c: dict(DEFAULTS) for c in self.chainlets}, _copy(PROMOTION_DEFAULTS)
        )
        self.environments[name] = made
        if deployed:
            made.current = self.deploy(name, made.types)
        return made

    def push(self, name: str) -> None:
        environment = self.environments.get(name)
        if environment is not None and not environment.busy:
            self.start(environment, self.deploy(name, environment.types or self.chainlets))

    def turned_off(self, identity: str) -> bool:
        return identity in self.deployments and self.deployments[identity].status in OFF

    def turn_off(self, made: Deployment) -> None:
        if made.status in RUNNING:
            self._end(made, "INACTIVE")
        elif made.status not in OFF:
            made.status = "DEACTIVATING"
            self.loop.call_later(20.0, self._off, made)

    def _off(self, made: Deployment) -> None:
        if made.status == "DEACTIVATING":
            self._end(made, "INACTIVE")

    # -- the API -----------------------------------------------------------------------------------------------------

    def handle(self, endpoint: str, parameters: Mapping[str, str], body: Json) -> Json:
        if parameters.get("chain_id", self.chain) != self.chain:
            raise RefusedError(404, "chain not found")
        answer: Json = getattr(self, f"_{endpoint}")(parameters, body)
        return answer

    def _environment(self, parameters: Mapping[str, str]) -> Environment:
        found = self.environments.get(parameters["env_name"])
        if found is None or self._fresh(found.created):
            raise RefusedError(404, "environment not found")
        return found

    def _fresh(self, created: float) -> bool:
        return created > 0 and self.loop.now - created < self.shape.fresh_seconds

    def _get_environment(self, parameters: Mapping[str, str], _: Json) -> Json:
        return self.show(self._environment(parameters))

    def _get_chain(self, *_: Any) -> Json:
        return {"id": self.chain, "name": "chain", "created_at": self.moment(0), "deployments_count": len(self.deployments)}

    def _list_instance_types(self, *_: Any) -> Json:
        return {"instance_types": [self.type_of(type_id) for type_id in INSTANCE_TYPES]}

    def _get_instance_type_prices(self, *_: Any) -> Json:
        return price_list(self)

    def _list_deployments(self, *_: Any) -> Json:
        return {"deployments": [self.shown_deployment(d) for d in self.deployments.values() if not self._fresh(d.created)]}

    def _get_deployment(self, parameters: Mapping[str, str], _: Json) -> Json:
        return self.shown_deployment(self._known(parameters["chain_deployment_id"]))

    def _list_rollout_audit_logs(self, parameters: Mapping[str, str], _: Json) -> Json:
        return audit_log(self, parameters["env_name"])

    def _list_audit_logs(self, *_: Any) -> Json:
        return audit_log(self)

    def _audit(self, kind: str, environment: Environment, made: Deployment) -> None:
        self.audited.append((self.loop.now, kind, environment.name, made.id, self.actor))

    def _known(self, identity: str) -> Deployment:
        found = self.deployments.get(identity)
        if found is None or self._fresh(found.created):
            raise RefusedError(404, "deployment not found")
        return found

    def _create_environment(self, _: Mapping[str, str], body: Json) -> Json:
        if body["name"] in self.environments:
            raise RefusedError(self.shape.busy, "environment exists")
        settings = body.get("chainlet_settings") or []
        unknown = [s["chainlet_name"] for s in settings if s["chainlet_name"] not in self.chainlets]
        if unknown:
            raise RefusedError(400, f"unknown chainlets {unknown}")
        made = self.add_environment(body["name"], deployed=False)
        for each in settings:
            made.types[each["chainlet_name"]] = each.get("instance_type_id") or "1x2"
            made.autoscaling[each["chainlet_name"]].update(_given(each.get("autoscaling_settings")))
        self._set_promotion(made, body.get("promotion_settings") or {})
        return self.show(made)

    def _update_environment(self, parameters: Mapping[str, str], body: Json) -> Json:
        self._set_promotion(self._environment(parameters), body.get("promotion_settings") or {})
        return {"ok": True}

    def _set_promotion(self, environment: Environment, settings: Json) -> None:
        """What this server does not know in that place, it drops."""
        given = _given(settings)
        inner = _given(given.pop("rolling_deploy_config", None))
        strategy = given.pop("promotion_cleanup_strategy", None), inner.pop("promotion_cleanup_strategy", None)
        chosen = strategy[1] if self.shape.old else strategy[0]
        if chosen:
            environment.promotion["promotion_cleanup_strategy"] = chosen
        environment.promotion.update({name: value for name, value in given.items() if name not in self.shape.hides})
        if inner:
            environment.promotion["rolling_deploy_config"].update({"max_surge_percent": 10, **inner})

    def _update_autoscaling(self, parameters: Mapping[str, str], body: Json) -> Json:
        environment = self._environment(parameters)
        for each in body["updates"]:
            if each["chainlet_name"] not in environment.autoscaling:
                raise RefusedError(404, f"unknown chainlet {each['chainlet_name']}")
        self._apply_autoscaling_later(environment, body["updates"], 1 + 10 * self._rng.random())
        return {"status": "QUEUED" if environment.busy else "ACCEPTED", "message": ""}

    def _apply_autoscaling_later(self, environment: Environment, updates: list[Json], seconds: float) -> None:
        self.loop.call_later(seconds, self._apply_autoscaling, environment, updates)

    def _apply_autoscaling(self, environment: Environment, updates: list[Json]) -> None:
        if environment.busy:
            return self._apply_autoscaling_later(environment, updates, 10)
        for each in updates:
            environment.autoscaling[each["chainlet_name"]].update(_given(each["autoscaling_settings"]))
        return None

    def same(self, one: str | None, other: str | None) -> bool:
        return one == other or (self.shape.normal_form and str(one).lower() == str(other).lower())

    def _update_instance_types(self, parameters: Mapping[str, str], body: Json) -> Json:
        environment = self._environment(parameters)
        wanted = {each["chainlet_name"]: each["instance_type_id"] for each in body["updates"]}
        if not wanted.keys() <= environment.types.keys():
            raise RefusedError(400, "unknown chainlet")
        if all(environment.types[name] == type_id for name, type_id in wanted.items()):
            return {"requires_redeployment": False, "chain_deployment": None, "chainlet_environment_settings": []}
        if environment.current is None:
            environment.types.update(wanted)
            return {"requires_redeployment": False, "chain_deployment": None, "chainlet_environment_settings": []}
        if environment.busy and not self.shape.queues:
            raise RefusedError(self.shape.busy, "a promotion is running")
        made = self.deploy(environment.name, {**environment.types, **wanted})
        self._audit("CHAINLET_INSTANCE_TYPE_CHANGED", environment, made)
        if self.shape.types_at_once:
            environment.types.update(wanted)
        if self.shape.normal_form:
            made.types = {name: type_id.lower() for name, type_id in made.types.items()}
        self.start(environment, made)
        shown = None if self.shape.silent_types else self.shown_deployment(made)
        return {"requires_redeployment": True, "chain_deployment": shown, "chainlet_environment_settings": []}

    def _promote(self, parameters: Mapping[str, str], body: Json) -> Json:
        environment = self._environment(parameters)
        source = self._known(body["deployment_id"])
        if environment.busy and not self.shape.queues:
            raise RefusedError(self.shape.busy, "a promotion is running")
        if source is environment.current:
            raise RefusedError(400, "the deployment is the current one")
        if source.status not in SERVING:
            raise RefusedError(400, f"the deployment is {source.status}")
        copied = (
            source.environment != environment.name or source.types != environment.types or environment.promotion["redeploy_on_promotion"]
        )
        made = self.deploy(environment.name, environment.types or source.types, build=False) if copied else source
        environment.promoted.add(source.id)
        self._audit("CHAIN_DEPLOYMENT_PROMOTED", environment, made)
        self.start(environment, made)
        return self.shown_deployment(made)

    def _deactivate(self, parameters: Mapping[str, str], _: Json) -> Json:
        made = self._known(parameters["chain_deployment_id"])
        already = made.status == "INACTIVE"
        self.turn_off(made)
        return {"success": True, "no_op": already}

    def _delete_deployment(self, parameters: Mapping[str, str], _: Json) -> Json:
        made = self._known(parameters["chain_deployment_id"])
        if any(made in (e.current, e.candidate) for e in self.environments.values()):
            raise RefusedError(400, "the deployment is in use")
        del self.deployments[made.id]
        return {"id": made.id, "deleted": True, "chain_id": self.chain}

    # -- what it shows -----------------------------------------------------------------------------------------------

    def moment(self, seconds: float) -> str:
        return stamp(wall(seconds, self.shape.skew))

    def type_of(self, type_id: str) -> Json:
        shown = type_id.lower() if self.shape.normal_form else type_id
        return {"id": shown, "name": f"{type_id} (display)", "memory_limit_mib": 2048, "millicpu_limit": 1000, "gpu_count": 0}

    def show(self, environment: Environment) -> Json:
        visible = environment.current is not None and environment.current.served
        if environment.current is not None:
            self.shown.setdefault(environment.name, set()).add(environment.current.id)
        promotion = {
            name: value for name, value in {**_copy(environment.promotion), **self.garbled}.items() if name not in self.shape.hides
        }
        if self.shape.old:
            promotion["rolling_deploy_config"]["promotion_cleanup_strategy"] = promotion.pop("promotion_cleanup_strategy")
        shown: Json = {
            "name": environment.name,
            "chain_id": self.chain,
            "created_at": self.moment(environment.created),
            "promotion_settings": promotion,
            "chainlet_settings": [
                {
                    "chainlet_name": name,
                    "instance_type": None if self.hides_types else self.type_of(environment.types[name]),
                    "autoscaling_settings": dict(environment.autoscaling[name]) if visible else None,
                }
                for name in environment.types
            ],
            "current_deployment": self.shown_deployment(environment.current) if environment.current else None,
        }
        if not self.shape.old:
            candidate = environment.candidate
            shown["candidate_deployment"] = self.shown_deployment(candidate) if candidate else None
            if self.shape.tells:
                shown["in_progress_promotion"] = self._progress(environment)
        return shown

    @staticmethod
    def _progress(environment: Environment) -> Json | None:
        if environment.progress is None:
            return None
        return {"status": environment.progress, "percent_traffic_to_new_version": 50 if environment.progress == "RAMPING_UP" else 0}

    def shown_deployment(self, made: Deployment) -> Json:
        environment = self.environments.get(made.environment or "")
        replicas = environment is not None and environment.current is made and made.status == "ACTIVE"
        return {
            "id": made.id,
            "created_at": self.moment(made.created),
            "chain_id": self.chain,
            "environment": made.environment,
            "status": made.status,
            "chainlets": [
                {
                    "id": f"{made.id}-{name}",
                    "name": name,
                    "status": made.status,
                    "active_replica_count": int(replicas),
                    "instance_type_name": f"{type_id} (display)",
                    "autoscaling_settings": dict(environment.autoscaling[name]) if made.served and environment else None,
                }
                for name, type_id in made.types.items()
            ],
        }


def _given(settings: Json | None) -> Json:
    return {name: value for name, value in (settings or {}).items() if value is not None}


def _copy(settings: Json) -> Json:
    return {name: _copy(value) if isinstance(value, dict) else value for name, value in settings.items()}
