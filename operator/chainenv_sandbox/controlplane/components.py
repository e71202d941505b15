"""etcd and kube-apiserver, each as something that can be stopped, killed and started again on the same port and data."""

from __future__ import annotations

import contextlib
import random
import socket
import ssl
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import httpx

from chainenv_sandbox.controlplane.assets import Assets
from chainenv_sandbox.processes import Child

LOOPBACK = "127.0.0.1"
START_SECONDS = 120.0  # takes 3; a busy machine may need a lot more


class Component:
    """`ready`: whether it serves; `start` returns when it does. `scratch`: see Child."""

    def __init__(self, name: str, command: Sequence[str | Path], log: Path, ready: Callable[[], bool], scratch: Path | None = None) -> None:
        self.name = name
        self.log = log
        self._command = command
        self._ready = ready
        self._scratch = scratch
        self._child: Child | None = None

    @property
    def alive(self) -> bool:
        return self._child is not None and self._child.alive

    def launch(self) -> None:
        """Without waiting until it serves."""
        if self.alive:
            raise RuntimeError(f"{self.name} runs already")
        self._child = Child(self.name, self._command, log=self.log, scratch=self._scratch)

    def start(self) -> None:
        """Raises ProcessDiedError or NotReadyError, with the end of the log."""
        self.launch()
        self.wait_ready()

    def wait_ready(self) -> None:
        self.wait_for(self._ready)

    def wait_for(self, condition: Callable[[], bool], timeout: float = START_SECONDS) -> None:
        """Raises ProcessDiedError or NotReadyError, with the end of the log."""
        self._running.wait_until(condition, timeout=timeout)

    def require_alive(self) -> None:
        self._running.require_alive()

    def stop(self, grace: float = 15.0) -> None:
        """SIGTERM, SIGKILL after `grace` seconds. kube-apiserver takes about one."""
        if self._child is not None:
            self._child.stop(grace)

    def kill(self) -> None:
        """SIGKILL."""
        if self._child is not None:
            self._child.kill()

    def signal(self, number: int) -> None:
        """Such as SIGSTOP and SIGCONT: connections stay open and nothing answers."""
        self._running.signal(number)

    @property
    def _running(self) -> Child:
        if self._child is None:
            raise RuntimeError(f"{self.name} was not started")
        return self._child


def free_ports(count: int) -> list[int]:
    """Below the range that systems take for outgoing connections, so that a port is still ours after a restart."""
    ports: list[int] = []
    for port in random.SystemRandom().sample(range(20000, 32000), 2000):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind((LOOPBACK, port))
            ports.append(port)
        if len(ports) == count:
            return ports
    raise RuntimeError("no free ports on the loopback interface")


def etcd(assets: Assets, directory: Path, client_port: int, peer_port: int) -> Component:
    """Without fsync: what it holds is thrown away with the sandbox."""
    client, peer = f"http://{LOOPBACK}:{client_port}", f"http://{LOOPBACK}:{peer_port}"
    command: list[str | Path] = [
        assets.etcd,
        f"--data-dir={directory / 'etcd'}",
        f"--listen-client-urls={client}",
        f"--advertise-client-urls={client}",
        f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster=default={peer}",
        "--unsafe-no-fsync",
        "--log-level=warn",
        "--quota-backend-bytes=8589934592",
    ]
    return Component("etcd", command, directory / "etcd.log", lambda: _answers(f"{client}/health"))


def apiserver(assets: Assets, directory: Path, port: int, etcd_port: int, token_file: Path, extra: Iterable[str]) -> Component:
    """It makes its own CA and certificate, whose key also signs service account tokens (kube-apiserver's own default).

    The endpoint reconciler is off because a loopback address is no valid endpoint, and so is the admission plugin that
    demands a service account for every pod, because no controller would make one.
    """
    certificates = directory / "certificates"
    command: list[str | Path] = [
        assets.kube_apiserver,
        f"--etcd-servers=http://{LOOPBACK}:{etcd_port}",
        f"--secure-port={port}",
        f"--bind-address={LOOPBACK}",
        f"--advertise-address={LOOPBACK}",
        "--endpoint-reconciler-type=none",
        f"--cert-dir={certificates}",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-key-file={certificates / 'apiserver.key'}",
        f"--service-account-signing-key-file={certificates / 'apiserver.key'}",
        "--service-cluster-ip-range=10.0.0.0/24",
        f"--token-auth-file={token_file}",
        "--authorization-mode=RBAC",
        "--disable-admission-plugins=ServiceAccount",
        *extra,
    ]

    def ready() -> bool:
        return _answers(f"https://{LOOPBACK}:{port}/readyz", ca_in(certificates))

    # etcd ends in milliseconds, so of the two this one is the last to leave the directory.
    return Component("kube-apiserver", command, directory / "kube-apiserver.log", ready, scratch=directory)


def ca_in(certificates: Path) -> bytes | None:
    """The CA that kube-apiserver made: the last certificate of its file, once that is complete."""
    file = certificates / "apiserver.crt"
    blocks = file.read_text().split("-----BEGIN CERTIFICATE-----") if file.exists() else []
    complete = len(blocks) == 3 and "-----END CERTIFICATE-----" in blocks[-1]
    return f"-----BEGIN CERTIFICATE-----{blocks[-1]}".encode() if complete else None


def _answers(url: str, ca: bytes | None = None) -> bool:
    """Whether a GET gives 200. https needs the CA, and does not answer before there is one."""
    if url.startswith("https:") and ca is None:
        return False
    verify = ssl.create_default_context(cadata=ca.decode()) if ca else False
    try:
        return httpx.get(url, verify=verify, timeout=5, trust_env=False).status_code == httpx.codes.OK
    except httpx.TransportError:
        return False
