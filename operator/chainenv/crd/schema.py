"""From the types to the CustomResourceDefinition (``chainenv crd``)."""

from __future__ import annotations

from typing import Any

import yaml

from .types import GROUP, KIND, PLURAL, VERSION, ChainEnvironment

JsonSchema = dict[str, Any]

_COLUMNS: tuple[tuple[str, str, str, int], ...] = (
    ("Chain", "string", ".spec.chainID", 0),
    ("Environment", "string", ".status.environment.name", 0),
    ("Deployment", "string", ".status.currentDeployment.id", 0),
    ("Status", "string", ".status.state", 0),
    ("Replicas", "integer", ".status.activeReplicas", 0),
    ("Synced", "string", '.status.conditions[?(@.type=="Synced")].status', 0),
    ("Ready", "string", '.status.conditions[?(@.type=="Ready")].status', 0),
    ("Age", "date", ".metadata.creationTimestamp", 0),
    ("Candidate", "string", ".status.candidateDeployment.id", 1),
    ("Cost", "string", ".status.cost.perHour", 1),
    ("Reason", "string", ".status.reason", 1),
    ("Message", "string", ".status.message", 1),
)

_SELECTABLE = (".spec.chainID", ".spec.environmentName")
"""For ``kubectl get --field-selector``; an API server before 1.31 leaves them out."""


def _structural(node: Any, definitions: JsonSchema) -> Any:
    """Pydantic's JSON schema as a structural one: references inlined, ``X | None`` as X, no titles, no null defaults."""
    if isinstance(node, list):
        return [_structural(item, definitions) for item in node]
    if not isinstance(node, dict):
        return node
    if "$ref" in node:
        target = definitions[node["$ref"].rsplit("/", 1)[1]]
        return _structural({**target, **{k: v for k, v in node.items() if k != "$ref"}}, definitions)
    if "anyOf" in node:
        (chosen,) = [option for option in node["anyOf"] if option.get("type") != "null"]
        return _structural({**chosen, **{k: v for k, v in node.items() if k != "anyOf"}}, definitions)
    out: JsonSchema = {}
    for key, value in node.items():
        if key in ("title", "additionalProperties", "const") or ((key == "default" and value in (None, 1, 0, ())) or value == []):
            continue
        if key == "properties":
            out[key] = {name: _structural(child, definitions) for name, child in value.items()}
        else:
            out[key] = _structural(value, definitions) if key in ("items",) else value
    if "const" in node:
        out["enum"] = [node["const"]]
    if out.get("type") == "integer":
        out["format"] = "int64"
    return out


def spec_schema() -> JsonSchema:
    """The OpenAPI v3 schema of the whole resource."""
    raw = ChainEnvironment.model_json_schema(by_alias=True)
    schema: JsonSchema = _structural({k: v for k, v in raw.items() if k != "$defs"}, raw.get("$defs", {}))
    schema["properties"] = {
        "apiVersion": {"type": "string", "description": "Version of this representation of the object."},
        "kind": {"type": "string", "description": "Kind of the object."},
        "metadata": {"type": "object"},
        **schema["properties"],
    }
    return schema


def custom_resource_definition() -> JsonSchema:
    """The CRD as ``kubectl apply`` takes it."""
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {
            "name": f"{PLURAL}.{GROUP}",
            "labels": {"app.kubernetes.io/name": "chainenv-operator", "app.kubernetes.io/part-of": "chainenv"},
        },
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": {
                "kind": KIND,
                "listKind": f"{KIND}List",
                "plural": PLURAL,
                "singular": KIND.lower(),
                "shortNames": ["chenv", "chainenv"],
                "categories": ["baseten"],
            },
            "versions": [
                {
                    "name": VERSION,
                    "served": True,
                    "storage": True,
                    "subresources": {"status": {}},
                    "additionalPrinterColumns": [
                        {"name": name, "type": kind, "jsonPath": path, **({"priority": priority} if priority else {})}
                        for name, kind, path, priority in _COLUMNS
                    ],
                    "selectableFields": [{"jsonPath": path} for path in _SELECTABLE],
                    "schema": {"openAPIV3Schema": spec_schema()},
                }
            ],
        },
    }


def as_yaml() -> str:
    """The CRD's file under ``crds/``, byte for byte."""
    text = yaml.safe_dump(custom_resource_definition(), sort_keys=False, width=120, allow_unicode=True)
    return "# Made by `make generate` from operator/chainenv/crd/types.py; do not edit.\n" + text
