"""Refusals in the words of the spec: which chainlet, which field, which default.

A cause is found by comparing facts: what the spec says, what Baseten showed and its documented defaults. What Baseten's answer
says is prose: it never decides anything, it only points to fields of the spec.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from difflib import SequenceMatcher
from typing import NamedTuple

from .changes import AnyChange, CreateEnvironment, UpdateAutoscaling, UpdateInstanceTypes, UpdatePromotionSettings
from .text import camel, names, shown
from .values import SURGE, UNAVAILABLE, Settings, Value
from .world import World

DEFAULTS: Mapping[str, int] = {"min_replica": 0, "max_replica": 1}
"""Documented by Baseten (docs/baseten-api.md, "Ranges and defaults")."""

LONGEST = 700
_MOST = 3
_MOST_TYPES = 500
_LONGEST_NAME = 64
_ITEM = re.compile(r"\b(?:updates|chainlet_settings)[.\[](\d{1,4})\b")
"""A place in a list of chainlets, as validators name it (``updates.0.``, ``chainlet_settings[1]``)."""


def types_sent(change: AnyChange) -> dict[str, str]:
    """The instance types that a call asks for, by chainlet."""
    match change:
        case UpdateInstanceTypes():
            return dict(change.changes)
        case CreateEnvironment():
            return {name: type_id for name, type_id, _ in change.chainlets if type_id}
        case _:
            return {}


def cause(change: AnyChange, world: World, types: Mapping[str, str]) -> str | None:
    """Why the call was refused, as far as facts show it. ``types``: display names of the instance types that exist, by id; may be empty."""
    found = [*_replicas(change, world), *_rolling(change, world), *_unknown_types(types_sent(change), types)]
    return _several(found)[:LONGEST] if found else None


def fields_named(change: AnyChange, answer: str) -> str | None:
    """The fields of the spec that Baseten's answer names, with chainlet and value."""
    sent = list(_sent(change))
    chainlets = list(dict.fromkeys(field.chainlet for field in sent if field.chainlet))
    listed = [chainlets[int(place)] for place in _ITEM.findall(answer) if int(place) < len(chainlets)]
    meant = set(listed or (name for name in chainlets if _has_word(answer, name)))
    named = [f for f in sent if _has_word(answer, f.name) or (f.name == "instance_type_id" and _has_word(answer, str(f.value)))]
    found = [str(field) for field in named if not meant or not field.chainlet or field.chainlet in meant]
    return _several(found)[:LONGEST] if found else None


def _several(found: list[str]) -> str:
    more = f"; and {len(found) - _MOST} more" if len(found) > _MOST else ""
    return "; ".join(found[:_MOST]) + more


def _short(name: str) -> str:
    return name if len(name) <= _LONGEST_NAME else name[: _LONGEST_NAME - 1] + "…"


# -- causes --------------------------------------------------------------------------------------------------------


def _replicas(change: AnyChange, world: World) -> Iterator[str]:
    """Where the spec says one of the two, the other is what Baseten has, or its default."""
    if not isinstance(change, CreateEnvironment | UpdateAutoscaling):
        return
    for chainlet in world.desired.chainlets:
        state = world.environment.state_of(chainlet.name) if world.environment else None
        there = (state.autoscaling if state else None) or {}
        low, high = chainlet.autoscaling.get("min_replica"), chainlet.autoscaling.get("max_replica")
        if (low is None) == (high is None):
            continue
        other = "max_replica" if high is None else "min_replica"
        value = there.get(other, DEFAULTS[other])
        if int(value if low is None else low) > int(value if high is None else high):
            whose = f"Baseten's default {camel(other)} {value}" if value == DEFAULTS[other] else f"{camel(other)} {value} as set on Baseten"
            mine = f"maxReplica {high} is below" if low is None else f"minReplica {low} is above"
            yield f"chainlet {_short(chainlet.name)}: {mine} {whose}: set {camel(other)}"


def _rolling(change: AnyChange, world: World) -> Iterator[str]:
    if not isinstance(change, CreateEnvironment | UpdatePromotionSettings):
        return
    wanted, there = world.desired.promotion, world.environment.promotion if world.environment else {}
    surge, unavailable = _percent(SURGE, UNAVAILABLE, wanted, there), _percent(UNAVAILABLE, SURGE, wanted, there)
    rolling = wanted.get("rolling_deploy", there.get("rolling_deploy"))
    if not rolling or surge is None or bool(surge) != bool(unavailable):
        return
    values = " and ".join(
        f"{camel(path)} {shown(value)}" + ("" if path in wanted or value is None else " (as set on Baseten)")
        for path, value in ((SURGE, surge), (UNAVAILABLE, unavailable))
    )
    on = "rollingDeploy" if "rolling_deploy" in wanted else "rollingDeploy (as set on Baseten)"
    yield f"promotionSettings: with {on}, exactly one of {values} must be above 0: set both"


def _percent(mine: str, other: str, wanted: Settings, there: Settings) -> Value | None:
    """What is sent for a field of the rolling config, or stays when it is not."""
    if mine in wanted:
        return wanted[mine]
    return 0 if wanted.get(other) else there.get(mine)


def _unknown_types(sent: Mapping[str, str], types: Mapping[str, str]) -> Iterator[str]:
    """What differs in the case of letters alone may be the same to Baseten."""
    known = {type_id.casefold() for type_id in types if type_id}
    unknown = [(chainlet, type_id) for chainlet, type_id in sent.items() if known and type_id.casefold() not in known]
    for number, (chainlet, type_id) in enumerate(unknown):
        text = f"chainlet {_short(chainlet)}: no instance type {_short(type_id)}"
        if number < _MOST:  # the others are only counted
            nearest, *others = map(_short, _by_likeness(type_id, types))
            text += f", the nearest is {nearest}" + (f" (others: {names(others)})" if others and not number else "")
        yield text


def _by_likeness(wanted: str, types: Mapping[str, str]) -> list[str]:
    """Ids, the most alike first, by id or by display name."""
    one = _short(wanted).casefold()

    def likeness(type_id: str) -> tuple[bool, float, str]:
        texts = [_short(text).casefold() for text in (type_id, types[type_id]) if text]
        begins = any(text.startswith(one) for text in texts)
        return not begins, -max(SequenceMatcher(None, one, text).ratio() for text in texts), type_id

    return sorted(sorted(filter(None, types))[:_MOST_TYPES], key=likeness)


# -- what was sent -------------------------------------------------------------------------------------------------


class _Field(NamedTuple):
    chainlet: str | None
    name: str
    value: Value

    def __str__(self) -> str:
        own = f"{camel(self.name)} {shown(self.value)}"
        return f"chainlet {_short(self.chainlet)}: {own}" if self.chainlet else own


def _sent(change: AnyChange) -> Iterator[_Field]:
    """By Baseten's names of the fields."""
    match change:
        case CreateEnvironment():
            yield from _promotion(change.promotion)
            for name, type_id, autoscaling in change.chainlets:
                yield from _of_chainlet(name, autoscaling.items())
                yield from _of_chainlet(name, [("instance_type_id", type_id)] if type_id else [])
        case UpdateAutoscaling():
            for name, settings in change.changes.items():
                yield from _of_chainlet(name, settings.items())
        case UpdateInstanceTypes():
            for name, type_id in change.changes.items():
                yield _Field(name, "instance_type_id", type_id)
        case UpdatePromotionSettings():
            yield from _promotion(change.changes)
        case _:
            return


def _of_chainlet(name: str, settings: Iterable[tuple[str, Value]]) -> Iterator[_Field]:
    return (_Field(name, setting, value) for setting, value in settings)


def _promotion(settings: Settings) -> Iterator[_Field]:
    return (_Field(None, path, value) for path, value in settings.items())


def _has_word(text: str, path: str) -> bool:
    """Whether the last part of the path stands in the text as a word of its own."""
    word = path.rsplit(".", 1)[-1] if path.startswith("rolling_deploy_config.") else path
    return re.search(rf"(?<![\w-]){re.escape(word)}(?![\w-])", text) is not None
