"""The audit log of a chain: who changed what, from where and when, with every filter that is published."""

from __future__ import annotations

import base64
import binascii
import itertools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from chainenv_sandbox.baseten.errors import JsonObject, invalid
from chainenv_sandbox.baseten.keys import Key
from chainenv_sandbox.baseten.options import Options
from chainenv_sandbox.baseten.wire import moment

PREFIX = 8
SOURCES = ("UI", "API", "MCP", "SYSTEM", "OTHER")
DIRECTIONS = ("DESC", "ASC")
GROUPS: dict[str, tuple[str, ...]] = {
    "DEPLOYED": ("CHAIN_DEPLOYED",),
    "PROMOTED": ("CHAIN_DEPLOYMENT_PROMOTED",),
    "ACTIVATED_DEACTIVATED": ("CHAIN_DEPLOYMENT_ACTIVATED", "CHAIN_DEPLOYMENT_DEACTIVATED"),
    "AUTOSCALING_SETTINGS": ("CHAINLET_AUTOSCALING_SETTINGS_CHANGED",),
    "REQUEST_BACKPRESSURE_SETTINGS": (),
    "INSTANCE_TYPE_CHANGED": ("CHAINLET_INSTANCE_TYPE_CHANGED",),
    "ENVIRONMENT_SETTINGS": ("CHAIN_ENVIRONMENT_CREATED", "CHAIN_ENVIRONMENT_UPDATED"),
    "REPLICA_TERMINATED": (),
    "DELETED": ("CHAIN_DEPLOYMENT_DELETED", "CHAIN_DELETED"),
    "METADATA": (),
    "SECRETS": (),
    "API_KEYS": (),
    "GATEWAY": (),
    "CODE": (),
    "WEBHOOK_SIGNING_SECRETS": (),
    "USER_MANAGEMENT": (),
    "DIRECTORY_GROUP_MANAGEMENT": (),
    "SSH": (),
}
"""A chain's log has no event of the groups without a name here."""


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts, and through which surface (`source`)."""

    type: str
    source: str
    email: str | None = None
    key: Key | None = None

    @classmethod
    def of_key(cls, key: Key) -> Actor:
        return cls("API_KEY", "API", key=key)

    def as_json(self) -> JsonObject:
        prefix, name = (self.key.value[:PREFIX], self.key.name) if self.key else (None, None)
        return {"type": self.type, "email": self.email, "api_key_prefix": prefix, "api_key_name": name}


PERSON = Actor("USER", "UI", email="person@example.com")
SYSTEM = Actor("BASETEN_SYSTEM", "SYSTEM")


@dataclass(frozen=True, slots=True)
class Entry:
    """`at`: epoch seconds. `environment`: the one it is about, which not every event names."""

    number: int
    at: float
    actor: Actor
    data: JsonObject
    environment: str | None

    def as_json(self) -> JsonObject:
        kind = self.data["event_type"]
        return {
            "id": f"audit{self.number:08}",
            "created": moment(self.at),
            "event_type": kind,
            "event_data": self.data,
            "source": self.actor.source,
            "actor": self.actor.as_json(),
        }


@dataclass(slots=True)
class AuditLog:
    entries: list[Entry] = field(default_factory=list)
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def add(self, at: float, actor: Actor, data: JsonObject, environment: str | None) -> Entry:
        entry = Entry(next(self._numbers), at, actor, data, environment)
        self.entries.append(entry)
        return entry

    def page(self, query: Mapping[str, list[str]], options: Options, now: float) -> JsonObject:
        """Raises ApiError 400 for a value that the document does not allow."""
        after, direction = _position(query)
        limit = _whole(query, "limit", 20)
        if not 1 <= limit <= 200:
            raise invalid("limit: 1 to 200.")
        wanted = _Wanted(query, options, now)
        newest_first = direction == "DESC"
        shown = [one for one in self.entries if one.at + options.audit_delay_seconds <= now and wanted.fits(one)]
        shown.sort(key=_place, reverse=newest_first)
        rest = shown if after is None else [one for one in shown if (_place(one) < after) is newest_first and _place(one) != after]
        more = len(rest) > limit
        last = f"{direction} {rest[limit - 1].at!r} {rest[limit - 1].number}" if more else ""
        cursor = base64.urlsafe_b64encode(last.encode()).decode() or None
        return {"items": [one.as_json() for one in rest[:limit]], "pagination": {"has_more": more, "cursor": cursor}}


def _place(one: Entry) -> tuple[float, int]:
    return one.at, one.number


def _position(query: Mapping[str, list[str]]) -> tuple[tuple[float, int] | None, str]:
    """Where the last page ended, and in which direction it went: with a cursor, a direction in the query counts for nothing."""
    text = query.get("cursor", [""])[-1]
    if not text:
        return None, _among(query.get("direction", ["DESC"])[-1:], DIRECTIONS, "direction")[0]
    try:
        direction, at, number = base64.urlsafe_b64decode(text).decode().split(" ")
        return (float(at), int(number)), direction
    except (binascii.Error, ValueError):
        raise invalid("cursor: this is not one of ours.") from None


class _Wanted:
    """The filters of one query; all must fit, and of each one any value."""

    def __init__(self, query: Mapping[str, list[str]], options: Options, now: float) -> None:
        self._query = query
        self._named_only = options.audit_environments == "named"
        self._search = query.get("search", [""])[-1].casefold()
        self._start = _whole(query, "start_epoch_millis", 0)
        self._end = _whole(query, "end_epoch_millis", int(now * 1000) + 1)
        _among(query.get("sources", ()), SOURCES, "sources")
        groups = _among(query.get("event_type_groups", ()), GROUPS, "event_type_groups")
        self._kinds = {kind for group in groups for kind in GROUPS[group]} if groups else None

    def fits(self, one: Entry) -> bool:
        if not self._start <= one.at * 1000 <= self._end or (self._kinds is not None and one.data["event_type"] not in self._kinds):
            return False
        shown = {
            "sources": one.actor.source,
            "user_ids": one.actor.email,
            "environment_names": one.data.get("environment_name") if self._named_only else one.environment,
            "chain_deployment_ids": one.data.get("chain_deployment_id"),
            "deployment_ids": one.data.get("deployment_id"),
        }
        if any(name in self._query and value not in self._query[name] for name, value in shown.items()):
            return False
        texts = (value for name, value in one.data.items() if name.endswith(("_id", "_name")) and isinstance(value, str))
        return any(self._search in text.casefold() for text in (*texts, one.environment or ""))


def _among(values: Iterable[str], allowed: Iterable[str], name: str) -> list[str]:
    if wrong := sorted(set(values) - set(allowed)):
        raise invalid(f"{name}: expected one of {', '.join(allowed)}, not {wrong[0]!r}.")
    return list(values)


def _whole(query: Mapping[str, list[str]], name: str, default: int) -> int:
    try:
        return int(query.get(name, [str(default)])[-1])
    except ValueError:
        raise invalid(f"{name}: expected an integer.") from None
