"""Baseten API keys: from Secrets (``get`` alone, the named value alone, at most a minute) and from the operator's own setting."""

from __future__ import annotations

import asyncio
import base64
import binascii
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..api import ApiKey
from ..core.reasons import Reason
from ..core.resource import Resource
from ..crd.types import GROUP, SecretKeyRef
from ..engine.ports import KeyUnavailableError
from ..settings import KeyGrants
from .cluster import Cluster, ClusterError, path
from .refusals import Refusals

KEPT_SECONDS = 60.0
TIMEOUT_SECONDS = 10.0
"""Longest time one read of a Secret may take."""
FIRST_RETRY_SECONDS = 3.0
LAST_RETRY_SECONDS = 60.0
RETRY_GROWTH = 1.5
"""Between reads of a Secret that is missing or holds no usable key: from the first to the last, each longer by this factor."""
NO_KEY_SECONDS = 300.0
"""Until a resource without any key asks again: a change of its spec comes by itself."""
LABEL = f"{GROUP}/api-key"
"""``"true"`` on a Secret of another type than Opaque: it is meant to be sent to Baseten."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Why there is no key. The message names nothing but what the resource names itself."""

    reason: Reason
    message: str


@dataclass(slots=True)
class _Secret:
    """The last read of one Secret: the values that somebody names, nothing else of it."""

    began: float = -math.inf
    """On the clock; -inf when there was none, or its time is over."""
    missing: bool = False
    problem: Problem | None = None
    values: dict[str, ApiKey | Problem] = field(default_factory=dict)
    wanted: set[str] = field(default_factory=set)
    waits: dict[str, tuple[float, float]] = field(default_factory=dict)
    """By named key, while it is not usable: seconds between reads, and the read that they were reckoned after."""
    reading: asyncio.Task[None] | None = None

    def answers(self, key: str, since: float) -> bool:
        return self.began > since and (self.missing or self.problem is not None or key in self.values)


class Secrets:
    """Reads of Secrets, shared by all who ask for the same one."""

    def __init__(self, cluster: Cluster, clock: Callable[[], float] = time.monotonic) -> None:
        self._cluster = cluster
        self._clock = clock
        self._secrets: dict[tuple[str, str], _Secret] = {}

    def __len__(self) -> int:
        return len(self._secrets)

    async def key(self, namespace: str, ref: SecretKeyRef, since: float) -> ApiKey:
        """As of a read that began after ``since`` (on the clock).

        Raises KeyUnavailableError, or ClusterError when the Secret could not be read.
        """
        where = (namespace, ref.name)
        secret = self._secrets.setdefault(where, _Secret())
        secret.wanted.add(ref.key)
        wait, _ = secret.waits.get(ref.key, (KEPT_SECONDS, 0.0))
        since = max(since, self._clock() - 0.99 * wait)  # a timer may be early by a hair
        while not secret.answers(ref.key, since):  # one that was under way already may have begun too early
            if secret.reading is None:
                secret.reading = asyncio.create_task(self._read(where, secret))
                secret.reading.add_done_callback(lambda task: task.cancelled() or task.exception())
            await asyncio.shield(secret.reading)
        if secret.missing:
            create = f"kubectl create secret generic {ref.name} -n {namespace} --from-file={ref.key}=FILE"
            found: ApiKey | Problem = Problem(Reason.SECRET_NOT_FOUND, f"Secret {ref.name} is not in namespace {namespace}: {create}")
        else:
            found = secret.problem or secret.values[ref.key]
        if isinstance(found, ApiKey):
            secret.waits.pop(ref.key, None)
            return found
        wait, reckoned = secret.waits.get(ref.key, (0.0, -math.inf))
        if secret.began > reckoned:
            wait = min(LAST_RETRY_SECONDS, wait * RETRY_GROWTH or FIRST_RETRY_SECONDS)
            secret.waits[ref.key] = (wait, secret.began)
        raise KeyUnavailableError(found.reason, found.message, max(0.1, secret.began + wait - self._clock()))

    async def _read(self, where: tuple[str, str], secret: _Secret) -> None:
        """For all who wait. Raises ClusterError."""
        began = self._clock()
        try:
            try:
                at = path("api", "v1", "namespaces", where[0], "secrets", where[1])
                document = await self._cluster.request("GET", at, timeout=TIMEOUT_SECONDS)
            except ClusterError as error:
                if error.status not in (403, 404):
                    raise
                message = (
                    f"the operator may not read Secret {where[1]} in namespace {where[0]}: bind its ClusterRole for Secrets there"
                    f" (docs/security.md): {error.message}"
                )
                secret.missing = error.status == 404
                secret.problem, document = Problem(Reason.SECRET_NOT_FOUND, message), {}
            else:
                secret.missing, secret.problem = False, _type_problem(*where, document)
            secret.values = {key: _value(where[1], key, document.get("data") or {}) for key in secret.wanted}
            secret.began = began
        finally:
            secret.reading = None
            loop = asyncio.get_running_loop()
            loop.call_later(KEPT_SECONDS, self._expire, secret, began)
            loop.call_later(3 * KEPT_SECONDS, self._forget, where, secret, secret.began)

    def _expire(self, secret: _Secret, began: float) -> None:
        """The time of what was read is over, unless it was read again."""
        if secret.began == began:
            secret.began, secret.missing, secret.problem, secret.values = -math.inf, False, None, {}
            if secret.reading is None:
                secret.wanted = set()

    def _forget(self, where: tuple[str, str], secret: _Secret, began: float) -> None:
        """Nobody has asked for long, unless it was read again."""
        if secret.began in (began, -math.inf) and secret.reading is None and self._secrets.get(where) is secret:
            del self._secrets[where]


class SecretKeys:
    """Implements engine.ports.Keys. ``grants``: who may use ``own``, the operator's key."""

    def __init__(self, cluster: Cluster, own: ApiKey | None, grants: KeyGrants, clock: Callable[[], float] = time.monotonic) -> None:
        self._own = own
        self._grants = grants
        self._clock = _strictly(clock)
        self._secrets = Secrets(cluster, self._clock)
        self._refusals = Refusals(self._clock)
        self._last: dict[str, ApiKey] = {}
        """By uid, of resources with the finalizer: the key that was accepted last, for their deletion."""

    def may_use_own(self, namespace: str, chain_id: str) -> bool:
        """Whether there is an operator's own key for resources of a namespace and a chain that name no Secret."""
        return self._own is not None and self._grants.allows(namespace, chain_id)

    async def key_for(self, resource: Resource, *, fresh: bool) -> ApiKey:
        try:
            return await self._current(resource, fresh=fresh)
        except KeyUnavailableError:
            last = self._last.get(resource.uid) if resource.deleting else None
            if last is None or self._refusals.check(resource.uid, last.fingerprint) is not None:
                raise
            return last

    async def _current(self, resource: Resource, *, fresh: bool) -> ApiKey:
        now = self._clock()
        key = await self._read(resource, now if fresh else now - KEPT_SECONDS)
        refusal = None if fresh else self._refusals.check(resource.uid, key.fingerprint)
        if refusal is None:
            return key
        ref = resource.spec.api_key_secret_ref
        retry = refusal.seconds
        if ref is not None:
            refused, key = key, await self._read(resource, max(refusal.refused_at, now - 0.99 * refusal.secret_seconds))
            if key != refused:
                refusal = self._refusals.check(resource.uid, key.fingerprint)
            if refusal is None:
                return key
            retry = min(refusal.seconds, refusal.secret_seconds)
        where = f"Secret {ref.name}, key {ref.key}" if ref else "the operator's BASETEN_API_KEY"
        message = f"Baseten refuses the API key in {where}: put a valid key there (noticed within a minute)"
        raise KeyUnavailableError(Reason.CREDENTIALS_REFUSED, message, retry)

    def refused(self, resource: Resource, key: ApiKey) -> None:
        self._refusals.refused(resource.uid, key.fingerprint)

    def accepted(self, resource: Resource, key: ApiKey) -> None:
        self._refusals.accepted(resource.uid, key.fingerprint)
        if resource.has_finalizer:
            self._last[resource.uid] = key
        else:
            self._last.pop(resource.uid, None)

    def forget(self, uid: str) -> None:
        self._last.pop(uid, None)
        self._refusals.forget(uid)

    async def _read(self, resource: Resource, since: float) -> ApiKey:
        ref, namespace, chain_id = resource.spec.api_key_secret_ref, resource.namespace, resource.spec.chain_id
        if ref is not None:
            return await self._secrets.key(namespace, ref, since)
        if self._own is not None and self.may_use_own(namespace, chain_id):
            return self._own
        why, otherwise = (
            ("the operator has no key of its own", "")
            if self._own is None
            else (
                f"namespace {namespace} may not use the operator's own key for chain {chain_id}",
                f", or have the operator started with {namespace} or {namespace}:{chain_id} in CHAINENV_DEFAULT_KEY_NAMESPACES",
            )
        )
        message = f"{why}: set spec.apiKeySecretRef to a Secret in this namespace{otherwise}"
        raise KeyUnavailableError(Reason.NO_API_KEY, message, NO_KEY_SECONDS)


def _strictly(clock: Callable[[], float]) -> Callable[[], float]:
    """No two moments are the same: what began after something else is known to have."""
    last = -math.inf

    def now() -> float:
        nonlocal last
        last = max(clock(), math.nextafter(last, math.inf))
        return last

    return now


def _type_problem(namespace: str, name: str, secret: Mapping[str, Any]) -> Problem | None:
    """A token of a service account, a certificate or a registry's password is nobody's API key."""
    labels = secret.get("metadata", {}).get("labels") or {}
    if secret.get("type", "Opaque") == "Opaque" or labels.get(LABEL) == "true":
        return None
    label = f"kubectl label secret {name} -n {namespace} {LABEL}=true"
    message = f"Secret {name} is not of type Opaque, so it is not sent to Baseten; if it holds an API key: {label}"
    return Problem(Reason.INVALID_API_KEY, message)


def _value(name: str, key: str, data: Mapping[str, Any]) -> ApiKey | Problem:
    if key not in data:
        return Problem(Reason.SECRET_KEY_NOT_FOUND, f"Secret {name} has no key {key}")
    try:
        return ApiKey(base64.b64decode(data[key], validate=True).decode())
    except (binascii.Error, UnicodeDecodeError, ValueError, TypeError):
        hint = "give the key alone, in printable ASCII without spaces"
        return Problem(Reason.INVALID_API_KEY, f"Secret {name}, key {key}: not a usable API key; {hint}")


def key_in(namespace: str, name: str, key: str, secret: Mapping[str, Any]) -> ApiKey | Problem:
    """The API key that a Secret holds under one of its keys, by the rules that the operator reads Secrets by."""
    return _type_problem(namespace, name, secret) or _value(name, key, secret.get("data") or {})
