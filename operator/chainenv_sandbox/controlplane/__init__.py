"""A real control plane, etcd and kube-apiserver, on this machine. Nothing else of Kubernetes runs: no controllers, no nodes.

So objects are stored, validated, watched and authorised as in any cluster, but a namespace that is deleted stays
Terminating, owner references collect nothing, and no service account has a token of its own.
"""

from chainenv_sandbox.controlplane.access import ADMIN, User
from chainenv_sandbox.controlplane.assets import Assets, BinariesError
from chainenv_sandbox.controlplane.binaries import ensure_binaries, ensure_kubectl
from chainenv_sandbox.controlplane.components import Component
from chainenv_sandbox.controlplane.kubectl import KubectlError
from chainenv_sandbox.controlplane.server import ControlPlane

__all__ = [
    "ADMIN",
    "Assets",
    "BinariesError",
    "Component",
    "ControlPlane",
    "KubectlError",
    "User",
    "ensure_binaries",
    "ensure_kubectl",
]
