"""Every setting of the operator, read once from the environment (or from the flags of ``chainenv run``)."""

from __future__ import annotations

import ipaddress
import os
import sys
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

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


def _base_url(value: str) -> str:
    parts = urlsplit(value)
    host = parts.hostname or ""
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ValueError("only scheme, host, port and path may stand in it")
    if not host or parts.scheme not in ("http", "https"):
        raise ValueError("write a URL such as https://api.baseten.co")
    if parts.scheme == "http" and not is_loopback(host):
        raise ValueError("http is only for loopback addresses: write https://")
    return value.rstrip("/")


def _names(value: Any) -> Any:
    """A comma list as a tuple without blanks; an empty one means 'all'."""
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return value


Seconds = Annotated[float, Field(gt=0, le=86_400, allow_inf_nan=False)]
Names = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_names)]
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
        AfterValidator(_base_url),
        Field(validation_alias="BASETEN_BASE_URL", description="Baseten's management API; http only for loopback"),
    ] = "https://api.baseten.co"
    default_key_namespaces: Annotated[
        Names,
        Field(
            validation_alias="CHAINENV_DEFAULT_KEY_NAMESPACES",
            description="namespaces whose resources may use the operator's own key (comma list; empty: all)",
        ),
    ] = ()
    namespaces: Annotated[
        Names,
        Field(validation_alias="CHAINENV_NAMESPACES", description="namespaces watched (comma list; empty: all)"),
    ] = ()
    poll_seconds: Annotated[
        Seconds,
        Field(validation_alias="CHAINENV_POLL_SECONDS", description="time between looks at a settled environment"),
    ] = 300
    progress_seconds: Annotated[
        Seconds,
        Field(validation_alias="CHAINENV_PROGRESS_SECONDS", description="time between looks while something moves"),
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
            description="act only while holding the Lease chainenv-operator (default: true in a cluster)",
        ),
    ]
    lease_namespace: Annotated[
        str,
        Field(
            default_factory=own_namespace,
            min_length=1,
            validation_alias="CHAINENV_LEASE_NAMESPACE",
            description="namespace of the Lease (default: the operator's own)",
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
    probe_port: Annotated[
        Port, Field(validation_alias="CHAINENV_PROBE_PORT", description="port of /livez and /readyz; 0 picks a free one")
    ] = 8081
    log_format: Annotated[
        Literal["text", "json"],
        Field(
            default_factory=lambda: "text" if sys.stderr.isatty() else "json",
            validation_alias="CHAINENV_LOG_FORMAT",
            description="text or json (default: text on a terminal, else json)",
        ),
    ]
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"],
        BeforeValidator(lambda v: v.lower() if isinstance(v, str) else v),
        Field(validation_alias="CHAINENV_LOG_LEVEL", description="debug, info, warning or error"),
    ] = "info"

    @property
    def stale_seconds(self) -> float:
        """After how many seconds without an observation Ready becomes Unknown (DESIGN section 3: ten minutes)."""
        return max(600.0, 2 * self.poll_seconds)


def variable_of(field: str) -> str:
    """The environment variable behind a field of ``Settings``."""
    return str(Settings.model_fields[field].validation_alias)


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
    shown = "(hidden)" if field == "baseten_api_key" else repr(value)
    allowed = item["msg"].removeprefix("Value error, ")
    return f"{variable}={shown} cannot be used: {allowed[0].lower()}{allowed[1:]} ({Settings.model_fields[field].description})"
