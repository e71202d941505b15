"""Baseten's API key: BASETEN_API_KEY, else --api-key-file, else the Secret that a resource names, read with the user's own rights."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from ..api import ApiKey
from ..crd.types import SecretKeyRef
from ..kube.cluster import ClusterError
from ..kube.secrets import Problem, key_in
from .cluster import Resources, connected
from .commands import named
from .errors import CommandError
from .options import Options
from .text import text_of
from .view import Object, spec

VARIABLE = "BASETEN_API_KEY"
_ADVICE = f"set {VARIABLE}, or give --api-key-file"


@dataclass(frozen=True, slots=True)
class Found:
    """A key and the words for where it comes from."""

    key: ApiKey
    where: str


def given_key(file: Path | None) -> Found | None:
    """From the environment or the file; None when there is neither. Raises CommandError for what is no key."""
    if text := os.environ.get(VARIABLE):
        return _usable(text, VARIABLE)
    if file is None:
        return None
    try:
        return _usable(text_of(file), str(file))
    except ValueError as problem:
        raise CommandError(f"the key file {file} cannot be read: {problem}") from None


def _usable(text: str, where: str) -> Found:
    try:
        return Found(ApiKey(text), where)
    except ValueError as error:
        raise CommandError(f"{where} cannot be used: {error}") from None


async def key_of(resources: Resources, resource: Object, file: Path | None) -> Found:
    """For the environment of a resource."""
    found = given_key(file)
    if found is not None:
        return found
    ref = _ref(resource)
    if ref is None:
        raise CommandError(f"{named(resource)} names no Secret (it uses the operator's own key): {_ADVICE}")
    return await secret_key(resources, resource["metadata"]["namespace"], ref)


async def key_for_chain(options: Options, chain_id: str, file: Path | None, ref: SecretKeyRef | None = None) -> Found:
    """For a chain: without a key given, that of ``ref``, else that of a resource of the chain in the namespace."""
    found = given_key(file)
    if found is not None:
        return found
    async with connected(options) as resources:
        if ref is not None:
            return await secret_key(resources, resources.namespace, ref)
        for resource in await resources.list():
            named_ref = _ref(resource)
            if named_ref is not None and spec(resource).get("chainID") == chain_id:
                return await secret_key(resources, resource["metadata"]["namespace"], named_ref)
    raise CommandError(f"no API key: {_ADVICE} (no ChainEnvironment of chain {chain_id} names a Secret in namespace {resources.namespace})")


def _ref(resource: Object) -> SecretKeyRef | None:
    written = spec(resource).get("apiKeySecretRef")
    try:
        return SecretKeyRef.model_validate(written) if written else None
    except ValidationError:
        return None


async def secret_key(resources: Resources, namespace: str, ref: SecretKeyRef) -> Found:
    try:
        secret = await resources.secret(namespace, ref.name)
    except ClusterError as error:
        problem = "there is none" if error.status == 404 else error.message
        raise CommandError(f"cannot read Secret {ref.name} in namespace {namespace}: {problem} ({_ADVICE})") from error
    found = key_in(namespace, ref.name, ref.key, secret)
    if isinstance(found, Problem):
        raise CommandError(f"{found.message} ({_ADVICE})")
    return Found(found, f"Secret {ref.name}, key {ref.key}")
