"""Who changed what, who may, and what it cost: answers beside those about chains. A server of the older shape has none of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chainenv_sandbox.baseten.errors import JsonObject, invalid, not_found
from chainenv_sandbox.baseten.keys import Key
from chainenv_sandbox.baseten.model import Autoscaling, Chain, Deployment, Environment
from chainenv_sandbox.baseten.options import Options

PREFIX = 8


def entry(number: int, at: str, key: Key, kind: str, chain: Chain, **details: Any) -> JsonObject:
    actor = {"type": "API_KEY", "email": None, "api_key_prefix": key.value[:PREFIX], "api_key_name": key.name}
    data = {"event_type": kind, "chain_id": chain.id, "chain_name": chain.name, **details}
    return {"id": f"audit{number:08}", "created": at, "event_type": kind, "event_data": data, "source": "API", "actor": actor}


def about_deployment(one: Deployment) -> JsonObject:
    return {"chain_deployment_id": one.id, "chain_deployment_name": None}


def about_promotion(one: Environment) -> JsonObject:
    names = ("redeploy_on_promotion", "ramp_up_while_promoting", "ramp_up_duration_seconds")
    return {"environment_name": one.name} | {name: one.promotion[name] for name in names}


def about_scaling(one: Environment, chainlet: str, before: Autoscaling, after: Autoscaling) -> JsonObject | None:
    """None before the first deployment: the document's event names one."""
    if one.current is None:
        return None
    found = next((each.id for each in one.current.chainlets if each.name == chainlet), "")
    return {**after, **about_deployment(one.current), "chainlet_name": chainlet, "chainlet_id": found, "previous_settings": before}


def page(entries: list[JsonObject], query: Mapping[str, list[str]]) -> JsonObject:
    found = [one for one in entries if _wanted(one, query)]
    if query.get("direction", ["DESC"])[-1] != "ASC":
        found.reverse()
    try:
        start, limit = int(query.get("cursor", ["0"])[-1]), int(query.get("limit", ["100"])[-1])
    except ValueError:
        raise invalid("cursor and limit: expected an integer.") from None
    end = start + limit
    more = end < len(found)
    return {"items": found[start:end], "pagination": {"has_more": more, "cursor": str(end) if more else None}}


def _wanted(one: JsonObject, query: Mapping[str, list[str]]) -> bool:
    data = one["event_data"]
    shown = {
        "sources": one["source"],
        "environment_names": data.get("environment_name"),
        "chain_deployment_ids": data.get("chain_deployment_id"),
    }
    return all(name not in query or value in query[name] for name, value in shown.items())


def only_new(options: Options) -> None:
    if options.wire_shape == "old":
        raise not_found("Endpoint")


def group(name: str, *, restricted: bool) -> JsonObject:
    access = {"is_restricted": restricted, "users": [{"user_id": "sandbox"}] if restricted else []}
    return {"name": name, "team_id": "sandbox", "team_name": "Sandbox", "manage_access": access}
