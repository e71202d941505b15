"""What an object becomes when a manifest is applied to it. Pure: what the last manifest had and this one has not is removed, what others
have set stays. Where kubectl applied the last one by itself, a list is replaced as a whole, as kubectl does it for a custom resource; where
the API server did (server-side apply, as Flux does it), lists that are maps are merged by their key."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from .view import Object, annotation, items, part, spec

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
_KEYED = {"chainletSettings": "chainletName", "autoscalingSchedules": "name"}
"""Lists that are maps by a field (x-kubernetes-list-type: map)."""

Json = dict[str, Any]


def applied(manifest: Object, live: Object | None, namespace: str, now: datetime) -> Json:
    """The object as the API server would hold it, with the live one's status. ``now``: when it is applied."""
    wanted = _without_null(spec(manifest))
    meta = {"namespace": namespace, "name": str(part(manifest, "metadata")["name"])}
    given = part(manifest, "metadata", "annotations")
    if live is None:
        new = {"uid": "", "generation": 1, "creationTimestamp": now.isoformat(), "annotations": dict(given)}
        return {"metadata": {**meta, **new}, "spec": wanted}
    last, keyed = _last_spec(live)
    merged = _merged(spec(live), last, wanted, keyed)
    generation = int(live["metadata"].get("generation", 1)) + (merged != spec(live))
    annotations = {**part(live, "metadata", "annotations"), **given}
    metadata = {**live["metadata"], "generation": generation, "annotations": annotations}
    return {**live, "metadata": metadata, "spec": merged}


def _last_spec(live: Object) -> tuple[Object, Mapping[str, str]]:
    """Of the last manifest, values or not, and the lists that are merged."""
    try:
        if text := annotation(live, LAST_APPLIED):
            return spec(json.loads(text)), {}
    except ValueError:
        return {}, {}
    entries = [each for each in items(part(live, "metadata"), "managedFields") if each.get("operation") == "Apply"]
    owned: Json = {}
    for each in entries:
        _add_owned(owned, part(each, "fieldsV1", "f:spec"))
    return owned, _KEYED if entries else {}


def _add_owned(owned: Json, fields: Object) -> None:
    """Names of fields as managedFields has them: ``f:name``, and ``k:{"chainletName":"A"}`` for an entry of a list."""
    for written, inner in fields.items():
        kind, _, name = written.partition(":")
        if kind != "f" or not isinstance(inner, Mapping):
            continue
        if any(each.startswith("k:") for each in inner):
            entries = owned.setdefault(name, [])
            for key, of_entry in inner.items():
                if key.startswith("k:"):
                    entry = json.loads(key[2:])
                    _add_owned(entry, of_entry)
                    entries.append(entry)
        else:
            _add_owned(owned.setdefault(name, {}), inner)


def _without_null(value: Any) -> Any:
    """A null is nothing that was said."""
    if isinstance(value, Mapping):
        return {name: _without_null(each) for name, each in value.items() if each is not None}
    return [_without_null(each) for each in value] if isinstance(value, list) else value


def _merged(live: Object, last: Object, wanted: Object, keyed: Mapping[str, str]) -> Json:
    out = {name: value for name, value in live.items() if name in wanted or name not in last}
    for name, value in wanted.items():
        before, said = live.get(name), last.get(name)
        if isinstance(value, Mapping) and isinstance(before, Mapping):
            out[name] = _merged(before, said if isinstance(said, Mapping) else {}, value, keyed)
        elif name in keyed and isinstance(value, list) and isinstance(before, list):
            lists = (before, said if isinstance(said, list) else [], value)
            lives, lasts, wants = ({each.get(keyed[name]): each for each in entries if isinstance(each, Mapping)} for entries in lists)
            kept = [each for key, each in lives.items() if key not in wants and key not in lasts]
            out[name] = [_merged(lives.get(key, {}), lasts.get(key, {}), each, keyed) for key, each in wants.items()] + kept
        else:
            out[name] = value
    return out
