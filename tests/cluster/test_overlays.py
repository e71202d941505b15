"""kustomize's overlays and the chart say the same, each in its own words."""

from __future__ import annotations

from typing import Any

import pytest

from .shop import DEPLOY, OVERLAYS, VALUES, Helm, Json, built, identity

BASE = DEPLOY / "kustomize" / "base"
OF_THE_TOOL = ("app.kubernetes.io/instance", "app.kubernetes.io/managed-by", "app.kubernetes.io/version", "helm.sh/chart")

pytestmark = pytest.mark.xdist_group("cluster")


def substance(things: list[Json]) -> dict[tuple[str, str, str], Json]:
    """Without the labels that tell which tool made them, without the Namespace (helm makes none), lists in one order."""
    return {identity(each): _plain(each) for each in things if each["kind"] != "Namespace"}


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        kept = {k: _plain(v) for k, v in value.items() if k not in (*OF_THE_TOOL, "app.kubernetes.io/part-of", "app.kubernetes.io/name")}
        return {k: v for k, v in kept.items() if v not in ({}, None) or k in ("namespaceSelector", "emptyDir")}
    if isinstance(value, list):
        return sorted((_plain(each) for each in value), key=repr)
    return value.strip() if isinstance(value, str) else value


@pytest.mark.parametrize("name", ["base", "namespaced", "high-availability", "monitoring"])
def test_the_same_in_substance(helm: Helm, name: str) -> None:
    chart = substance(helm.rendered(f"--values={VALUES / name}.yaml"))
    kustomize = substance(built(BASE if name == "base" else OVERLAYS / name))
    assert chart.keys() == kustomize.keys()
    for key in chart:
        assert chart[key] == kustomize[key], key


def test_selectors_find_the_pods(helm: Helm) -> None:
    """What the comparison leaves out: a label that is selected by is on the pods."""
    for things in (
        built(OVERLAYS / "high-availability"),
        built(OVERLAYS / "monitoring"),
        helm.rendered("--set=podDisruptionBudget.enabled=true"),
    ):
        [deployment] = [each for each in things if each["kind"] == "Deployment"]
        labels = deployment["spec"]["template"]["metadata"]["labels"].items()
        selectors = [deployment["spec"]["selector"]["matchLabels"]]
        selectors += [each["spec"]["selector"]["matchLabels"] for each in things if each["kind"] == "PodDisruptionBudget"]
        selectors += [each["spec"]["podSelector"]["matchLabels"] for each in things if each["kind"] == "NetworkPolicy"]
        services = [each for each in things if each["kind"] == "Service"]
        selectors += [each["spec"]["selector"] for each in services]
        assert all(selector.items() <= labels for selector in selectors)
        for monitor in (each for each in things if each["kind"] == "ServiceMonitor"):
            [service] = services
            assert monitor["spec"]["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
