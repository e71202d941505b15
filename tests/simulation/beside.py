"""What Baseten has beside environments: its audit log and its prices, true or not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .gated import PRICES
from .model import INSTANCE_TYPES, Json, RefusedError

if TYPE_CHECKING:
    from .baseten import Baseten

NOT_ANSWERED = {"refused": (403, "not allowed"), "absent": (404, "no such page"), "broken": (500, "it broke")}
GARBAGE = {"items": [None, 7, {"created": 12, "event_type": [], "actor": "you", "event_data": {"chain_deployment_id": {}}}]}


def audit_log(baseten: Baseten, environment: str | None = None) -> Json:
    """Changes of all who have a key, the newest first; of the environment alone, when it is named."""
    shape, now = baseten.shape, baseten.loop.now
    if shape.audit in NOT_ANSWERED:
        raise RefusedError(*NOT_ANSWERED[shape.audit])
    if shape.audit == "garbage":
        return GARBAGE
    until = {"empty": -1.0, "late": now - 120}.get(shape.audit, now)
    return {
        "items": [
            _entry(baseten, at, kind, name, identity, key)
            for at, kind, name, identity, key in reversed(baseten.audited)
            if at <= until and environment in (None, name)
        ]
    }


def _entry(baseten: Baseten, at: float, kind: str, name: str, identity: str, key: str) -> Json:
    return {
        "created": baseten.moment(at),
        "event_type": kind,
        "event_data": {"chain_deployment_id": identity, "environment_name": name},
        "source": "API",
        "actor": {"type": "API_KEY", "api_key_prefix": key[:6]},
    }


def price_list(baseten: Baseten) -> Json:
    """They rise by half at noon of each day."""
    shape, dearer = baseten.shape, baseten.loop.now % 86_400 > 43_200
    if shape.old or shape.prices in NOT_ANSWERED:
        raise RefusedError(*NOT_ANSWERED.get(shape.prices, (404, "no such page")))
    told: dict[str, object] = {type_id: PRICES[type_id] for type_id in INSTANCE_TYPES}
    match shape.prices:
        case "garbage":
            return {"instance_types": [None, {"instance_type": 7}, {"price": "0.1"}, {"instance_type": {"id": "1x2"}, "price": {}}]}
        case "empty":
            return {"instance_types": []}
        case "mad":
            told = dict(zip(INSTANCE_TYPES, ("-1", "NaN", 1e400, "1e999", None), strict=True))
        case "changing" if dearer:
            told = {type_id: str(1.5 * float(PRICES[type_id])) for type_id in INSTANCE_TYPES}
    return {"instance_types": [{"instance_type": baseten.type_of(type_id), "price": price} for type_id, price in told.items()]}
