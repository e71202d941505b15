"""The spec: what people write. Optional fields have no default on purpose: what a spec omits is not managed."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from .base import ENVIRONMENT_NAME_PATTERN, Part, Written, checks, rule

_IDENTIFIER = r"[A-Za-z0-9_-]+"
ChainID = Annotated[
    str, Written(_IDENTIFIER, "chainID is the short id from the URL (.../chains/abcd1234), not the URL, and not the chain's name", 128)
]
DeploymentID = Annotated[
    str,
    Written(_IDENTIFIER, "deploymentID is the short id of a chain deployment (for example abcd1234), not its URL: write the id alone", 128),
]
EnvironmentName = Annotated[
    str,
    Written(
        ENVIRONMENT_NAME_PATTERN,
        "environmentName is written with lower-case letters, digits and '-', and begins and ends with a letter or digit:"
        " for example staging-eu, not Staging_EU",
        253,
    ),
]
SecretName = Annotated[
    str,
    Written(
        r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?",
        "apiKeySecretRef.name is the name of a Secret in the same namespace: lower-case letters, digits, '-' and '.' (for example"
        " baseten-api-key), without the namespace, and never the API key itself",
        253,
    ),
]
SecretKey = Annotated[
    str,
    Written(
        r"[-._a-zA-Z0-9]+",
        "apiKeySecretRef.key is the name of an entry of the Secret's data: letters, digits, '-', '_' and '.' (for example api-key),"
        " never the API key itself",
        253,
    ),
]
ChainletName = Annotated[
    str,
    Written(
        r"[ -~]+",
        "chainletName is the chainlet's name as in the chain's code (for example HelloWorld): ASCII, in one line and not empty",
        128,
    ),
]
InstanceTypeID = Annotated[
    str,
    Written(
        r"[!-~]+",
        "instanceTypeID is the id of an instance type (for example 2x8 or A10Gx8x32), without blanks, not its display name;"
        " omit it to leave the instance type as it is",
        64,
    ),
]
Count = Annotated[int, Field(ge=0, le=1_000_000)]
Percent = Annotated[int, Field(ge=0, le=50)]


class SecretKeyRef(Part):
    """A key of a Secret in the resource's own namespace."""

    name: Annotated[
        SecretName,
        Field(description="Name of the Secret."),
    ]
    key: Annotated[
        SecretKey,
        Field(
            description="Key of the Secret whose value is the Baseten API key.",
        ),
    ]


class AutoscalingSettings(Part):
    """How a chainlet scales. What is omitted is not managed and stays as it is on Baseten."""

    model_config = ConfigDict(
        json_schema_extra=checks(
            rule(
                "!has(self.minReplica) || !has(self.maxReplica) || self.minReplica <= self.maxReplica",
                "minReplica must not be greater than maxReplica: raise maxReplica or lower minReplica",
            )
        )
    )

    min_replica: Annotated[Count | None, Field(description="Fewest replicas; 0 allows scale to zero. Baseten's own default: 0.")] = None
    max_replica: Annotated[int | None, Field(ge=1, le=1_000_000, description="Most replicas, 1 or more. Baseten's own default: 1.")] = None
    autoscaling_window: Annotated[
        int | None,
        Field(ge=10, le=3600, description="Timeframe of traffic considered for scaling, seconds (10-3600). Baseten's own default: 60."),
    ] = None
    scale_down_delay: Annotated[
        int | None,
        Field(ge=0, le=3600, description="Wait before a replica is taken away, seconds (0-3600). Baseten's own default: 900."),
    ] = None
    concurrency_target: Annotated[
        int | None,
        Field(ge=1, le=1_000_000, description="Requests per replica before scaling up, 1 or more. Baseten's own default: 1."),
    ] = None
    target_utilization_percentage: Annotated[
        int | None,
        Field(
            ge=1, le=100, description="Share of the concurrency target that triggers scaling, percent (1-100). Baseten's own default: 70."
        ),
    ] = None
    target_in_flight_tokens: Annotated[
        int | None,
        Field(ge=1, le=1_000_000_000, description="Tokens in flight per replica before scaling up, 1 or more. Early access at Baseten."),
    ] = None
    max_scale_down_rate: Annotated[
        int | None,
        Field(ge=1, le=50, description="Most replicas taken away in one autoscaling window, percent of all (1-50)."),
    ] = None


class ChainletSettings(Part):
    """Settings of one chainlet in this environment. A chainlet without an entry is not managed."""

    chainlet_name: Annotated[
        ChainletName,
        Field(
            description="Name of the chainlet, as in the chain's code (for example HelloWorld).",
        ),
    ]
    instance_type_id: Annotated[
        InstanceTypeID | None,
        Field(
            description="Instance type to run on (for example 2x8 or A10Gx8x32). A change starts one new deployment for all that change. "
            "Omitted: not managed.",
        ),
    ] = None
    autoscaling_settings: Annotated[AutoscalingSettings | None, Field(description="How the chainlet scales. Omitted: not managed.")] = None


class RollingDeployConfig(Part):
    """How a rolling deploy replaces replicas."""

    rolling_deploy_strategy: Annotated[
        Literal["REPLICA"] | None, Field(description="What is replaced step by step: REPLICA. Omitted: not managed.")
    ] = None
    max_surge_percent: Annotated[
        Percent | None,
        Field(
            description="Replicas above the wanted number while rolling, percent (0-50). Either this or maxUnavailablePercent is above 0."
        ),
    ] = None
    max_unavailable_percent: Annotated[
        Percent | None,
        Field(description="Replicas that may be missing while rolling, percent (0-50). Either this or maxSurgePercent is above 0."),
    ] = None
    stabilization_time_seconds: Annotated[
        int | None, Field(ge=0, le=3600, description="Wait between two steps, seconds (0-3600). Omitted: not managed.")
    ] = None
    replica_overhead_percent: Annotated[
        int | None, Field(ge=0, le=500, description="Extra replicas started before rolling, percent (0-500). Omitted: not managed.")
    ] = None
    promotion_cleanup_strategy: Annotated[
        Literal["KEEP", "SCALE_TO_ZERO"] | None,
        Field(description="What happens to the previous deployment; the older place of promotionSettings.promotionCleanupStrategy."),
    ] = None


class PromotionSettings(Part):
    """How a deployment is promoted into this environment. What is omitted is not managed."""

    model_config = ConfigDict(
        json_schema_extra=checks(
            rule(
                "!has(self.rollingDeploy) || !self.rollingDeploy || !has(self.rollingDeployConfig)"
                " || !has(self.rollingDeployConfig.maxSurgePercent) || !has(self.rollingDeployConfig.maxUnavailablePercent)"
                " || (self.rollingDeployConfig.maxSurgePercent == 0) != (self.rollingDeployConfig.maxUnavailablePercent == 0)",
                "with rollingDeploy, exactly one of rollingDeployConfig.maxSurgePercent and rollingDeployConfig.maxUnavailablePercent"
                " must be above 0: set one to 1-50 and the other to 0",
            ),
            rule(
                "!has(self.promotionCleanupStrategy) || !has(self.rollingDeployConfig)"
                " || !has(self.rollingDeployConfig.promotionCleanupStrategy)"
                " || self.promotionCleanupStrategy == self.rollingDeployConfig.promotionCleanupStrategy",
                "promotionCleanupStrategy and rollingDeployConfig.promotionCleanupStrategy are one setting in two places:"
                " write promotionCleanupStrategy alone, or the same value in both",
            ),
        )
    )

    redeploy_on_promotion: Annotated[
        bool | None,
        Field(description="Whether each promotion makes a new deployment from a copy of the image. Baseten's own default: false."),
    ] = None
    rolling_deploy: Annotated[
        bool | None, Field(description="Whether promotions roll replica by replica. Baseten's own default: false.")
    ] = None
    ramp_up_while_promoting: Annotated[
        bool | None, Field(description="Whether traffic moves to the new deployment bit by bit. Baseten's own default: false.")
    ] = None
    ramp_up_duration_seconds: Annotated[
        Count | None, Field(description="How long the ramp up takes, seconds. Baseten's own default: 600.")
    ] = None
    promotion_cleanup_strategy: Annotated[
        Literal["KEEP", "SCALE_TO_ZERO", "DEACTIVATE"] | None,
        Field(description="What happens to the previous deployment after a promotion. Baseten's own default: SCALE_TO_ZERO."),
    ] = None
    rolling_deploy_config: Annotated[
        RollingDeployConfig | None, Field(description="How a rolling deploy replaces replicas. Omitted: not managed.")
    ] = None


class ChainEnvironmentSpec(Part):
    """What Baseten should hold. A field that is omitted is not managed: it is never sent and never compared."""

    model_config = ConfigDict(
        json_schema_extra=checks(
            rule("self.chainID == oldSelf.chainID", "chainID cannot be changed: create another ChainEnvironment for the other chain"),
            rule(
                "has(self.environmentName) == has(oldSelf.environmentName)"
                " && (!has(self.environmentName) || self.environmentName == oldSelf.environmentName)",
                "environmentName cannot be changed, removed or added later: create another ChainEnvironment for the other environment",
            ),
        )
    )

    chain_id: Annotated[ChainID, Field(description="Baseten's id of the chain. Cannot be changed.")]
    environment_name: Annotated[
        EnvironmentName | None,
        Field(
            description="Name of the environment on Baseten: lower-case letters, digits, '-'. Cannot be changed. Omitted: metadata.name.",
        ),
    ] = None
    management_policy: Annotated[
        Literal["Reconcile", "Observe", "Pause"] | None,
        Field(
            description="Reconcile (when omitted): keep Baseten as declared. Observe: read and report drift, never write. "
            "Pause: make no call at all."
        ),
    ] = None
    adoption_policy: Annotated[
        Literal["Adopt", "Fail"] | None,
        Field(
            description="What to do when the environment already exists at first sight. Adopt (when omitted): compare and correct. "
            "Fail: leave it alone and report it."
        ),
    ] = None
    deletion_policy: Annotated[
        Literal["Retain", "DeactivateWhenIdle", "Deactivate"] | None,
        Field(
            description="What happens on Baseten when this resource is deleted. Retain (when omitted): nothing. "
            "Deactivate: the environment's deployments are deactivated. DeactivateWhenIdle: the same, once no chainlet has replicas. "
            "The environment itself stays: Baseten cannot delete it."
        ),
    ] = None
    api_key_secret_ref: Annotated[
        SecretKeyRef | None,
        Field(description="Where the Baseten API key is, in the same namespace. Omitted: the operator's own key."),
    ] = None
    deployment_id: Annotated[
        DeploymentID | None,
        Field(
            description="Chain deployment to promote into the environment, once for each value. The deployment that serves afterwards "
            "may be a copy with another id. Omitted: nothing is promoted."
        ),
    ] = None
    scale_down_previous_deployment: Annotated[
        bool | None,
        Field(description="With deploymentID: whether the deployment that served before is scaled down. Baseten's own default: true."),
    ] = None
    promotion_settings: Annotated[
        PromotionSettings | None, Field(description="How deployments are promoted into the environment. Omitted: not managed.")
    ] = None
    chainlet_settings: Annotated[
        tuple[ChainletSettings, ...] | None,
        Field(
            max_length=200,
            description="Settings for each chainlet, one entry a chainlet. Chainlets without an entry are not managed.",
            json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["chainletName"]},
        ),
    ] = None
