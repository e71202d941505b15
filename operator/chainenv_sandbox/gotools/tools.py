"""Which tools there are, and what each is built from. helm takes the sandbox's Kubernetes for the cluster's when it only renders."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import resources
from importlib.resources.abc import Traversable

from chainenv_sandbox.controlplane.versions import MAJOR, MINOR

HERE: Traversable = resources.files(__package__)
SOURCES = (".go", ".mod", ".sum")


@dataclass(frozen=True)
class Tool:
    """`package` is relative to the module of its folder. `about` is how long a first build takes."""

    name: str
    package: str
    about: str
    module: str | None = None
    linked: tuple[str, ...] = ()
    """Variables set by the linker, as `name=value`; {version} is the module's."""
    tags: str = ""

    @property
    def version(self) -> str:
        """Of the module that it comes from; our own programs have none."""
        return required(self.name)[self.module] if self.module else ""

    @property
    def linker_flags(self) -> str:
        """A program built from a module does not know its version by itself."""
        return " ".join(["-s -w", *(f"-X {each.format(version=self.version)}" for each in self.linked)])


TOOLS: Mapping[str, Tool] = {
    tool.name: tool
    for tool in (
        Tool(
            "helm",
            "helm.sh/helm/v3/cmd/helm",
            "1 to 3 minutes",
            module="helm.sh/helm/v3",
            linked=(
                "helm.sh/helm/v3/internal/version.version={version}",
                *(f"helm.sh/helm/v3/pkg/{package}.k8sVersionMajor={MAJOR}" for package in ("chartutil", "lint/rules")),
                *(f"helm.sh/helm/v3/pkg/{package}.k8sVersionMinor={MINOR}" for package in ("chartutil", "lint/rules")),
            ),
        ),
        Tool(
            "promtool",
            "github.com/prometheus/prometheus/cmd/promtool",
            "2 to 4 minutes",
            module="github.com/prometheus/prometheus",
            linked=("github.com/prometheus/common/version.Version={version}",),
            tags="remove_all_sd",  # service discovery: most of the size, and nothing that a rule needs
        ),
        Tool(
            "actionlint",
            "github.com/rhysd/actionlint/cmd/actionlint",
            "some seconds",
            module="github.com/rhysd/actionlint",
            linked=("github.com/rhysd/actionlint.version={version}",),
        ),
        Tool("judge", ".", "about 1 minute"),
    )
}

CRDS: Mapping[str, tuple[str, str]] = {
    "argocd-application.yaml": ("github.com/argoproj/argo-cd/v3", "manifests/crds/application-crd.yaml"),
    "argocd-applicationset.yaml": ("github.com/argoproj/argo-cd/v3", "manifests/crds/applicationset-crd.yaml"),
    "flux-kustomization.yaml": (
        "github.com/fluxcd/kustomize-controller",
        "config/crd/bases/kustomize.toolkit.fluxcd.io_kustomizations.yaml",
    ),
    "flux-gitrepository.yaml": (
        "github.com/fluxcd/source-controller",
        "config/crd/bases/source.toolkit.fluxcd.io_gitrepositories.yaml",
    ),
}
"""File name here: module, and path within it."""


def sources(folder: str) -> Iterator[tuple[str, bytes]]:
    """Name and content of what the folder's program is built from."""
    for each in sorted(HERE.joinpath(folder).iterdir(), key=lambda file: file.name):
        if each.name.endswith(SOURCES):
            yield each.name, each.read_bytes()


def digest(folder: str) -> str:
    """Another one as soon as anything changes that it is built from."""
    found = hashlib.sha256((TOOLS[folder].linker_flags if folder in TOOLS else "").encode())
    for name, content in sources(folder):
        found.update(f"{name} {len(content)}\n".encode() + content)
    return found.hexdigest()[:12]


def required(folder: str) -> dict[str, str]:
    """Modules and versions that the folder's go.mod names."""
    text = dict(sources(folder))["go.mod"].decode()
    return dict(re.findall(r"^(?:require)?\s+([a-z0-9.-]+\.[a-z]+/\S+)\s+(v\S+)", text, re.MULTILINE))
