"""Baseten API keys: from Secrets (``get`` alone, kept at most a minute) and from the operator's own setting."""

from __future__ import annotations

import base64
import binascii
import time
from dataclasses import dataclass
from typing import Any

from ..api import ApiKey
from ..core.reasons import Reason
from ..core.world import Resource
from ..crd.types import SecretKeyRef
from ..engine.ports import KeyUnavailableError
from ..settings import KeyGrants
from .cluster import Cluster, ClusterError, path

KEPT_SECONDS = 60.0
LOOK_SECONDS = 3.0
"""How often a Secret is looked at while somebody waits for a good key in it."""
FIRST_RETRY_SECONDS = 60.0
LAST_RETRY_SECONDS = 900.0
"""Between tries of a key that Baseten refuses; doubled from the first to the last."""


@dataclass(slots=True)
class _Refusal:
    """A key that Baseten does not take, until it does."""

    retry_at: float
    wait: float


class SecretKeys:
    """Implements engine.ports.Keys."""

    def __init__(self, cluster: Cluster, own: ApiKey | None, grants: KeyGrants) -> None:
        self._cluster = cluster
        self._own = own
        self._grants = grants
        self._values: dict[tuple[str, str], tuple[float, dict[str, Any] | None]] = {}
        self._refusals: dict[str, _Refusal] = {}

    async def key_for(self, resource: Resource, *, fresh: bool) -> ApiKey:
        ref = resource.spec.api_key_secret_ref
        if fresh and ref is not None:
            self._values.pop((resource.namespace, ref.name), None)
        key = self._own_key(resource) if ref is None else await self._from_secret(resource.namespace, ref)
        refusal = self._refusals.get(key.fingerprint)
        now = time.monotonic()
        if refusal is None or fresh:
            return key
        if now < refusal.retry_at:
            where = f"Secret {ref.name}, key {ref.key}" if ref else "the operator's BASETEN_API_KEY"
            raise KeyUnavailableError(
                Reason.CREDENTIALS_REFUSED,
                f"Baseten refuses the API key in {where}: put a valid key there (it is noticed within seconds)",
                LOOK_SECONDS if ref else refusal.retry_at - now,
            )
        refusal.retry_at = now + LOOK_SECONDS  # this caller tries; the others wait for what comes of it
        return key

    def refused(self, resource: Resource, key: ApiKey) -> None:
        ref = resource.spec.api_key_secret_ref
        if ref is not None:
            self._values.pop((resource.namespace, ref.name), None)
        old = self._refusals.get(key.fingerprint)
        now = time.monotonic()
        wait = (
            FIRST_RETRY_SECONDS
            if old is None
            else min(old.wait * 2, LAST_RETRY_SECONDS)
            if now >= old.retry_at - LOOK_SECONDS
            else old.wait
        )
        self._refusals[key.fingerprint] = _Refusal(now + wait, wait)

    def accepted(self, key: ApiKey) -> None:
        self._refusals.pop(key.fingerprint, None)

    def _own_key(self, resource: Resource) -> ApiKey:
        namespace, chain_id = resource.namespace, resource.spec.chain_id
        if self._own is not None and self._grants.allows(namespace, chain_id):
            return self._own
        why, otherwise = (
            ("the operator has no key of its own", "")
            if self._own is None
            else (
                f"namespace {namespace} may not use the operator's own key for chain {chain_id}",
                f", or have the operator started with {namespace} or {namespace}:{chain_id} in CHAINENV_DEFAULT_KEY_NAMESPACES",
            )
        )
        raise KeyUnavailableError(Reason.NO_API_KEY, f"{why}: set spec.apiKeySecretRef to a Secret in this namespace{otherwise}", 300.0)

    async def _from_secret(self, namespace: str, ref: SecretKeyRef) -> ApiKey:
        data = await self._data(namespace, ref)
        if data is None:
            raise _waiting(
                Reason.SECRET_NOT_FOUND,
                f"Secret {ref.name} is not in namespace {namespace}: kubectl create secret generic {ref.name} -n {namespace}"
                f" --from-file={ref.key}=FILE",
            )
        if ref.key not in data:
            there = ", ".join(sorted(data)) or "none"
            raise _waiting(Reason.SECRET_KEY_NOT_FOUND, f"Secret {ref.name} has no key {ref.key} (its keys: {there})")
        try:
            return ApiKey(base64.b64decode(data[ref.key], validate=True).decode())
        except (binascii.Error, UnicodeDecodeError):
            problem = "the value is not text"
        except ValueError as error:
            problem = str(error)
        raise _waiting(Reason.INVALID_API_KEY, f"Secret {ref.name}, key {ref.key}: {problem}")

    async def _data(self, namespace: str, ref: SecretKeyRef) -> dict[str, Any] | None:
        """The Secret's data, None when there is no such Secret. A look is shared by all who ask within the time it is kept."""
        kept = self._values.get((namespace, ref.name))
        now = time.monotonic()
        if kept is not None and now - kept[0] < (
            KEPT_SECONDS if kept[1] and ref.key in kept[1] and not self._doubted(kept[1][ref.key]) else LOOK_SECONDS
        ):
            return kept[1]
        try:
            secret = await self._cluster.request("GET", path("api", "v1", "namespaces", namespace, "secrets", ref.name))
        except ClusterError as error:
            if error.status == 403:
                message = f"the operator may not read Secret {ref.name} in namespace {namespace}: {error.message}"
                raise _waiting(Reason.SECRET_NOT_FOUND, message) from None
            if error.status != 404:
                raise
            self._values[namespace, ref.name] = (now, None)
            return None
        data: dict[str, Any] = secret.get("data") or {}
        self._values[namespace, ref.name] = (now, data)
        return data

    def _doubted(self, encoded: str) -> bool:
        """Whether Baseten refuses the value just now, or it is no key at all: then it is looked at more often."""
        try:
            return ApiKey(base64.b64decode(encoded).decode()).fingerprint in self._refusals
        except ValueError:
            return True


def _waiting(reason: Reason, message: str) -> KeyUnavailableError:
    return KeyUnavailableError(reason, message, LOOK_SECONDS)
