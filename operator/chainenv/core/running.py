"""What runs in an environment, for what it costs."""

from __future__ import annotations

from ..crd.types import CostStatus
from .cost import PriceList, Running, cost
from .environment import Chainlet, Environment


def running_cost(environment: Environment | None, prices: PriceList | None) -> CostStatus | None:
    """Of the replicas of the current and the candidate deployment; None when prices are not known."""
    if environment is None or prices is None or not prices.prices:
        return None
    return cost((_running(environment, c, prices) for d in environment.deployments for c in d.chainlets), prices.prices)


def _running(environment: Environment, chainlet: Chainlet, prices: PriceList) -> Running:
    """A deployment shows its type by display name, the environment what the next one gets, by id."""
    state = environment.state_of(chainlet.name)
    declared = state.instance_type if state else None
    same = declared is not None and chainlet.instance_type_name in (None, declared.name)
    type_id = declared.id if declared is not None and same else prices.ids.get(chainlet.instance_type_name or "")
    settings = chainlet.autoscaling or (state.autoscaling if state else None) or {}
    fewest, most = settings.get("min_replica"), settings.get("max_replica")
    return Running(type_id, chainlet.active_replicas, None if fewest is None else int(fewest), None if most is None else int(most))
