"""What runs in an environment, for what it costs."""

from __future__ import annotations

from ..crd.types import CostStatus
from .cost import PriceList, Running, cost
from .environment import Environment


def running_cost(environment: Environment | None, prices: PriceList | None) -> CostStatus | None:
    """Of the replicas of the current and the candidate deployment; None when prices are not known."""
    if environment is None or prices is None or not prices.prices:
        return None
    running = []
    for chainlet in (each for deployment in environment.deployments for each in deployment.chainlets):
        # A deployment has its type by display name; the environment has the one of its next deployment, by id.
        state = environment.state_of(chainlet.name)
        declared = state.instance_type if state else None
        same = declared is not None and chainlet.instance_type_name in (None, declared.name)
        type_id = declared.id if declared is not None and same else prices.ids.get(chainlet.instance_type_name or "")
        settings = chainlet.autoscaling or (state.autoscaling if state else None) or {}
        fewest, most = (None if (found := settings.get(name)) is None else int(found) for name in ("min_replica", "max_replica"))
        running.append(Running(type_id, chainlet.active_replicas, fewest, most))
    return cost(running, prices.prices)
