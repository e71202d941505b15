"""What the public API accepts: the published request bodies with the documented ranges."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import Any

from chainenv_sandbox.baseten.catalogue import CATALOGUE, DEFAULT_INSTANCE_TYPE
from chainenv_sandbox.baseten.errors import JsonObject, invalid, refused
from chainenv_sandbox.baseten.model import Autoscaling, Environment
from chainenv_sandbox.baseten.options import Options
from chainenv_sandbox.baseten.shapes import Flag, ListOf, Object, OneOf, Shape, Text, Whole
from chainenv_sandbox.baseten.wire import default_rolling_config

_NAME = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?")
_OLD_AUTOSCALING: dict[str, Shape] = {
    "min_replica": Whole(0),
    "max_replica": Whole(1),
    "autoscaling_window": Whole(10, 3600),
    "scale_down_delay": Whole(0, 3600),
    "concurrency_target": Whole(1),
    "target_utilization_percentage": Whole(1, 100),
}
_NEW_AUTOSCALING: dict[str, Shape] = {"target_in_flight_tokens": Whole(1), "max_scale_down_rate": Whole(1, 50)}
_OLD_ROLLING: dict[str, Shape] = {
    "rolling_deploy_strategy": OneOf(("REPLICA",)),
    "max_surge_percent": Whole(0, 50),
    "max_unavailable_percent": Whole(0, 50),
    "stabilization_time_seconds": Whole(0, 3600),
}
_OLD_PROMOTION: dict[str, Shape] = {
    "redeploy_on_promotion": Flag(),
    "rolling_deploy": Flag(),
    "ramp_up_while_promoting": Flag(),
    "ramp_up_duration_seconds": Whole(0),
}
_OLD_CLEANUP: dict[str, Shape] = {"promotion_cleanup_strategy": OneOf(("KEEP", "SCALE_TO_ZERO"))}
_NEW_CLEANUP: dict[str, Shape] = {"promotion_cleanup_strategy": OneOf(("KEEP", "SCALE_TO_ZERO", "DEACTIVATE"))}


class _Bodies:
    """The request bodies of one wire shape. surge: what an omitted one is taken for; None: it is left as it is."""

    def __init__(self, wire_shape: str, loose: bool, surge: int | None) -> None:
        new, old = wire_shape != "old", wire_shape != "new"
        self.autoscaling = Object({**_OLD_AUTOSCALING, **(_NEW_AUTOSCALING if new else {})}, closed=True)
        rolling = {**_OLD_ROLLING, **({"replica_overhead_percent": Whole(0, 500)} if new else {}), **(_OLD_CLEANUP if old else {})}
        self.promotion = Object(
            {
                **_OLD_PROMOTION,
                **(_NEW_CLEANUP if new else {}),
                "rolling_deploy_config": Object(rolling, defaults={} if surge is None else {"max_surge_percent": surge}),
            },
            loose=loose,
        )
        named = frozenset({"chainlet_name"})
        chainlet: dict[str, Shape] = {"chainlet_name": Text(), "autoscaling_settings": self.autoscaling, "instance_type_id": Text()}
        created = Object(chainlet, named, frozenset({"instance_type_id"}), {"instance_type_id": DEFAULT_INSTANCE_TYPE})
        chainlets = ListOf(created, "chainlet_name")
        self.create = Object({"name": Text(), "promotion_settings": self.promotion, "chainlet_settings": chainlets}, frozenset({"name"}))
        self.update = Object({"promotion_settings": self.promotion})
        scaled = Object({"chainlet_name": Text(), "autoscaling_settings": self.autoscaling}, named | {"autoscaling_settings"})
        self.scale = Object({"updates": ListOf(scaled, "chainlet_name")}, frozenset({"updates"}))


_ACCESS = Object({"is_restricted": Flag(), "user_ids": ListOf(Text())}, frozenset({"is_restricted"}))
_GROUP = Object({"manage_access": _ACCESS})
_TYPED = Object({"chainlet_name": Text(), "instance_type_id": Text()}, frozenset({"chainlet_name", "instance_type_id"}))
_TYPES = Object({"updates": ListOf(_TYPED, "chainlet_name")}, frozenset({"updates"}))
_PROMOTE = Object(
    {"deployment_id": Text(), "scale_down_previous_deployment": Flag()},
    frozenset({"deployment_id"}),
    frozenset({"scale_down_previous_deployment"}),
    {"scale_down_previous_deployment": True},
)


_made = cache(_Bodies)


def _bodies(options: Options) -> _Bodies:
    surge = None if options.omitted_max_surge == "kept" else default_rolling_config(options)["max_surge_percent"]
    return _made(options.wire_shape, options.unknown_fields == "ignore_promotion", surge)


def _read(shape: Shape, body: Any, options: Options) -> JsonObject:
    found: JsonObject = shape.read(body, "body", options.unknown_fields == "ignore")
    return found


def create_request(body: Any, options: Options) -> JsonObject:
    request = _read(_bodies(options).create, body, options)
    if not _NAME.fullmatch(request["name"]) or len(request["name"]) > options.environment_name_max:
        raise invalid(f"body.name: {request['name']!r} is not a valid environment name.")
    return request


def update_request(body: Any, options: Options) -> JsonObject:
    return _read(_bodies(options).update, body, options)


def scale_request(body: Any, options: Options) -> dict[str, JsonObject]:
    request = _read(_bodies(options).scale, body, options)
    return {one["chainlet_name"]: one["autoscaling_settings"] for one in request["updates"]}


def types_request(body: Any, options: Options) -> dict[str, str]:
    request = _read(_TYPES, body, options)
    return {one["chainlet_name"]: one["instance_type_id"] for one in request["updates"]}


def promote_request(body: Any, options: Options) -> JsonObject:
    return _read(_PROMOTE, body, options)


def group_request(body: Any, options: Options) -> JsonObject | None:
    found: JsonObject | None = _read(_GROUP, body, options).get("manage_access")
    return found


def known_chainlets(names: Mapping[str, Any], known: Mapping[str, Any], options: Options) -> None:
    if unknown := sorted(names.keys() - known.keys()):
        raise refused(options.unknown_chainlet_status, f"Chainlets not found: {', '.join(unknown)}.")


def known_type(instance_type: str, options: Options) -> str:
    """Its id in the catalogue, however it is written."""
    found = next((one for one, shown in options.shown_instance_types.items() if shown == instance_type), instance_type)
    if found not in CATALOGUE:
        raise refused(options.unknown_instance_type_status, f"Instance type {instance_type} not found.")
    if found in options.refused_instance_types:
        raise refused(400, f"Your organization does not have access to {instance_type}.")
    return found


def _kept(values: JsonObject, options: Options) -> JsonObject:
    return {
        name: min(value, options.clamps[name]) if name in options.clamps and isinstance(value, int) else value
        for name, value in values.items()
        if name not in options.ignored_fields
    }


def merged_autoscaling(base: Autoscaling, sent: JsonObject, options: Options) -> Autoscaling:
    """Partial, and consistent as a whole. Clamps come last: they are silent."""
    asked = {**base, **sent}
    if (asked["min_replica"] or 0) > (asked["max_replica"] or 0):
        raise invalid(f"min_replica ({asked['min_replica']}) must not be greater than max_replica ({asked['max_replica']}).")
    return {**base, **_kept(sent, options)}


def merged_promotion(base: JsonObject, sent: JsonObject, options: Options) -> JsonObject:
    sent = dict(sent)
    config = sent.pop("rolling_deploy_config", None)
    result = {**base, **_kept(sent, options)}
    if config is not None:
        cleanup = config.pop("promotion_cleanup_strategy", None)
        result["rolling_deploy_config"] = {**(base["rolling_deploy_config"] or default_rolling_config(options)), **_kept(config, options)}
        if cleanup is not None and "promotion_cleanup_strategy" not in sent:
            result.update(_kept({"promotion_cleanup_strategy": cleanup}, options))
    rolling = result["rolling_deploy_config"] or default_rolling_config(options)
    if result["rolling_deploy"] and bool(rolling["max_surge_percent"]) == bool(rolling["max_unavailable_percent"]):
        raise invalid("Exactly one of max_surge_percent and max_unavailable_percent must be non-zero for rolling deploys.")
    return result


def not_busy(environment: Environment, options: Options) -> None:
    if environment.candidate is not None:
        raise refused(options.busy_status, f"A promotion is in progress in environment {environment.name}.")
