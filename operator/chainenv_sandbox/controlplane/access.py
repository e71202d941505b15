"""Who may log in: tokens, kubeconfig files, and the record of what was asked (the audit policy)."""

from __future__ import annotations

import base64
import csv
import io
import os
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import yaml

AUDIT_POLICY = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived"],
    "rules": [{"level": "Metadata"}],
}


@dataclass(frozen=True)
class User:
    """Somebody the API server knows by a token. Every user is in system:authenticated anyway."""

    name: str
    groups: tuple[str, ...] = ()
    token: str = field(default_factory=lambda: secrets.token_hex(16), repr=False)

    @classmethod
    def service_account(cls, namespace: str, name: str) -> User:
        """Has exactly the rights that RBAC grants this service account; the account itself need not exist."""
        groups = ("system:serviceaccounts", f"system:serviceaccounts:{namespace}", "system:authenticated")
        return cls(f"system:serviceaccount:{namespace}:{name}", groups)

    @property
    def file_name(self) -> str:
        return re.sub(r"[^A-Za-z0-9.-]+", "-", self.name)


ADMIN = "admin"


def new_admin() -> User:
    return User(ADMIN, ("system:masters",))


def write_private(path: Path, text: str) -> None:
    """Readable by the owner only, from the first byte; appears complete or not at all."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.unlink(missing_ok=True)
    with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    temporary.replace(path)


def token_file(users: Iterable[User]) -> str:
    """kube-apiserver's format: token, name, uid, groups."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows((user.token, user.name, user.name, ",".join(user.groups)) for user in users)
    return text.getvalue()


def kubeconfig(url: str, ca: bytes, user: User) -> str:
    """Complete in itself, so that the file can be copied anywhere."""
    name = "chainenv-sandbox"
    cluster = {"server": url, "certificate-authority-data": base64.b64encode(ca).decode()}
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": name, "cluster": cluster}],
        "users": [{"name": user.name, "user": {"token": user.token}}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": user.name, "namespace": "default"}}],
        "current-context": name,
    }
    return yaml.safe_dump(config, sort_keys=False)
