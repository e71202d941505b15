"""A resource as a tree of lines, what a person wants to see first on top. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime

from pydantic import ValidationError

from ..core.calendar import CalendarError, Edge, next_edges, schedules_of
from ..core.environment import SERVING
from ..crd.base import FINALIZER
from ..crd.types import Schedule
from .deployments_of import history
from .output import BAD, DOUBTFUL, FAINT, GOOD, STRONG, Cell, Cells, Node
from .view import Object, conditions, deployment_id, environment_name, items, moment, part, spec, status

_FAILED = frozenset({"BUILD_FAILED", "DEPLOY_FAILED", "FAILED", "BUILD_STOPPED", "UNHEALTHY", "INACTIVE", "DEACTIVATING"})


def tree(resource: Object, now: datetime | None = None) -> Node:
    """Sections that have nothing to show are left out. With ``now`` the next edges of its schedules are listed."""
    meta, seen = resource["metadata"], status(resource)
    head = f"environment {environment_name(resource)} of chain {spec(resource).get('chainID')}"
    root = Node([Cell(f"{meta['namespace']}/{meta['name']}", STRONG), head])
    root.children += _state(resource)
    root.children += _rollout(resource)
    root.children += _deployment(seen, "currentDeployment", "Current")
    root.children += _deployment(seen, "candidateDeployment", "Candidate")
    if drift := items(seen, "drift"):
        lines = [Node([str(each.get("path")), f"{each.get('actual')}", f"wanted {each.get('desired')}"]) for each in drift]
        lines += [Node([f"and {seen['driftOmitted']} more"])] if seen.get("driftOmitted") else []
        root.children.append(Node([Cell("Drift", DOUBTFUL), "not corrected"], lines))
    root.children += _history(resource)
    root.children += _schedule(resource, now)
    root.children += _facts(seen)
    return root


def _state(resource: Object) -> Iterator[Node]:
    """Of the resource as a whole: its deletion, a policy that corrects nothing, its conditions."""
    meta = resource["metadata"]
    if meta.get("deletionTimestamp"):
        held = " (waits for the operator's cleanup)" if FINALIZER in (meta.get("finalizers") or ()) else ""
        yield Node([Cell("Deleting", BAD), f"since {moment(meta['deletionTimestamp'])}{held}"])
    policy = spec(resource).get("managementPolicy")
    if policy in ("Pause", "Observe"):
        text = "no call is made; this is the last observed state" if policy == "Pause" else "drift is reported, nothing is corrected"
        yield Node([Cell(str(policy), DOUBTFUL), text])
    if not status(resource).get("conditions"):
        yield Node([Cell("Pending", DOUBTFUL), "the operator has not acted on it yet"])
    for each in conditions(resource):
        good = "False" if each.type in ("Stalled", "Reconciling") else "True"
        bad = BAD if each.type != "Reconciling" else DOUBTFUL
        style = FAINT if not each.current else DOUBTFUL if each.status == "Unknown" else GOOD if each.status == good else bad
        old = "" if each.current else " (of an earlier generation)"
        since = f", since {moment(each.since)}" if each.since else ""
        yield Node([each.type, Cell(each.status, style), f"{each.reason}{since}: {each.message}{old}".removesuffix(": ")])


def _rollout(resource: Object) -> Iterator[Node]:
    found = part(status(resource), "rollout")
    if not found:
        return
    gate, plan = str(found.get("waitsFor") or "?"), found.get("plan")
    children = [Node([str(found["message"])])] if found.get("message") else []
    if found.get("nextWindow"):
        children.append(Node([f"next window: {moment(found['nextWindow'])}"]))
    if gate == "Approval":
        children.append(Node([f"to approve it: chainenv approve {resource['metadata']['name']} -n {resource['metadata']['namespace']}"]))
    yield Node(["Rollout", Cell(f"waits for {gate}", DOUBTFUL), f"plan {plan}" if plan else ""], children)


def _deployment(seen: Object, which: str, label: str) -> Iterator[Node]:
    found, promotion = part(seen, which), part(seen, "promotion")
    if not found.get("id"):
        return
    texts = [f"created {moment(found['createdAt'])}"] if found.get("createdAt") else []
    if which == "candidateDeployment" and promotion.get("state"):
        percent = promotion.get("trafficPercent")
        traffic = f", {percent}% of the traffic" if percent is not None else ""
        message = f": {promotion['message']}" if promotion.get("message") else ""
        texts.append(f"promotion {promotion['state']}{traffic}{message}")
    chainlets = [Node(_chainlet(seen, each)) for each in items(found, "chainlets")]
    if found.get("chainletsOmitted"):
        chainlets.append(Node([f"and {found['chainletsOmitted']} more"]))
    state = str(found.get("status") or "")
    yield Node([label, Cell(state, _style(state)), f"{found['id']}  {', '.join(texts)}".rstrip()], chainlets)


def _style(state: str) -> str:
    return GOOD if state in SERVING else BAD if state in _FAILED else DOUBTFUL


def _chainlet(seen: Object, chainlet: Object) -> Cells:
    name, state = str(chainlet.get("name", "")), str(chainlet.get("status", ""))
    settings = next((each for each in items(seen, "chainletSettings") if each.get("chainletName") == name), {})
    scaling = part(chainlet, "autoscalingSettings") or part(settings, "autoscalingSettings")
    least, most = scaling.get("minReplica"), scaling.get("maxReplica")
    span = "" if least is None and most is None else f" ({_or_unknown(least)}-{_or_unknown(most)})"
    count = chainlet.get("activeReplicaCount", 0)
    size = chainlet.get("instanceTypeName") or part(settings, "instanceType").get("name") or part(settings, "instanceType").get("id") or ""
    return [name, Cell(state, _style(state)), f"{count} replica{'' if count == 1 else 's'}{span}", str(size)]


def _or_unknown(value: object) -> str:
    return "?" if value is None else str(value)


def _history(resource: Object) -> Iterator[Node]:
    lines, current = [], deployment_id(resource, "currentDeployment")
    for entry in history(resource):
        until = moment(entry.get("until")) or ("now" if entry.get("deploymentID") == current else "?")
        by = " ".join(str(entry[name]) for name in ("source", "by") if entry.get(name))
        span = f"{moment(entry.get('since'))} - {until}"
        lines.append(Node([str(entry.get("deploymentID")), span, str(entry.get("cause") or ""), by]))
    if lines:
        yield Node(["History"], lines)


def _schedule(resource: Object, now: datetime | None) -> Iterator[Node]:
    """Without edges where the schedules cannot be read: the conditions say why."""
    found = part(status(resource), "schedule")
    edges: tuple[Edge, ...] = ()
    with suppress(ValidationError, CalendarError):
        schedules = [Schedule.model_validate(each) for each in items(spec(resource), "autoscalingSchedules")]
        edges = next_edges(schedules_of(schedules), now) if now else ()
    if found or edges:
        change = f", next change {moment(found['nextChange'])}" if found.get("nextChange") else ""
        lines = [Node([moment(edge.at.isoformat()), edge.active or "none active"]) for edge in edges]
        yield Node(["Schedule", f"{found.get('active') or 'none active'}{change}"], lines)


def _facts(seen: Object) -> Iterator[Node]:
    cost, endpoints = (part(seen, name) for name in ("cost", "endpoints"))
    if cost:
        unit = f" {cost.get('currency', 'USD')} an hour"
        span = f" (from {cost['minPerHour']} to {cost['maxPerHour']})" if cost.get("minPerHour") and cost.get("maxPerHour") else ""
        yield Node(["Cost", f"{cost.get('perHour', '?')}{unit}{span}"])
    for name in ("run", "async"):
        if endpoints.get(name):
            yield Node([name.capitalize(), str(endpoints[name])])
