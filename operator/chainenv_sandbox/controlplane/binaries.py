"""Where etcd, kube-apiserver and kubectl come from: the first of these ways that works.

1. KUBEBUILDER_ASSETS, a directory; nothing else is tried when it is set
2. the user's cache (CHAINENV_SANDBOX_CACHE moves it)
3. the archive published for envtest, checksum verified
4. `go build`

kubectl is the one on PATH when it can talk to this server, else one that came or comes the same way as the servers.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from chainenv_sandbox.controlplane import envtest, gobuild, versions
from chainenv_sandbox.controlplane.assets import (
    KUBECTL,
    SERVERS,
    Assets,
    BinariesError,
    UnavailableError,
    cache_root,
    is_program,
    store_in,
    this_platform,
)
from chainenv_sandbox.controlplane.kubectl import kubectl_on_path
from chainenv_sandbox.controlplane.progress import report

_ADVICE = f"""\
Do one of these:
- go online once; the binaries stay in the cache
- install Go {versions.GO_MINIMUM} or newer
- set KUBEBUILDER_ASSETS to a directory with etcd and kube-apiserver
- use a cluster that is already there: chainenv-sandbox up --kubeconfig FILE"""


def ensure_binaries(*, environ: Mapping[str, str] | None = None, index_url: str = envtest.INDEX_URL) -> Assets:
    """Takes milliseconds when they are there, seconds to minutes the first time. Raises BinariesError."""
    env = os.environ if environ is None else environ
    if chosen := env.get("KUBEBUILDER_ASSETS"):
        directory = Path(chosen).expanduser().absolute()
        kubectl = None if is_program(directory / KUBECTL) else kubectl_on_path(env)
        if missing := _missing(directory, kubectl):
            raise BinariesError(
                f"KUBEBUILDER_ASSETS is {directory}, which has no executable {' and no '.join(missing)}. "
                "Put it there, or unset KUBEBUILDER_ASSETS to have it fetched or built."
            )
        return _assets(directory, kubectl)
    store = store_in(cache_root(env))
    kubectl = kubectl_on_path(env)
    if not _missing(store, kubectl):
        return _assets(store, kubectl)
    with _sole_writer(store):
        if _missing(store, kubectl):  # another run may have filled it while we waited
            _install(store, kubectl, env, index_url)
    return _assets(store, kubectl)


def ensure_kubectl(*, environ: Mapping[str, str] | None = None) -> Path:
    """For a cluster that is already there: a kubectl on PATH is enough. Raises BinariesError."""
    env = os.environ if environ is None else environ
    return kubectl_on_path(env) or ensure_binaries(environ=env).kubectl


def _missing(directory: Path, kubectl: Path | None) -> list[str]:
    wanted = SERVERS if kubectl else (*SERVERS, KUBECTL)
    return [name for name in wanted if not is_program(directory / name)]


def _assets(directory: Path, kubectl: Path | None) -> Assets:
    return Assets(directory / "etcd", directory / "kube-apiserver", kubectl or directory / KUBECTL)


@contextmanager
def _sole_writer(store: Path) -> Iterator[None]:
    """Files appear in the cache by rename, so readers need no lock."""
    store.mkdir(parents=True, exist_ok=True)
    lock = FileLock(store.parent / f"{store.name}.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        report(f"another run is filling {store}; waiting for it")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _install(store: Path, kubectl: Path | None, environ: Mapping[str, str], index_url: str) -> None:
    for leftover in store.glob(".*"):  # of a run that was killed; we hold the lock
        shutil.rmtree(leftover, ignore_errors=True)
    missing = _missing(store, kubectl)
    report(f"the cache {store} has no {' and no '.join(missing)}: fetching or building, this once")
    ways: dict[str, Callable[[], None]] = {
        "the published envtest archive": lambda: envtest.install(store, index_url),
        "go build": lambda: gobuild.install(store, missing, environ),
    }
    failed = []
    for name, way in ways.items():
        try:
            return way()
        except UnavailableError as reason:
            report(f"{name}: not possible: {reason}")
            failed.append(f"- {name}: {reason}")
    tried = [f"etcd and kube-apiserver cannot be had for {this_platform()}. Tried:", f"- the cache {store}: incomplete", *failed]
    raise BinariesError("\n".join([*tried, _ADVICE]))
