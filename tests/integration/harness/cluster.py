"""A real API server with the operator's CRD and RBAC in it, put there with the commands that an admin would type."""

from __future__ import annotations

import itertools
import json
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from chainenv_sandbox.controlplane import ControlPlane, User

from .waiting import wait_until

ROOT = Path(__file__).parents[3]
CRDS = ROOT / "crds"
BASE = ROOT / "deploy" / "kustomize" / "base"
SAMPLES = ROOT / "deploy" / "samples"

OPERATOR = User.service_account("chainenv-system", "chainenv-operator")
"""Has exactly what the kustomize base grants."""
STRANGER = User.service_account("default", "stranger")
"""May do nothing."""

RESOURCES = "/apis/chains.baseten.co/v1alpha1"
_WRITES = frozenset({"create", "update", "patch", "delete", "deletecollection"})
_numbers = itertools.count(1)

Json = dict[str, Any]


class Cluster:
    """As its admin. Reads go straight to the API server, because each kubectl costs 60 ms; what users do goes through kubectl."""

    def __init__(self, plane: ControlPlane) -> None:
        self.plane = plane
        headers = {"Authorization": f"Bearer {plane.token_for()}"}
        verify = ssl.create_default_context(cafile=str(plane.ca_file))
        self._http = httpx.Client(base_url=plane.url, headers=headers, verify=verify, timeout=120, trust_env=False)

    @classmethod
    @contextmanager
    def start(cls) -> Iterator[Cluster]:
        with ControlPlane.start(users=[OPERATOR, STRANGER], audit=True) as plane:
            cluster = cls(plane)
            cluster.install()
            yield cluster
            cluster._http.close()

    def install(self) -> None:
        """The CRD, then the operator's namespace, service account and role."""
        self.kubectl("apply", "--server-side", "-f", str(CRDS))
        wait_until("the CRD is established", self._is_established)  # kubectl wait gives up while it has no conditions at all
        self.kubectl("apply", "-k", str(BASE))
        wait_until("the schema is published", lambda: RESOURCES.removeprefix("/") in self.get("/openapi/v3")["paths"])

    def _is_established(self) -> bool:
        crd = self.get("/apis/apiextensions.k8s.io/v1/customresourcedefinitions/chainenvironments.chains.baseten.co")
        conditions = crd.get("status", {}).get("conditions") or ()
        return any((each["type"], each["status"]) == ("Established", "True") for each in conditions)

    def kubectl(
        self, *arguments: str, namespace: str | None = None, input: str | None = None, check: bool = True
    ) -> subprocess.CompletedProcess[str]:
        where = ("--namespace", namespace) if namespace else ()
        return self.plane.kubectl(*arguments, *where, input=input, check=check)

    def get(self, path: str) -> Json:
        decoded: Json = self._sent("GET", path).json()
        return decoded

    def new_namespace(self) -> str:
        name = f"team-{next(_numbers)}"
        body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
        self._sent("POST", "/api/v1/namespaces", json=body)
        return name

    def _sent(self, method: str, path: str, **more: Any) -> httpx.Response:
        """A young API server answers 429 while its storage starts."""

        def answer() -> httpx.Response | None:
            answer = self._http.request(method, path, **more)
            return None if answer.status_code == httpx.codes.TOO_MANY_REQUESTS else answer

        answered = wait_until(f"{method} {path} is answered", answer)
        assert answered is not None
        return answered.raise_for_status()

    def resource(self, namespace: str, name: str) -> Json:
        return self.get(f"{RESOURCES}/namespaces/{namespace}/chainenvironments/{name}")

    def resources(self, namespace: str) -> list[Json]:
        items: list[Json] = self.get(f"{RESOURCES}/namespaces/{namespace}/chainenvironments")["items"]
        return items

    def patch(self, namespace: str, name: str, changes: Json) -> None:
        """A merge patch of a resource."""
        merge = {"Content-Type": "application/merge-patch+json"}
        self._sent("PATCH", f"{RESOURCES}/namespaces/{namespace}/chainenvironments/{name}", json=changes, headers=merge)

    def clear(self, namespace: str) -> None:
        """Lets every resource of the namespace go, whatever finalizers it has."""
        path = f"{RESOURCES}/namespaces/{namespace}/chainenvironments"
        for each in self.resources(namespace):
            if each["metadata"].get("finalizers"):
                merge = {"Content-Type": "application/merge-patch+json"}
                self._http.patch(f"{path}/{each['metadata']['name']}", json={"metadata": {"finalizers": None}}, headers=merge)
        self._sent("DELETE", path)

    def writes_of_operator(self, namespace: str, *, kind: str = "chainenvironments") -> list[str]:
        """Verbs with subresource of everything the operator ever wrote to this kind in the namespace, from the audit log."""
        assert self.plane.audit_log is not None
        return [
            "/".join(filter(None, (entry["verb"], entry["objectRef"].get("subresource"))))
            for entry in map(json.loads, self.plane.audit_log.read_text().splitlines())
            if entry["user"]["username"] == OPERATOR.name
            and entry["verb"] in _WRITES
            and entry.get("objectRef", {}).get("namespace") == namespace
            and entry["objectRef"]["resource"] == kind
        ]
