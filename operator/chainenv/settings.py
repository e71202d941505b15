"""Every setting of the operator, read once from the environment (or from the flags of ``chainenv run``)."""

from __future__ import annotations

import ipaddress
import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin
from urllib.parse import urlsplit

import httpx
from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")


class BadSettingError(ValueError):
    """A setting cannot be used; the message names the variable, the value and what is allowed."""


def is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def base_url(text: str) -> str:
    """Without blanks and without a slash at its end; a path is kept: a gateway's prefix, which the API's own paths follow.

    Raises ValueError with what to write; it does not repeat credentials that stand in `text`.
    """
    text = text.strip()
    try:
        url, port = httpx.URL(text), urlsplit(text).port
    except (ValueError, httpx.InvalidURL):
        raise ValueError("it is not a URL: write it as https://api.baseten.co") from None
    if url.scheme not in ("https", "http") or not url.host or "%" in url.host or port == 0:
        raise ValueError("it is not an https URL: write it as https://api.baseten.co")
    if url.userinfo:
        raise ValueError("it holds a user or password: write it without, the key comes from BASETEN_API_KEY or a Secret")
    if url.query or url.fragment or text[-1] in "?#":
        raise ValueError("it ends with a query or fragment: write it without '?' and '#'")
    if url.path.rstrip("/").endswith("/v1"):
        raise ValueError("it ends with /v1: write it without, the paths of the API begin with it")
    if url.scheme == "http" and not is_loopback(url.host):
        raise ValueError(f"it would send keys unencrypted: write https://{url.host} (http is for loopback only)")
    return str(url).rstrip("/")


_NAMESPACE = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_CHAIN_ID = re.compile(r"[A-Za-z0-9_-]{1,128}")


def _namespace(name: str) -> str:
    """An RFC 1123 label, as the API server wants it."""
    if not _NAMESPACE.fullmatch(name):
        raise ValueError(f"{name!r} is no namespace: write 1 to 63 lower-case letters, digits and '-', such as team-a")
    return name


def _parts(text: str) -> list[str]:
    """What stands in a comma list, each once."""
    parts = list(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
    if not parts:
        raise ValueError("it names nothing: write namespaces with commas between them, or leave it out")
    return parts


@dataclass(frozen=True, slots=True)
class KeyGrants:
    """Whose resources may use the operator's own key: all, those of a namespace, or those of a namespace for one chain."""

    everybody: bool = False
    namespaces: frozenset[str] = frozenset()
    chains: frozenset[tuple[str, str]] = frozenset()

    def allows(self, namespace: str, chain_id: str) -> bool:
        return self.everybody or namespace in self.namespaces or (namespace, chain_id) in self.chains

    @classmethod
    def parse(cls, text: str) -> KeyGrants:
        """A comma list of `namespace` and `namespace:chainID`; `*` is all. Raises ValueError with what to write."""
        parts = _parts(text)
        pairs = [part.split(":", 1) for part in parts if part != "*"]
        for pair in pairs:
            if pair[0] == "*" or not all(_CHAIN_ID.fullmatch(chain_id) for chain_id in pair[1:]):
                raise ValueError(
                    f"{':'.join(pair)!r} cannot be granted: write namespace or namespace:chainID, such as team-a:abcd1234, or *"
                )
            _namespace(pair[0])
        return cls(
            everybody="*" in parts,
            namespaces=frozenset(pair[0] for pair in pairs if len(pair) == 1),
            chains=frozenset((pair[0], pair[1]) for pair in pairs if len(pair) == 2),
        )

    @classmethod
    def unset(cls) -> KeyGrants:
        """Whoever starts it from outside a cluster holds the key and the cluster's credentials: there is nobody to keep it from."""
        return cls(namespaces=frozenset((own_namespace(),))) if in_cluster() else cls(everybody=True)


Seconds = Annotated[float, Field(gt=0, le=86_400, allow_inf_nan=False)]
Namespaces = Annotated[
    tuple[str, ...], NoDecode, BeforeValidator(lambda value: tuple(map(_namespace, _parts(value))) if isinstance(value, str) else value)
]
Grants = Annotated[KeyGrants, NoDecode, BeforeValidator(lambda value: KeyGrants.parse(value) if isinstance(value, str) else value)]
Port = Annotated[int, Field(ge=0, le=65_535)]


def in_cluster() -> bool:
    return "KUBERNETES_SERVICE_HOST" in os.environ and (SERVICE_ACCOUNT / "token").exists()


def own_namespace() -> str:
    """The namespace this process runs in; ``default`` outside a cluster."""
    path = SERVICE_ACCOUNT / "namespace"
    return path.read_text(encoding="utf-8").strip() if path.exists() else "default"


class Settings(BaseSettings):
    """Names, defaults and ranges; times are in seconds and may be fractions."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", populate_by_name=True, hide_input_in_errors=True, env_ignore_empty=True)

    baseten_api_key: Annotated[
        SecretStr | None,
        Field(validation_alias="BASETEN_API_KEY", description="key for resources without apiKeySecretRef; may be absent"),
    ] = None
    baseten_base_url: Annotated[
        str,
        AfterValidator(base_url),
        Field(validation_alias="BASETEN_BASE_URL", description="Baseten's management API; http only for loopback"),
    ] = "https://api.baseten.co"
    default_key_namespaces: Annotated[
        Grants,
        Field(
            default_factory=KeyGrants.unset,
            validation_alias="CHAINENV_DEFAULT_KEY_NAMESPACES",
            description="who may use the operator's own key (comma list of namespace or namespace:chainID; *: all)",
            json_schema_extra={"otherwise": "in a cluster the operator's own namespace, else *"},
        ),
    ]
    namespaces: Annotated[
        Namespaces,
        Field(
            validation_alias="CHAINENV_NAMESPACES", description="namespaces watched (comma list)", json_schema_extra={"otherwise": "all"}
        ),
    ] = ()
    poll_seconds: Annotated[
        Seconds,
        Field(validation_alias="CHAINENV_POLL_SECONDS", description="time between two polls of a settled environment"),
    ] = 300
    progress_seconds: Annotated[
        Seconds,
        Field(validation_alias="CHAINENV_PROGRESS_SECONDS", description="time between two polls while something changes"),
    ] = 10
    vanish_seconds: Annotated[
        Seconds,
        Field(validation_alias="CHAINENV_VANISH_SECONDS", description="before a 404 of a known environment is believed"),
    ] = 30
    settle_seconds: Annotated[
        Seconds,
        Field(validation_alias="CHAINENV_SETTLE_SECONDS", description="before an intent without outcome may be sent again"),
    ] = 60
    backoff_max_seconds: Annotated[
        Seconds,
        Field(validation_alias="CHAINENV_BACKOFF_MAX_SECONDS", description="longest wait between tries after failures"),
    ] = 300
    request_timeout_seconds: Annotated[
        Seconds,
        Field(validation_alias="CHAINENV_REQUEST_TIMEOUT_SECONDS", description="longest time one call to Baseten may take"),
    ] = 30
    rate_limit: Annotated[
        float,
        Field(
            gt=0,
            le=10_000,
            allow_inf_nan=False,
            validation_alias="CHAINENV_RATE_LIMIT",
            description="requests a second for each key and endpoint",
        ),
    ] = 90
    leader_election: Annotated[
        bool,
        Field(
            default_factory=in_cluster,
            validation_alias="CHAINENV_LEADER_ELECTION",
            description="act only while holding the Lease chainenv-operator",
            json_schema_extra={"otherwise": "true in a cluster, else false"},
        ),
    ]
    lease_namespace: Annotated[
        str,
        AfterValidator(_namespace),
        Field(
            default_factory=own_namespace,
            validation_alias="CHAINENV_LEASE_NAMESPACE",
            description="namespace of the Lease",
            json_schema_extra={"otherwise": "the operator's own"},
        ),
    ]
    metrics_port: Annotated[Port, Field(validation_alias="CHAINENV_METRICS_PORT", description="port of /metrics; 0 picks a free one")] = (
        8080
    )
    chainlet_metrics: Annotated[
        bool, Field(validation_alias="CHAINENV_CHAINLET_METRICS", description="a series for each chainlet of each resource in /metrics")
    ] = True
    resource_metrics: Annotated[
        bool,
        Field(
            validation_alias="CHAINENV_RESOURCE_METRICS",
            description="a series for each resource whose conditions need attention in /metrics",
        ),
    ] = True
    audit: Annotated[
        Literal["full", "source", "off"],
        Field(
            validation_alias="CHAINENV_AUDIT",
            description="what events and history show of who did it, from Baseten's audit log; source: no person's name",
        ),
    ] = "source"
    probe_port: Annotated[
        Port, Field(validation_alias="CHAINENV_PROBE_PORT", description="port of /livez and /readyz; 0 picks a free one")
    ] = 8081
    log_format: Annotated[
        Literal["text", "json"],
        Field(
            default_factory=lambda: "text" if sys.stderr.isatty() else "json",
            validation_alias="CHAINENV_LOG_FORMAT",
            description="how log lines are written",
            json_schema_extra={"otherwise": "text on a terminal, else json"},
        ),
    ]
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"],
        BeforeValidator(lambda v: v.lower() if isinstance(v, str) else v),
        Field(validation_alias="CHAINENV_LOG_LEVEL", description="which log lines are written"),
    ] = "info"

    @property
    def stale_seconds(self) -> float:
        """After how many seconds without an observation Ready becomes Unknown: ten minutes, or two polls where that is longer."""
        return max(600.0, 2 * self.poll_seconds)


def variable_of(field: str) -> str:
    """The environment variable behind a field of ``Settings``."""
    return str(Settings.model_fields[field].validation_alias)


def default_of(field: str) -> str:
    """For people: a value, or a rule where it depends on where the operator runs."""
    info = Settings.model_fields[field]
    extra = info.json_schema_extra if isinstance(info.json_schema_extra, dict) else {}
    value = str(extra["otherwise"]) if "otherwise" in extra else info.default
    return str(value).lower() if isinstance(value, bool) else str(value)


def bounds_of(field: str) -> str:
    """For people; empty for what is no number."""
    words = {"gt": "above", "ge": "from", "lt": "below", "le": "up to"}
    found = (
        f"{word} {getattr(part, name):g}"
        for part in Settings.model_fields[field].metadata
        for name, word in words.items()
        if hasattr(part, name)
    )
    return " ".join(found)


def type_of(field: str) -> str:
    """As it stands for a value in a command line."""
    kind = Settings.model_fields[field].annotation
    if get_origin(kind) is Literal:
        return "|".join(get_args(kind))
    if field.endswith("_seconds"):
        return "SECONDS"
    if field.endswith("_url"):
        return "URL"
    if field.endswith("_namespace"):
        return "NAMESPACE"
    return {bool: "true|false", int: "PORT", float: "NUMBER"}.get(kind, "LIST") if isinstance(kind, type) else "LIST"


def load(**overrides: Any) -> Settings:
    """Settings from the environment; ``overrides`` (the flags) win. Raises BadSettingError, one line for each mistake."""
    try:
        return Settings(**overrides)
    except ValidationError as error:
        raise BadSettingError("\n".join(_explain(item, overrides) for item in error.errors())) from None


def _explain(item: Any, overrides: dict[str, Any]) -> str:
    location = str(item["loc"][0])
    field = next((n for n in Settings.model_fields if location in (n, variable_of(n))), location)
    variable = variable_of(field) if field in Settings.model_fields else location
    value = overrides.get(variable, os.environ.get(variable, ""))
    shown = "(hidden)" if field == "baseten_api_key" or (field == "baseten_base_url" and set("@?#") & set(value)) else repr(value)
    allowed = item["msg"].removeprefix("Value error, ")
    return f"{variable}={shown} cannot be used: {allowed[0].lower()}{allowed[1:]} ({Settings.model_fields[field].description})"
