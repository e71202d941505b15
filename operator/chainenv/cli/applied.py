"""What an object becomes when a manifest is applied to it. Pure, and as kubectl does it: what the last manifest had and this one has not
is removed, what others have set stays."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from .view import Object, annotation, part, spec

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
_KEYED = {"chainletSettings": "chainletName"}
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
    merged = _merged(spec(live), _last_spec(live), wanted)
    generation = int(live["metadata"].get("generation", 1)) + (merged != spec(live))
    annotations = {**part(live, "metadata", "annotations"), **given}
    metadata = {**live["metadata"], "generation": generation, "annotations": annotations}
    return {**live, "metadata": metadata, "spec": merged}


def _last_spec(live: Object) -> Object:
    try:
        return spec(json.loads(annotation(live, LAST_APPLIED) or "{}"))
    except ValueError:
        return {}


def _without_null(value: Any) -> Any:
    """A null is nothing that was said."""
    if isinstance(value, Mapping):
        return {name: _without_null(each) for name, each in value.items() if each is not None}
    return [_without_null(each) for each in value] if isinstance(value, list) else value


def _merged(live: Object, last: Object, wanted: Object) -> Json:
    out = {name: value for name, value in live.items() if name in wanted or name not in last}
    for name, value in wanted.items():
        before, said = live.get(name), last.get(name)
        if isinstance(value, Mapping) and isinstance(before, Mapping):
            out[name] = _merged(before, said if isinstance(said, Mapping) else {}, value)
        elif name in _KEYED and isinstance(value, list) and isinstance(before, list):
            out[name] = _merged_list(before, said if isinstance(said, list) else [], value, _KEYED[name])
        else:
            out[name] = value
    return out


def _merged_list(live: list[Any], last: list[Any], wanted: list[Any], key: str) -> list[Any]:
    by = [{each.get(key): each for each in entries if isinstance(each, Mapping)} for entries in (live, last, wanted)]
    lives, lasts, wants = by
    kept = [each for name, each in lives.items() if name not in wants and name not in lasts]
    return [_merged(lives.get(name, {}), lasts.get(name, {}), each) for name, each in wants.items()] + kept
