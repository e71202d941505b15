"""docs/adopting.md, typed as it stands there, into a real cluster with an operator and a simulated Baseten."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from ..cluster.shop import ROOT, commands
from ..integration.harness.fixtures import KEYS
from ..integration.harness.stage import Stage
from .typed import Typed

PAGE = ROOT / "docs" / "adopting.md"


@pytest.fixture
def shell(stage: Stage, typed: Typed, tmp_path: Path) -> dict[str, str]:
    """The environment of somebody who types: chainenv and kubectl on PATH, the namespace in the kubeconfig, no key in it."""
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "chainenv").symlink_to(Path(sys.executable).with_name("chainenv"))
    (programs / "kubectl").symlink_to(stage.cluster.plane.kubectl_program)
    config = yaml.safe_load(stage.cluster.plane.kubeconfig.read_text())
    for context in config["contexts"]:
        context["context"]["namespace"] = stage.namespace
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(yaml.safe_dump(config))
    (tmp_path / "FILE").write_text(KEYS["team"])
    path = os.pathsep.join([str(programs), os.environ.get("PATH", os.defpath)])
    return typed.environment({"PATH": path, "KUBECONFIG": str(kubeconfig)})


def test_every_command_works_and_only_the_last_step_writes(stage: Stage, shell: dict[str, str], tmp_path: Path) -> None:
    stage.run_operator(BASETEN_API_KEY="")
    shown: dict[str, str] = {}
    written: dict[str, int] = {}
    for command in commands(PAGE):
        done = subprocess.run(["/bin/sh", "-c", command], cwd=tmp_path, env=shell, capture_output=True, text=True, check=False, timeout=180)
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        shown[command] = done.stdout
        written[command] = len(stage.sent())
    last = next(command for command in written if "managementPolicy: Reconcile" in command)
    assert written[last] == 0, "nothing is sent while it only observes"
    statuses = [text for command, text in shown.items() if command == "chainenv status production"]
    assert "maxReplica" in statuses[-1]
    assert "wanted 3" in statuses[-1]
    stage.wait_settled("production")
    assert {sent.call for sent in stage.sent()} == {"autoscaling"}
    assert stage.started() == []


def test_the_sample_is_what_is_exported(typed: Typed) -> None:
    key = {"BASETEN_API_KEY": KEYS["default"]}
    arguments = ("--environment", "production", "--policy", "Observe", "--secret", "baseten/api-key")
    exported = yaml.safe_load(typed("export", "--chain", "abcd1234", *arguments, **key).stdout)
    exported["metadata"].pop("namespace")
    assert exported == yaml.safe_load((ROOT / "deploy" / "samples" / "adopted.yaml").read_text())
