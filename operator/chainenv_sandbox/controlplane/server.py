"""The control plane as one thing to start, use and throw away."""

from __future__ import annotations

import ssl
import subprocess
import tempfile
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Self

import httpx
import yaml

from chainenv_sandbox.controlplane import access, components
from chainenv_sandbox.controlplane.access import ADMIN, User
from chainenv_sandbox.controlplane.assets import Assets
from chainenv_sandbox.controlplane.binaries import ensure_binaries
from chainenv_sandbox.controlplane.components import LOOPBACK
from chainenv_sandbox.controlplane.kubectl import require_success, run_kubectl


class ControlPlane:
    """A context manager; `start` gives one that serves. `close` ends both processes and removes everything they wrote."""

    def __init__(self, assets: Assets, directory: Path, users: Iterable[User], audit: bool, apiserver_args: Iterable[str]) -> None:
        self._assets = assets
        self._directory = directory
        self._users = {user.name: user for user in (access.new_admin(), *users)}
        self.audit_log = directory / "audit.log" if audit else None
        port, etcd_port, peer_port = components.free_ports(3)
        self.url = f"https://{LOOPBACK}:{port}"
        tokens = directory / "tokens.csv"
        access.write_private(tokens, access.token_file(self._users.values()))
        extra = [*apiserver_args]
        if self.audit_log:
            policy = directory / "audit-policy.yaml"
            policy.write_text(yaml.safe_dump(access.AUDIT_POLICY))
            extra += [f"--audit-policy-file={policy}", f"--audit-log-path={self.audit_log}", "--audit-log-maxsize=4096"]
        self.etcd = components.etcd(assets, directory, etcd_port, peer_port)
        self.apiserver = components.apiserver(assets, directory, port, etcd_port, tokens, extra)
        self._cleanup = ExitStack()

    @classmethod
    def start(
        cls,
        *,
        users: Iterable[User] = (),
        audit: bool = False,
        apiserver_args: Iterable[str] = (),
        assets: Assets | None = None,
    ) -> Self:
        """Takes about 3 s once the binaries are there. Raises BinariesError, ProcessDiedError or NotReadyError.

        audit: record every request, metadata only, in `audit_log`. apiserver_args: further flags of kube-apiserver.
        """
        binaries = assets or ensure_binaries()
        with ExitStack() as stack:
            directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="chainenv-sandbox-", ignore_cleanup_errors=True)))
            plane = cls(binaries, directory, users, audit, apiserver_args)
            stack.callback(plane.etcd.kill)
            stack.callback(plane.apiserver.kill)  # the first of the two to go
            plane._launch()
            plane._cleanup = stack.pop_all()
        return plane

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Kills outright: nothing that a gentle stop would save is kept."""
        self._cleanup.close()

    @property
    def kubeconfig(self) -> Path:
        """The admin's, who may do everything."""
        return self.kubeconfig_for(ADMIN)

    def kubeconfig_for(self, user: str | User) -> Path:
        """Only for users given to `start`: kube-apiserver reads its tokens once."""
        known = self._users.get(user if isinstance(user, str) else user.name)
        if known is None:
            raise ValueError(f"no user {user}; there are {', '.join(self._users)}")
        return self._directory / f"kubeconfig-{known.file_name}"

    def token_for(self, user: str = ADMIN) -> str:
        return self._users[user].token

    @property
    def ca_file(self) -> Path:
        return self._directory / "ca.crt"

    @property
    def logs(self) -> Mapping[str, Path]:
        """By component: etcd, kube-apiserver."""
        return {component.name: component.log for component in (self.etcd, self.apiserver)}

    @property
    def kubectl_program(self) -> Path:
        return self._assets.kubectl

    def kubectl(
        self, *args: str, input: str | None = None, user: str | User = ADMIN, check: bool = False, timeout: float = 60
    ) -> subprocess.CompletedProcess[str]:
        """check: raise KubectlError when it fails."""
        # A cache of its own: kubectl's usual one goes by host and port, which an earlier sandbox may have had.
        cache = {"KUBECACHEDIR": str(self._directory / "kubectl-cache")}
        kubeconfig = self.kubeconfig_for(user)
        done = run_kubectl(self._assets.kubectl, *args, kubeconfig=kubeconfig, input=input, timeout=timeout, env=cache)
        return require_success(done) if check else done

    def require_alive(self) -> None:
        """Raises ProcessDiedError when a component has ended by itself."""
        for component in (self.etcd, self.apiserver):
            component.require_alive()

    def _launch(self) -> None:
        """Both at once: kube-apiserver keeps trying until etcd answers."""
        self.etcd.launch()
        self.apiserver.launch()
        self.etcd.wait_ready()
        self.apiserver.wait_ready()
        ca = components.ca_in(self._directory / "certificates")
        assert ca is not None  # it could not be ready without
        self.ca_file.write_bytes(ca)
        for user in self._users.values():
            access.write_private(self.kubeconfig_for(user), access.kubeconfig(self.url, ca, user))
        headers = {"Authorization": f"Bearer {self.token_for()}"}
        verify = ssl.create_default_context(cafile=str(self.ca_file))
        with httpx.Client(base_url=self.url, headers=headers, verify=verify, trust_env=False) as client:
            self.apiserver.wait_for(lambda: client.get("/api/v1/namespaces/default").is_success)
