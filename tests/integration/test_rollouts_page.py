"""The manifests of docs/rollouts.md, as they are written there."""

from __future__ import annotations

import re

import pytest
import yaml

from .harness.cluster import ROOT, SAMPLES, Json
from .harness.manifests import CHAIN
from .harness.stage import Stage, is_settled

PAGE = (ROOT / "docs" / "rollouts.md").read_text(encoding="utf-8")


def written(heading: str) -> list[Json]:
    """The resources under a heading."""
    section = PAGE.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    return [each for block in re.findall(r"```yaml\n(.*?)```", section, re.DOTALL) for each in yaml.safe_load_all(block)]


def applied(stage: Stage, manifests: list[Json]) -> None:
    for each in manifests:
        stage.apply(each)


def newest(seen: Json) -> Json:
    found: Json = next(iter(seen["status"].get("history", ())), {})
    return found


def test_by_id_in_git(stage: Stage) -> None:
    stage.simulator.add_deployment(CHAIN, active=True, deployment_id="dep123")
    stage.run_operator()
    applied(stage, written("By id in Git"))
    stage.wait_for("promoted", lambda seen: is_settled(seen) and newest(seen).get("source") == "dep123", name="production")


def test_following_staging(stage: Stage) -> None:
    stage.simulator.add_environment(CHAIN, "staging", deployed=True)
    stage.simulator.add_deployment(CHAIN, environment="production", active=True)
    stage.run_operator()
    applied(stage, written("Following staging"))
    stage.wait_for("it waits", lambda seen: seen["status"].get("rollout", {}).get("waitsFor") == "Soak", name="production")
    serving = newest(stage.see("staging"))["deploymentID"]
    assert stage.sent() == []
    _, production = written("Following staging")
    production["spec"]["promoteFrom"]["soakSeconds"] = 1
    stage.apply(production)
    stage.wait_for("promoted", lambda seen: is_settled(seen) and newest(seen).get("source") == serving, name="production")


@pytest.mark.parametrize("heading", ["By hand, in a window", "Cleaning up"])
def test_the_api_server_takes_the_others(stage: Stage, heading: str) -> None:
    manifests = written(heading)
    applied(stage, manifests)
    assert stage.see("production")["spec"] == manifests[0]["spec"]


def test_the_pipeline_of_the_samples(stage: Stage) -> None:
    stage.simulator.add_environment(CHAIN, "dev", deployed=True)
    stage.simulator.add_environment(CHAIN, "staging", deployed=True)
    stage.simulator.add_deployment(CHAIN, environment="production", active=True)
    stage.run_operator()
    stage.apply(SAMPLES / "pipeline.yaml")
    stage.wait_for("staging took what dev serves", lambda seen: newest(seen).get("cause") == "Promotion", name="staging")
    stage.wait_for("production soaks", lambda seen: seen["status"].get("rollout", {}).get("waitsFor") == "Soak", name="production")
