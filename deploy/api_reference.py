"""docs/api-reference.md, made from the CRD: each field with its type, limits and description, and the rules across fields."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import yaml

Json = dict[str, Any]

HEAD = """<!-- Made by `make generate` from crds/; do not edit. -->
# API reference

`{kind}`, group `{group}`, version `{version}`. Short names: {short}. `kubectl explain chenv.spec` shows the same.

What each field of Baseten's API is called here: [field mapping](field-mapping.md).
"""


def reference(crd: str) -> str:
    spec: Json = yaml.safe_load(crd)["spec"]
    names, [version] = spec["names"], [each for each in spec["versions"] if each["storage"]]
    schema = version["schema"]["openAPIV3Schema"]["properties"]
    short = ", ".join(f"`{name}`" for name in names.get("shortNames", ()))
    parts = [HEAD.format(kind=names["kind"], group=spec["group"], version=version["name"], short=short)]
    for name in ("spec", "status"):
        parts.append(f"## {name}\n\n{_cell(schema[name].get('description', ''))}\n\n" + _table(schema[name]))
        rules = list(_rules(schema[name], name))
        if rules:
            parts.append("Rules of the API server, with what it answers:\n\n" + "".join(f"- `{path}`: {text}\n" for path, text in rules))
    parts.append("## Printed columns\n\n" + _columns(version.get("additionalPrinterColumns", ())))
    return "\n".join(parts)


def _table(schema: Json) -> str:
    rows = "".join(f"| `{path}` | {kind} | {text} |\n" for path, kind, text in _rows(schema, ""))
    return f"| field | type | |\n|---|---|---|\n{rows}"


def _rows(schema: Json, prefix: str) -> Iterator[tuple[str, str, str]]:
    required = schema.get("required", ())
    for name, field in schema.get("properties", {}).items():
        items = field.get("items")
        path = f"{prefix}{name}" + ("[]" if items else "")
        more = "required" if name in required else ""
        yield path, ", ".join(filter(None, [_type(field), *_limits(items or field), more])), _cell(field.get("description", ""))
        yield from _rows(items or field, f"{path}.")


def _type(field: Json) -> str:
    kind = "integer or string" if field.get("x-kubernetes-int-or-string") else field.get("type", "any")
    return f"list of {_type(field['items'])}" if kind == "array" else str(field.get("format", kind))


def _limits(field: Json) -> Iterator[str]:
    if "enum" in field:
        yield " \\| ".join(f"`{value}`" for value in field["enum"])
    low, high = field.get("minimum"), field.get("maximum")
    if low is not None and high is not None:
        yield f"{low} to {high}"
    elif low is not None or high is not None:
        yield f"at least {low}" if low is not None else f"at most {high}"
    if "maxLength" in field:
        yield f"up to {field['maxLength']} characters"


def _rules(schema: Json, path: str) -> Iterator[tuple[str, str]]:
    for rule in schema.get("x-kubernetes-validations", ()):
        yield path, _cell(rule.get("message", rule["rule"]))
    for name, field in schema.get("properties", {}).items():
        yield from _rules(field, f"{path}.{name}")
    if "items" in schema:
        yield from _rules(schema["items"], f"{path}[]")


def _columns(columns: list[Json]) -> str:
    rows = "".join(
        f"| {column['name']} | `{_cell(column['jsonPath'])}` | {'`-o wide`' if column.get('priority') else ''} |\n" for column in columns
    )
    return f"| column | from | |\n|---|---|---|\n{rows}"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
