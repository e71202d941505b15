"""Names of the resource, and what its types have in common."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict

GROUP = "chains.baseten.co"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"
KIND = "ChainEnvironment"
PLURAL = "chainenvironments"

FINALIZER = f"{GROUP}/deactivate"
RECONCILE_ANNOTATION = f"{GROUP}/reconcile-requested-at"
ABANDON_ANNOTATION = f"{GROUP}/abandon"
APPROVE_ANNOTATION = f"{GROUP}/approve"
ABORT_ANNOTATION = f"{GROUP}/abort-rollout"

ENVIRONMENT_NAME_PATTERN = r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?$"
"""Safe for Baseten (API.md, "Environments"); the longest name it takes is not published."""

_WORDS = {"id": "ID", "mib": "MiB", "usd": "USD"}


def kubernetes_name(name: str) -> str:
    """``chain_id`` -> ``chainID``: camelCase with initialisms kept whole (Kubernetes API conventions)."""
    first, *rest = name.split("_")
    return first + "".join(_WORDS.get(word, word.capitalize()) for word in rest)


def rule(expression: str, message: str) -> dict[str, Any]:
    """One CEL rule of the CRD."""
    return {"rule": expression, "message": message}


def checks(*rules: dict[str, Any]) -> dict[str, Any]:
    return {"x-kubernetes-validations": list(rules)}


class Part(BaseModel):
    """Base of every type here. Unknown fields are left out, so a newer version's object can still be read."""

    model_config = ConfigDict(frozen=True, populate_by_name=True, alias_generator=kubernetes_name, extra="ignore")
