"""ChainEnvironments in files: YAML or JSON, many in one file, lists of them, whole directories."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from ..crd.base import API_VERSION, GROUP, KIND
from .errors import CommandError
from .text import text_of

ENDINGS = (".yaml", ".yml", ".json")
"""Of the files of a directory that are read, as kubectl reads them."""


def manifests(sources: tuple[str, ...]) -> list[dict[str, Any]]:
    """In the order of the files; other kinds are left out. Raises CommandError."""
    found: list[dict[str, Any]] = []
    for name, text in (each for source in sources for each in _texts(source)):
        try:
            documents = list(yaml.safe_load_all(text))
        except RecursionError as error:
            raise CommandError(f"{name} is nested too deeply") from error
        except yaml.YAMLError as error:
            mark = getattr(error, "problem_mark", None)
            where = f", line {mark.line + 1}" if mark else ""
            raise CommandError(f"{name}{where} is not YAML: {getattr(error, 'problem', None) or error}") from error
        found += [each for document in documents for each in _ours(name, document)]
    if not found:
        raise CommandError(f"no {KIND} in {', '.join(sources)}: name a file or directory that has some")
    return found


def _texts(source: str) -> Iterator[tuple[str, str]]:
    if source == "-":
        yield "standard input", sys.stdin.read()
        return
    path = Path(source)
    files = sorted(each for each in path.rglob("*") if each.suffix in ENDINGS and each.is_file()) if path.is_dir() else [path]
    for file in files:
        try:
            text = text_of(file)
        except ValueError as problem:
            raise CommandError(f"{file} cannot be read: {problem}") from problem
        yield str(file), text


def _ours(name: str, document: Any) -> Iterator[dict[str, Any]]:
    if not isinstance(document, Mapping):
        return
    if str(document.get("kind", "")).endswith("List") and isinstance(document.get("items"), list):
        for item in document["items"]:
            yield from _ours(name, item)
        return
    if document.get("kind") != KIND or not str(document.get("apiVersion", "")).startswith(f"{GROUP}/"):
        return
    if document["apiVersion"] != API_VERSION:
        raise CommandError(f"{name}: a {KIND} has the apiVersion {document['apiVersion']}: write {API_VERSION}")
    metadata = document.get("metadata")
    if not isinstance(metadata, Mapping) or not metadata.get("name"):
        raise CommandError(f"{name}: a {KIND} has no metadata.name")
    for field in ("name", "namespace"):
        if not isinstance(metadata.get(field, ""), str):
            raise CommandError(f"{name}: metadata.{field} {metadata[field]!r} is not text: write it in quotes")
    notes = metadata.get("annotations") or {}
    if not isinstance(notes, Mapping) or not all(isinstance(each, str) for pair in notes.items() for each in pair):
        raise CommandError(f"{name}: metadata.annotations of {metadata['name']} are not all text: write their values in quotes")
    yield dict(document)
