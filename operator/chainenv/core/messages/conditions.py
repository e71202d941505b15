"""The environment and its deployments, as conditions describe them."""

from __future__ import annotations

from collections.abc import Iterable

from ...crd.types import Drift
from ..environment import DEGRADED, FAILED, SERVING, Deployment, Environment, in_progress
from ..findings import Finding
from ..text import listed, names

IN_SYNC = "environment matches spec"
STALE = "no successful observation for more than ten minutes; showing the last known state"
NO_ENVIRONMENT = "the environment does not exist on Baseten"
NO_DEPLOYMENT = "the environment has no deployment yet: push or promote one"


def update_sent(changes: Iterable[str]) -> str:
    return f"update sent: {'; '.join(changes)}"


def differs(differences: tuple[Drift, ...]) -> str:
    return f"environment differs from spec: {listed(differences)}"


def not_observed(findings: tuple[Finding, ...]) -> str:
    return "not observed yet" + (f": {findings[0].message}" if findings else "")


def not_compared(findings: tuple[Finding, ...]) -> str:
    return "not compared with Baseten yet" + (f": {findings[0].message}" if findings else "")


def described(deployment: Deployment) -> str:
    """A deployment with its chainlets: every one, those in trouble first, when it failed or is unhealthy; else those that differ."""
    chainlets = sorted(deployment.chainlets, key=lambda c: (c.status in SERVING, c.name))
    if deployment.status not in FAILED | DEGRADED:
        chainlets = [c for c in chainlets if c.status != deployment.status]
    listing = f" ({names(f'{c.name} is {c.status}' for c in chainlets)})" if chainlets else ""
    return f"deployment {deployment.id} is {deployment.status}{listing}"


def serving(environment: Environment, current: Deployment) -> str:
    candidate = environment.candidate
    if candidate is None:
        return described(current)
    doing = f"deployment {candidate.id} is being promoted and" if environment.promoting else f"candidate deployment {candidate.id}"
    return f"{described(current)}; {doing} is {candidate.status}"


def under_way(environment: Environment) -> str:
    """What deploys or is promoted; empty when nothing does."""
    promoted = environment.candidate if environment.promoting else None
    current = environment.current if environment.current and in_progress(environment.current.status) else None
    moving = [described(d) for d in (current, promoted) if d is not None]
    progress = environment.promotion_progress
    if environment.promoting and progress is not None:
        share = "" if progress.traffic_percent is None else f", {progress.traffic_percent} % of the traffic"
        moving.append(f"the promotion is {progress.status}{share}")
    return "; ".join(moving)


SEE_LOGS = "see its logs on Baseten, then push or promote another one"
ACTIVATE = "activate it on Baseten, or push or promote another one"
