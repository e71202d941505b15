"""Who reaches the operator's ports: as the chart's values say."""

from __future__ import annotations

from typing import Any

import pytest

from .shop import Helm

pytestmark = pytest.mark.xdist_group("tools")

SCRAPER = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}
ANYBODY: dict[str, Any] = {"namespaceSelector": {}}


@pytest.mark.parametrize(
    ("values", "peers"),
    [
        ({}, None),
        ({"metricsFrom": [SCRAPER]}, [SCRAPER]),
        ({"metricsFrom": [SCRAPER], "enabled": False}, None),
        ({"enabled": True}, [ANYBODY]),
        ({"enabled": True, "metricsFrom": [SCRAPER]}, [SCRAPER]),
    ],
)
def test_scrapes_and_probes_come_from_whom_the_values_name(helm: Helm, values: dict[str, Any], peers: list[Any] | None) -> None:
    policies = [each for each in helm.with_values({"networkPolicy": values}) if each["kind"] == "NetworkPolicy"]
    if peers is None:
        assert policies == []
        return
    [policy] = policies
    assert policy["spec"]["policyTypes"] == ["Ingress", "Egress"]
    assert policy["spec"]["ingress"] == [
        {"ports": [{"port": "metrics", "protocol": "TCP"}, {"port": "probes", "protocol": "TCP"}], "from": peers}
    ]
