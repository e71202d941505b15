"""The chart's values.yaml as a table for people and as a JSON schema for helm: one source for both."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

Json = dict[str, Any]

SCHEMA = "@schema "
DEFS: Json = {
    "seconds": {"type": ["number", "null"], "exclusiveMinimum": 0, "maximum": 86400},
    "namespaces": {
        "type": "array",
        "uniqueItems": True,
        "items": {"type": "string", "pattern": "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", "maxLength": 63},
    },
    "grants": {
        "type": "array",
        "uniqueItems": True,
        "items": {"type": "string", "pattern": r"^(\*|[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?(:[A-Za-z0-9_-]{1,128})?)$"},
    },
    "duration": {"type": "string", "pattern": "^([0-9]+(ms|s|m|h))+$"},
    "amount": {"anyOf": [{"type": "integer", "minimum": 0}, {"type": "string", "pattern": "^[0-9]+%$"}]},
    "pullSecrets": {
        "type": "array",
        "items": {
            "anyOf": [
                {"type": "string", "minLength": 1},
                {
                    "type": "object",
                    "additionalProperties": False,
                    "properties": {"name": {"type": "string", "minLength": 1}},
                    "required": ["name"],
                },
            ]
        },
    },
}
TYPES = {bool: "boolean", int: "integer", float: "number", str: "string", list: "array", dict: "object", type(None): "null"}


class Values:
    """values.yaml with its comments. A mapping without a comment of its own is a group; each value below it has one."""

    def __init__(self, text: str) -> None:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        assert isinstance(root, yaml.MappingNode)
        self._root = root
        self._lines = text.splitlines()

    def table(self) -> Iterator[tuple[str, str, str]]:
        """Name, default and description of each value. Raises SystemExit for a value without a comment."""
        yield from self._rows(self._root, "")

    def schema(self, renamed: Mapping[str, str]) -> Json:
        """What helm accepts: the values here, of their types, and the old names, which a template refuses with the new ones."""
        found = self._group(self._root)
        for old in renamed:
            *groups, name = old.split(".")
            within = found
            for group in groups:
                within = within["properties"][group]
            within["properties"][name] = {"description": f"Renamed: {renamed[old]}"}
        found["properties"]["global"]["additionalProperties"] = True  # other charts of the release have theirs there
        head = {"$schema": "http://json-schema.org/draft-07/schema#", "title": "Values of chainenv-operator"}
        return {**head, **found, "$defs": DEFS}

    def _rows(self, node: yaml.MappingNode, prefix: str) -> Iterator[tuple[str, str, str]]:
        for key, value in node.value:
            name, (text, _) = prefix + key.value, self._comment(key.start_mark.line)
            if self._is_group(value, text):
                yield from self._rows(value, f"{name}.")
            elif not text:
                raise SystemExit(f"values.yaml: {name} has no comment")
            else:
                yield name, _shown(_plain(value)), text

    def _group(self, node: yaml.MappingNode) -> Json:
        properties: Json = {}
        for key, value in node.value:
            text, more = self._comment(key.start_mark.line)
            is_group = self._is_group(value, text)
            properties[key.value] = self._group(value) if is_group else {"description": text, **_typed(_plain(value), more)}
        return {"type": "object", "additionalProperties": False, "properties": properties}

    def _is_group(self, value: yaml.Node, text: str) -> bool:
        return isinstance(value, yaml.MappingNode) and bool(value.value) and not text

    def _comment(self, line: int) -> tuple[str, Json]:
        """The description above a line, and what its `@schema` says."""
        words: list[str] = []
        schema: Json = {}
        while line > 0 and self._lines[line - 1].strip().startswith("#"):
            line -= 1
            text = self._lines[line].strip().removeprefix("#").strip()
            if text.startswith(SCHEMA):
                schema = json.loads(text.removeprefix(SCHEMA))
            else:
                words.insert(0, text)
        return " ".join(words), schema


def _typed(default: Any, more: Json) -> Json:
    """The type of the default, unless `more` names another one; an object without fields holds strings."""
    if more.keys() & {"$ref", "anyOf", "type", "enum"}:
        return more
    strings = {"additionalProperties": {"type": "string"}} if isinstance(default, dict) and not default else {}
    return {"type": TYPES[type(default)], **strings, **more}


def _plain(node: yaml.Node) -> Any:
    return yaml.SafeLoader("").construct_document(node)


def _shown(default: Any) -> str:
    return "" if default in ("", None, [], {}) else f"`{json.dumps(default) if not isinstance(default, str) else default}`"
