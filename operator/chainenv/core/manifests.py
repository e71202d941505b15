"""From an environment as Baseten shows it to the manifest that declares it so. Applied, it asks for nothing but reads."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from ..crd.types import API_VERSION, ENVIRONMENT_NAME_PATTERN, KIND, ChainEnvironmentSpec, SecretKeyRef, kubernetes_name
from .environment import ChainletState, Environment
from .text import camel
from .values import ROLLING, nested

Json = dict[str, Any]
Step = str | int
_SHARES = ("maxSurgePercent", "maxUnavailablePercent")

MOST_CHAINLETS = 200
LONGEST_NAME = 253
"""Of chainletSettings, and of metadata.name."""


class NotDeclarableError(ValueError):
    """No manifest can declare it; the message says why."""


@dataclass(frozen=True, slots=True)
class Origin:
    """What the manifest says beside the environment. ``prefix`` stands before the environment's name in metadata.name."""

    chain_id: str
    namespace: str | None = None
    prefix: str = ""
    policy: str | None = None
    secret: SecretKeyRef | None = None


@dataclass(frozen=True, slots=True)
class Manifest:
    """``omitted``: what Baseten shows and a resource cannot say, each with its value; it stays as it is."""

    name: str
    document: Json
    omitted: tuple[str, ...] = field(default=())


def manifest_of(environment: Environment, origin: Origin) -> Manifest:
    """Raises NotDeclarableError for a chain or environment whose name a resource cannot have."""
    name = origin.prefix + environment.name
    if len(name) > LONGEST_NAME or not re.fullmatch(ENVIRONMENT_NAME_PATTERN, name):
        raise NotDeclarableError(f"environment {environment.name}: no resource can have the name {name!r}")
    spec: Json = {"chainID": origin.chain_id, "environmentName": environment.name}
    if origin.policy is not None:
        spec["managementPolicy"] = origin.policy
    if origin.secret is not None:
        spec["apiKeySecretRef"] = origin.secret.model_dump(by_alias=True)
    if promotion := nested({camel(path): value for path, value in environment.promotion.items()}):
        spec["promotionSettings"] = promotion
    if environment.chainlets:
        spec["chainletSettings"] = [_chainlet(state) for state in environment.chainlets[:MOST_CHAINLETS]]
    more = environment.chainlets[MOST_CHAINLETS:]
    omitted = (*_make_valid(spec), *(f"chainletSettings[{state.name}]" for state in more))
    if name == environment.name:
        del spec["environmentName"]
    metadata = {"name": name} if origin.namespace is None else {"name": name, "namespace": origin.namespace}
    return Manifest(name, {"apiVersion": API_VERSION, "kind": KIND, "metadata": metadata, "spec": spec}, omitted)


def _chainlet(state: ChainletState) -> Json:
    entry: Json = {"chainletName": state.name}
    if state.instance_type is not None and state.instance_type.id:
        entry["instanceTypeID"] = state.instance_type.id
    if state.autoscaling:
        entry["autoscalingSettings"] = nested({camel(path): value for path, value in state.autoscaling.items()})
    return entry


def _make_valid(spec: Json) -> Iterator[str]:
    """Takes out what the CRD does not allow, so that the API server takes the rest; what it was, with its value."""
    while problems := _problems(spec):
        if own := next((str(place[0]) for place in problems if len(place) == 1), None):
            raise NotDeclarableError(f"environment {spec['environmentName']}: no resource can have {own} {spec[own]!r}")
        unnamed = {place[1] for place in problems if len(place) == 3 and place[2] == "chainletName"}
        for place in [("chainletSettings", index) for index in sorted(unnamed, reverse=True)] or problems:
            yield _taken_out(spec, place)


def _problems(spec: Json) -> list[tuple[Step, ...]]:
    """Where a value stands that the CRD does not allow: by its schema, else by those of its rules about two fields that two values
    of Baseten's can break."""
    try:
        ChainEnvironmentSpec.model_validate(spec)
    except ValidationError as error:
        return list(dict.fromkeys(tuple(each["loc"]) for each in error.errors()))
    found: list[tuple[Step, ...]] = []
    promotion, rolling = spec.get("promotionSettings", {}), kubernetes_name(ROLLING)
    if not surges_or_drains(promotion):
        found += (("promotionSettings", rolling, name) for name in _SHARES)
    for index, chainlet in enumerate(spec.get("chainletSettings", ())):
        if not is_ordered(chainlet.get("autoscalingSettings", {})):
            found += (("chainletSettings", index, "autoscalingSettings", name) for name in ("minReplica", "maxReplica"))
    return found


def surges_or_drains(promotion: Mapping[str, Any]) -> bool:
    """The CRD's rule: with rollingDeploy exactly one of the two shares is above 0, as far as both are given."""
    rolling = promotion.get(kubernetes_name(ROLLING))
    surge, unavailable = (rolling.get(name) if isinstance(rolling, Mapping) else None for name in _SHARES)
    return not promotion.get("rollingDeploy") or surge is None or unavailable is None or (surge == 0) != (unavailable == 0)


def is_ordered(scaling: Mapping[str, Any]) -> bool:
    """The CRD's rule: minReplica is not above maxReplica, as far as both are given."""
    least, most = scaling.get("minReplica"), scaling.get("maxReplica")
    return not isinstance(least, int) or not isinstance(most, int) or least <= most


def _taken_out(spec: Json, place: Sequence[Step]) -> str:
    """Where it stood and what it was, as ``chainletSettings[LLM].autoscalingSettings.maxReplica 0``."""
    where: Any = spec
    words = ""
    for step in place:
        parent, where = where, where[step]
        words += f".{step}" if isinstance(step, str) else f"[{where.get('chainletName', step)}]"
    del parent[place[-1]]
    return f"{words.lstrip('.')} {'' if isinstance(where, Mapping) else where}"
