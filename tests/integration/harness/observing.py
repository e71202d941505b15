"""What many cases at once need, and what the API server's audit log records of the operator."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping

from .case import Case
from .cluster import OPERATOR, Cluster, Json
from .stage import Stage


def together(resources: Iterable[Json]) -> Json:
    """One manifest of many: each kubectl costs a tenth of a second."""
    return {"apiVersion": "v1", "kind": "List", "items": list(resources)}


def secret(name: str, **data: str) -> Json:
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": data}


def edit_status(case: Case, status: Json | None) -> None:
    """As ``kubectl edit --subresource=status`` does it."""
    case.kubectl("patch", "chenv", case.name, "--subresource=status", "--type=merge", "-p", json.dumps({"status": status}))


def version(case: Case) -> str:
    """Another one after every write."""
    found: str = case.see()["metadata"]["resourceVersion"]
    return found


def reported(case: Case) -> Mapping[str, int]:
    """How often each event was reported, by reason and message."""
    return {f"{each['reason']}: {each['message']}": each["count"] for each in case.events()}


def audited(cluster: Cluster, kind: str) -> list[Json]:
    """What the operator ever asked of the API server about objects of this kind."""
    assert cluster.plane.audit_log is not None
    entries = map(json.loads, cluster.plane.audit_log.read_text().splitlines())
    return [e for e in entries if e["user"]["username"] == OPERATOR.name and e.get("objectRef", {}).get("resource") == kind]


def status_writes(stage: Stage, name: str) -> int:
    """How often the operator has written this resource."""
    mine = [e for e in audited(stage.cluster, "chainenvironments") if e["objectRef"].get("namespace") == stage.namespace]
    return sum(e["objectRef"].get("name") == name and e["verb"] in ("update", "patch") for e in mine)
