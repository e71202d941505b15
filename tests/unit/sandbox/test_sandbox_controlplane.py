"""Against the real etcd and kube-apiserver; the first run on a machine fetches or builds them."""

from __future__ import annotations

import json
import signal
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from chainenv_sandbox.controlplane import ControlPlane, KubectlError, User, ensure_binaries, versions
from chainenv_sandbox.processes import ProcessDiedError

from .helpers import Run, process_arguments, wait_for

OPERATOR = User.service_account("chainenv-system", "chainenv-operator")


@pytest.fixture(scope="module")
def plane() -> Iterator[ControlPlane]:
    with ControlPlane.start(users=[OPERATOR], audit=True) as plane:
        yield plane


def running_in(directory: Path) -> list[str]:
    return [arguments for arguments in process_arguments().values() if str(directory) in arguments]


def test_serves_the_version_that_was_built(plane: ControlPlane) -> None:
    answer = plane.kubectl("version", "--output=json", check=True)
    assert json.loads(answer.stdout)["serverVersion"]["gitVersion"].startswith(f"v{versions.MAJOR}.{versions.MINOR}.")


def test_the_default_namespace_is_there(plane: ControlPlane) -> None:
    assert plane.kubectl("get", "namespace", "default", "--output=name", check=True).stdout.strip() == "namespace/default"


def test_objects_are_given_on_stdin(plane: ControlPlane) -> None:
    manifest = '{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "given"}, "data": {"a": "b"}}'
    assert "configmap/given" in plane.kubectl("apply", "--server-side", "--filename=-", input=manifest, check=True).stdout


def test_a_user_has_the_rights_that_rbac_grants_and_no_more(plane: ControlPlane) -> None:
    denied = plane.kubectl("get", "leases.coordination.k8s.io", user=OPERATOR)
    assert denied.returncode != 0
    assert OPERATOR.name in denied.stderr
    plane.kubectl("create", "clusterrole", "lease-reader", "--verb=list", "--resource=leases.coordination.k8s.io", check=True)
    account = f"--serviceaccount={OPERATOR.name.removeprefix('system:serviceaccount:')}"
    plane.kubectl("create", "clusterrolebinding", "lease-reader", "--clusterrole=lease-reader", account, check=True)

    def allowed() -> bool:  # the authorizer learns of it by a watch
        return plane.kubectl("get", "leases.coordination.k8s.io", user=OPERATOR).returncode == 0

    wait_for(allowed, "the role to be in force")
    with pytest.raises(KubectlError, match="Forbidden"):
        plane.kubectl("get", "secrets", user=OPERATOR, check=True)


def test_kubeconfigs_are_private(plane: ControlPlane) -> None:
    for file in (plane.kubeconfig, plane.kubeconfig_for(OPERATOR), plane.kubeconfig_for(OPERATOR.name)):
        assert file.stat().st_mode & 0o777 == 0o600


def test_nobody_else_is_known(plane: ControlPlane) -> None:
    with pytest.raises(ValueError, match=f"no user stranger; there are admin, {OPERATOR.name}"):
        plane.kubeconfig_for("stranger")


def test_the_certificate_passes_strict_verification(plane: ControlPlane) -> None:
    context = ssl.create_default_context(cafile=str(plane.ca_file))
    context.verify_flags |= ssl.VERIFY_X509_STRICT  # Python's own default from 3.13 on
    assert httpx.get(f"{plane.url}/version", verify=context, trust_env=False).status_code == 200


def test_requests_are_audited(plane: ControlPlane) -> None:
    plane.kubectl("get", "configmap", "nobody-has-this-name")
    assert plane.audit_log is not None
    records = [json.loads(line) for line in plane.audit_log.read_text().splitlines()]
    [record] = [one for one in records if one.get("objectRef", {}).get("name") == "nobody-has-this-name"]
    assert (record["verb"], record["user"]["username"], record["responseStatus"]["code"]) == ("get", "admin", 404)


@pytest.mark.parametrize("how", ["stop", "kill"])
def test_objects_survive_a_restart_of_the_api_server(plane: ControlPlane, how: str) -> None:
    plane.kubectl("create", "configmap", f"before-{how}", check=True)
    getattr(plane.apiserver, how)()
    assert not plane.apiserver.alive
    assert plane.kubectl("get", "configmaps").returncode != 0
    plane.apiserver.start()
    plane.kubectl("get", "configmap", f"before-{how}", check=True)


def test_objects_survive_the_death_of_etcd(plane: ControlPlane) -> None:
    plane.kubectl("create", "configmap", "before-etcd", check=True)
    plane.etcd.kill()
    plane.etcd.start()
    wait_for(lambda: plane.kubectl("get", "configmap", "before-etcd").returncode == 0, "the API server to find etcd again")


def test_a_frozen_api_server_goes_on_where_it_was(plane: ControlPlane) -> None:
    plane.apiserver.signal(signal.SIGSTOP)
    with pytest.raises(subprocess.TimeoutExpired):
        plane.kubectl("get", "namespaces", timeout=1)
    plane.apiserver.signal(signal.SIGCONT)
    plane.kubectl("get", "namespaces", check=True)


def test_nothing_is_left_after_close() -> None:
    with ControlPlane.start(assets=ensure_binaries()) as plane:
        directory = plane.ca_file.parent
        assert len(running_in(directory)) == 4  # two components, each with its supervisor
    assert running_in(directory) == []
    assert not directory.exists()


def test_nothing_runs_on_after_we_are_killed(python: Run, tmp_path: Path) -> None:
    code = """
import time
from chainenv_sandbox.controlplane import ControlPlane
plane = ControlPlane.start()
print(plane.ca_file.parent, flush=True)
time.sleep(600)
"""
    parent = python("-c", code)
    output = tmp_path / "stdout-0"
    wait_for(lambda: output.read_text().endswith("\n"), "the control plane to serve")
    directory = Path(output.read_text().strip())
    assert len(running_in(directory)) == 4
    parent.kill()
    wait_for(lambda: not running_in(directory), "etcd and kube-apiserver to be gone")
    assert not directory.exists()


def test_a_start_that_fails_shows_why_and_leaves_nothing() -> None:
    before = {arguments for arguments in process_arguments().values() if "--token-auth-file" in arguments}
    with pytest.raises(ProcessDiedError, match=r"kube-apiserver ended with exit code 1[\s\S]*unknown flag: --no-such-flag"):
        ControlPlane.start(apiserver_args=["--no-such-flag"])
    left = {arguments for arguments in process_arguments().values() if "--no-such-flag" in arguments} - before
    assert left == set()
