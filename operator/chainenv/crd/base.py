"""Names of the resource, and what its types have in common."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

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

ENVIRONMENT_NAME_PATTERN = r"[a-z0-9]([a-z0-9-]*[a-z0-9])?"
"""Safe for Baseten, whose own rule is not published (docs/baseten-api.md, "Names and ids")."""

_WORDS = {"id": "ID", "mib": "MiB", "usd": "USD"}


def kubernetes_name(name: str) -> str:
    """``chain_id`` -> ``chainID``: camelCase with initialisms kept whole (Kubernetes API conventions)."""
    first, *rest = name.split("_")
    return first + "".join(_WORDS.get(word, word.capitalize()) for word in rest)


@dataclass(frozen=True, slots=True)
class Written:
    """How a text has to be written: ``pattern`` matches all of it, ``message`` says what to write; at most ``longest`` characters.

    The API server answers with the message. A schema's own ``pattern`` would show its regular expression instead, so the CRD has
    a rule; ``pattern`` must mean the same in RE2 and here. The maximum keeps the estimated cost of the rule low.
    """

    pattern: str
    message: str
    longest: int

    def check(self, value: str) -> str:
        """Raises PydanticCustomError. For objects that were stored by another version's CRD."""
        if len(value) > self.longest or not re.fullmatch(self.pattern, value):
            raise PydanticCustomError("written", "{message}", {"message": self.message})
        return value

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self.check, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {**handler(schema), "maxLength": self.longest, **checks(rule(f"self.matches(r'^({self.pattern})$')", self.message))}


def rule(expression: str, message: str) -> dict[str, Any]:
    """One CEL rule of the CRD."""
    return {"rule": expression, "message": message}


def checks(*rules: dict[str, Any]) -> dict[str, Any]:
    return {"x-kubernetes-validations": list(rules)}


class Part(BaseModel):
    """Base of every type here. Unknown fields are left out, so a newer version's object can still be read."""

    model_config = ConfigDict(frozen=True, populate_by_name=True, alias_generator=kubernetes_name, extra="ignore")
