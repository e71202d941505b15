"""What an event of the audit log holds, and the answers beside those about chains. A server of the older shape has none of them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from chainenv_sandbox.baseten.errors import JsonObject, invalid, not_found
from chainenv_sandbox.baseten.model import Autoscaling, Deployment, Environment
from chainenv_sandbox.baseten.options import Options

_LONGEST_USAGE = timedelta(days=31)
_FIRST_USAGE = datetime(2026, 1, 1, tzinfo=UTC)


def about_deployment(one: Deployment) -> JsonObject:
    return {"chain_deployment_id": one.id, "chain_deployment_name": None}


def about_push(one: Deployment) -> JsonObject:
    return {**about_deployment(one), "is_primary": one.environment == "production", "publish": True}


def about_placing(one: Deployment, environment: Environment) -> JsonObject:
    return {**about_deployment(one), "environment_name": environment.name, "environment_id": None}


def about_promotion(one: Environment) -> JsonObject:
    names = ("redeploy_on_promotion", "ramp_up_while_promoting", "ramp_up_duration_seconds")
    return {"environment_name": one.name} | {name: one.promotion[name] for name in names}


def about_scaling(one: Deployment, chainlet: str, before: Autoscaling, after: Autoscaling) -> JsonObject:
    return {**after, **about_deployment(one), **_about_chainlet(one, chainlet), "previous_settings": dict(before)}


def about_type(one: Deployment, chainlet: str, shown: str) -> JsonObject:
    """shown: the instance type's display name."""
    return {**about_deployment(one), **_about_chainlet(one, chainlet), "instance_type_name": shown}


def _about_chainlet(one: Deployment, chainlet: str) -> JsonObject:
    found = next((each.id for each in one.chainlets if each.name == chainlet), "")
    return {"chainlet_name": chainlet, "chainlet_id": found}


def only_new(options: Options) -> None:
    if options.wire_shape == "old":
        raise not_found("Endpoint")


def group(name: str, users: tuple[str, ...] | None) -> JsonObject:
    """users: who may manage it; None for anybody."""
    access = {"is_restricted": users is not None, "users": [{"user_id": one} for one in users or ()]}
    return {"name": name, "team_id": "sandbox", "team_name": "Sandbox", "manage_access": access}


def usage(query: Mapping[str, list[str]]) -> JsonObject:
    """A new organisation's: it used nothing yet."""
    start, end = (_moment(query, name) for name in ("start_date", "end_date"))
    if not timedelta(0) <= end - start <= _LONGEST_USAGE or start < _FIRST_USAGE:
        raise invalid("The date range must begin in 2026 or later and not exceed 31 days.")
    return {"dedicated_usage": {"subtotal": 0, "credits_used": "0.00", "total": 0, "minutes": 0, "breakdown": []}}


def _moment(query: Mapping[str, list[str]], name: str) -> datetime:
    try:
        found = datetime.fromisoformat(query[name][-1])
    except (KeyError, ValueError):
        raise invalid(f"{name}: expected a date and time in ISO 8601.") from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
