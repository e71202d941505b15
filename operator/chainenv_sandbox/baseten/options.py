"""Everything about the simulator's behaviour that can be changed while it runs. Times are seconds, fractions allowed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from chainenv_sandbox.baseten.errors import JsonObject, invalid


@dataclass(slots=True)
class Options:
    # Lifecycle. A change holds for what starts after it; deployments under way keep their schedule.
    build_seconds: float = 1.0
    deploy_seconds: float = 1.0
    load_seconds: float = 1.0
    promotion_seconds: float = 0.5  # from ACTIVE until the candidate is current
    replica_seconds: float = 0.0  # for each replica after the first, up to min_replica
    wake_seconds: float = 1.0
    deactivate_seconds: float = 1.0
    autoscaling_seconds: float = 0.5  # until a PATCH of autoscaling settings shows
    failed_candidate_seconds: float = 5.0  # how long a failed candidate stays visible
    scale_to_zero_after_seconds: float | None = None  # None: never by itself
    create_visible_after_seconds: float = 0.0  # 404 for new objects until then
    create_starts_deployment: bool = True
    first_promotion: Literal["candidate", "current"] = "candidate"  # where a promotion into an empty environment shows
    instance_types_visible: Literal["at_once", "when_promoted"] = "at_once"
    failed_candidate_reverts_types: bool = False
    redeployment: Literal["shown", "hidden", "none"] = "shown"
    # What an update of instance types does. hidden: it starts a deployment that its answer does not show; none: it starts none.
    promotes_inactive: bool = True  # false: an INACTIVE deployment must be activated first, which the API for chains cannot
    omitted_max_surge: Literal["default", "kept"] = "default"  # what becomes of it when its block is sent without it

    # Wire.
    latency_seconds: float = 0.0
    wire_shape: Literal["new", "old", "both"] = "new"
    unknown_fields: Literal["refuse", "ignore", "ignore_promotion"] = "refuse"
    # ignore_promotion: those of promotion settings alone, as Baseten does. Autoscaling settings refuse them always.
    autoscaling_status: Literal["auto", "ACCEPTED", "QUEUED"] = "auto"
    environment_name_max: int = 63
    shown_instance_types: dict[str, str] = field(default_factory=dict)  # {catalogue id: the id that is shown}; both are understood

    # The audit log.
    audit_delay_seconds: float = 0.0  # until an entry shows
    audit_environments: Literal["known", "named"] = "known"  # named: a filter finds only events that name one

    # Statuses that no public source settles.
    auth_status: int = 403
    exists_status: int = 400
    busy_status: int = 400
    unknown_chainlet_status: int = 400
    unknown_instance_type_status: int = 400

    # Rate limit: requests/s for each key and endpoint, 0 = off.
    rate_limit: int = 0
    logs_rate_limit: int = 0  # the same for reading logs (Baseten: 30); 0: as rate_limit
    retry_after: float | None = None  # None: the real wait in whole seconds, rounded up
    retry_after_header: Literal["none", "seconds", "date"] = "none"

    # Values silently changed: {field name: greatest value}, and fields whose writes are dropped.
    clamps: dict[str, int] = field(default_factory=dict)
    ignored_fields: list[str] = field(default_factory=list)
    refused_instance_types: list[str] = field(default_factory=list)

    def as_json(self) -> JsonObject:
        return asdict(self)

    def change(self, changes: Mapping[str, Any]) -> None:
        """All or nothing. Raises ApiError 400 for an unknown name or a value of the wrong kind."""
        for name, value in changes.items():
            if name not in _KINDS:
                raise invalid(f"Unknown option {name!r}. Known: {', '.join(sorted(_KINDS))}.")
            if not _fits(value, _KINDS[name]) or (isinstance(value, int | float) and value < 0):
                raise invalid(f"Option {name}: {value!r} is not {_say(_KINDS[name])}.")
        for name, value in changes.items():
            setattr(self, name, value)


def _fits(value: Any, kind: Any) -> bool:
    origin = get_origin(kind)
    if origin is Literal:
        return value in get_args(kind)
    if origin in (Union, UnionType):
        return any(_fits(value, one) for one in get_args(kind))
    if origin is dict:
        return isinstance(value, dict) and all(_fits(one, get_args(kind)[1]) for one in value.values())
    if origin is list:
        return isinstance(value, list) and all(isinstance(one, str) for one in value)
    if kind is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    if kind is int:
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, kind)


def _say(kind: Any) -> str:
    if get_origin(kind) is Literal:
        return "one of " + ", ".join(map(str, get_args(kind)))
    if get_origin(kind) in (Union, UnionType):
        return " or ".join(_say(one) for one in get_args(kind))
    return _WORDS.get(kind, str(kind))


_WORDS = {float: "a number of 0 or more", int: "a whole number of 0 or more", bool: "true or false", type(None): "null"}
_KINDS: dict[str, Any] = {one.name: get_type_hints(Options)[one.name] for one in fields(Options)}
