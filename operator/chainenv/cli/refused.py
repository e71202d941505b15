"""What the API server would refuse in a manifest that the types alone let pass: fields that there are not, entries that stand twice, and
the CRD's rules about several fields. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any

from ..core.manifests import is_ordered, surges_or_drains
from ..crd.autoscaling import AutoscalingSettings
from ..crd.base import kubernetes_name
from ..crd.schema import JsonSchema, spec_schema
from .view import Object, items, part

Holds = Callable[[Any], bool]
_SCHEMA = cache(spec_schema)


def refused(manifest: Object, result: Object) -> Iterator[str]:
    """Each reason in a line. ``result``: the object that applying the manifest would leave."""
    schema = _SCHEMA()
    yield from _unknown(schema, manifest, "")
    yield from _broken(schema, {"metadata": result["metadata"], "spec": result["spec"]}, "")


def _inside(schema: JsonSchema, value: Any, where: str) -> Iterator[tuple[JsonSchema, Any, str]]:
    """The parts that the schema describes."""
    if isinstance(value, list):
        yield from ((schema["items"], each, f"{where}[{number}]") for number, each in enumerate(value) if "items" in schema)
    elif isinstance(value, Mapping):
        known = schema.get("properties", {})
        yield from ((known[name], each, f"{where}.{name}".lstrip(".")) for name, each in value.items() if name in known)


def _unknown(schema: JsonSchema, value: Any, where: str) -> Iterator[str]:
    known = schema.get("properties")
    if known and isinstance(value, Mapping):
        yield from (f"unknown field {f'{where}.{name}'.lstrip('.')}" for name in value if name not in known)
    for inner in _inside(schema, value, where):
        yield from _unknown(*inner)


def _broken(schema: JsonSchema, value: Any, where: str) -> Iterator[str]:
    place = where or "the resource"
    if isinstance(value, list) and "x-kubernetes-list-map-keys" in schema:
        (key,) = schema["x-kubernetes-list-map-keys"]
        names = [str(each.get(key)) for each in value if isinstance(each, Mapping)]
        yield from (f"{place}: {name} stands twice" for name in dict.fromkeys(names) if names.count(name) > 1)
    for each in schema.get("x-kubernetes-validations", ()):
        holds = next((rule for start, rule in RULES.items() if each["message"].startswith(start)), None)
        if holds is not None and isinstance(value, Mapping) and not holds(value):
            yield f"{place}: {each['message']}"
    for inner in _inside(schema, value, where):
        yield from _broken(*inner)


# -- the rules, by how their messages begin -------------------------------------------------------------------------


def _one_strategy(promotion: Object) -> bool:
    outer, inner = promotion.get("promotionCleanupStrategy"), part(promotion, "rollingDeployConfig").get("promotionCleanupStrategy")
    return outer is None or inner is None or outer == inner


def _scheduled(spec: Object) -> Iterator[tuple[Object, Object]]:
    """Of each chainlet of each schedule the settings, beside those of chainletSettings."""
    base = {each.get("chainletName"): part(each, "autoscalingSettings") for each in items(spec, "chainletSettings")}
    for schedule in items(spec, "autoscalingSchedules"):
        for each in items(schedule, "chainletSettings"):
            yield part(each, "autoscalingSettings"), base.get(each.get("chainletName"), {})


def _has_base(field: str) -> Holds:
    return lambda spec: all(field not in scaling or field in base for scaling, base in _scheduled(spec))


def _in_order(field: str, other: str) -> Holds:
    """One that the schedule gives alone beside the other one of chainletSettings."""
    return lambda spec: all(
        other in scaling or is_ordered({**scaling, **{name: base[name] for name in (other,) if name in base}})
        for scaling, base in _scheduled(spec)
        if field in scaling
    )


RULES: Mapping[str, Holds] = {
    "promoteFrom.name is this resource itself": lambda whole: (
        part(whole, "spec", "promoteFrom").get("name") != part(whole, "metadata").get("name")
    ),
    "deploymentID and promoteFrom exclude each other": lambda spec: "deploymentID" not in spec or "promoteFrom" not in spec,
    "with rollingDeploy, exactly one of": surges_or_drains,
    "promotionCleanupStrategy and rollingDeployConfig.promotionCleanupStrategy are one": _one_strategy,
    "minReplica must not be greater than maxReplica": is_ordered,
    "minReplica in autoscalingSchedules does not fit": _in_order("minReplica", "maxReplica"),
    "maxReplica in autoscalingSchedules does not fit": _in_order("maxReplica", "minReplica"),
    **{
        f"a chainlet that has {field} in autoscalingSchedules needs": _has_base(field)
        for field in map(kubernetes_name, AutoscalingSettings.model_fields)
    },
}
"""All but those about one value, which the types hold, and about what cannot be changed."""
