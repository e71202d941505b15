"""The command as a user runs it: a process, its output, a signal."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from pathlib import Path

import httpx
import pytest
import yaml

from chainenv_sandbox.controlplane import ensure_kubectl

from .helpers import Run, process_arguments, wait_for

CRD = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "things.example.org"},
    "spec": {
        "group": "example.org",
        "scope": "Namespaced",
        "names": {"plural": "things", "singular": "thing", "kind": "Thing"},
        "versions": [{"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": {"type": "object"}}}],
    },
}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_up_serves_until_a_signal(python: Run, tmp_path: Path, number: signal.Signals) -> None:
    (tmp_path / "crds").mkdir()
    (tmp_path / "crds" / "things.yaml").write_text(yaml.safe_dump(CRD))
    up = python("-m", "chainenv_sandbox", "up", "--no-baseten", "--crds", "crds")
    stdout = tmp_path / "stdout-0"
    wait_for(lambda: "Ctrl-C" in stdout.read_text() or up.poll() is not None, "up to be ready")
    kubeconfig = tmp_path / ".sandbox" / "kubeconfig"
    assert f"export KUBECONFIG={kubeconfig}\n" in stdout.read_text(), (tmp_path / "stderr-0").read_text()
    listing = python("-m", "chainenv_sandbox", "kubectl", "get", "things.example.org", "--output=name")
    assert listing.wait(60) == 0

    server = yaml.safe_load(kubeconfig.read_text())["clusters"][0]["cluster"]["server"]
    port = f"--secure-port={server.rpartition(':')[2]}"
    assert any(port in arguments for arguments in process_arguments().values())
    up.send_signal(number)
    assert up.wait(60) == 0
    assert not kubeconfig.exists()
    assert not any(port in arguments for arguments in process_arguments().values())


def test_up_says_which_part_has_died(python: Run, tmp_path: Path) -> None:
    up = python("-m", "chainenv_sandbox", "up", "--no-baseten", "--write-kubeconfig", "kubeconfig")
    wait_for(lambda: "Ctrl-C" in (tmp_path / "stdout-0").read_text(), "up to be ready")
    server = yaml.safe_load((tmp_path / "kubeconfig").read_text())["clusters"][0]["cluster"]["server"]
    port = f"--secure-port={server.rpartition(':')[2]}"
    [apiserver] = [pid for pid, line in process_arguments().items() if port in line and "--watch-stdin" not in line]
    subprocess.run(["kill", "-9", str(apiserver)], check=True)
    assert up.wait(60) == 1
    assert "kube-apiserver ended with exit code 137" in (tmp_path / "stderr-0").read_text()


def test_a_cluster_that_is_there_gets_nothing_unasked(python: Run, tmp_path: Path) -> None:
    (tmp_path / "theirs").write_text("")
    up = python("-m", "chainenv_sandbox", "up", "--kubeconfig", "theirs")
    stdout = tmp_path / "stdout-0"
    wait_for(lambda: "Ctrl-C" in stdout.read_text() or up.poll() is not None, "up to be ready")
    assert f"export KUBECONFIG={tmp_path / 'theirs'}\n" in stdout.read_text(), (tmp_path / "stderr-0").read_text()
    variables = dict(re.findall(r"^export (\w+)=(.*)$", stdout.read_text(), re.MULTILINE))
    headers = {"Authorization": f"Api-Key {variables['BASETEN_API_KEY']}"}
    chains = httpx.get(f"{variables['BASETEN_BASE_URL']}/v1/chains", headers=headers, trust_env=False)
    assert chains.status_code == 200
    assert "Chain abcd1234 has the chainlets HelloWorld, RandInt" in stdout.read_text()
    typed = re.findall(r"^#   (curl .*)$", stdout.read_text(), re.MULTILINE)
    assert len(typed) > 8
    for command in typed:
        direct = command.replace("curl ", "curl --noproxy '*' ", 1)
        done = subprocess.run(["/bin/sh", "-c", direct], env={**os.environ, **variables}, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    up.terminate()
    assert up.wait(60) == 0
    with pytest.raises(httpx.ConnectError):
        httpx.get(variables["BASETEN_BASE_URL"], trust_env=False)


def test_a_cluster_that_is_there_must_answer_when_crds_are_to_be_applied(python: Run, tmp_path: Path) -> None:
    ensure_kubectl()
    (tmp_path / "theirs").write_text(
        yaml.safe_dump(
            {
                "clusters": [{"name": "x", "cluster": {"server": "https://127.0.0.1:9"}}],
                "contexts": [{"name": "x", "context": {"cluster": "x"}}],
                "current-context": "x",
            }
        )
    )
    (tmp_path / "crds").mkdir()
    (tmp_path / "crds" / "things.yaml").write_text(yaml.safe_dump(CRD))
    up = python("-m", "chainenv_sandbox", "up", "--no-baseten", "--kubeconfig", "theirs", "--crds", "crds")
    assert up.wait(60) == 1
    assert "kubectl apply" in (tmp_path / "stderr-0").read_text()
