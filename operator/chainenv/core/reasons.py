"""Every reason of a condition and of an event, each once. docs/operations.md explains them; a test holds the two together."""

from __future__ import annotations

from enum import StrEnum


class Reason(StrEnum):
    """Why a condition has its status."""

    # Ready: what the current deployment does.
    ACTIVE = "Active"
    SCALED_TO_ZERO = "ScaledToZero"
    WAKING_UP = "WakingUp"
    DEPLOYING = "Deploying"
    UNHEALTHY = "Unhealthy"
    DEPLOYMENT_FAILED = "DeploymentFailed"
    DEPLOYMENT_INACTIVE = "DeploymentInactive"
    NO_DEPLOYMENT = "NoDeployment"
    ENVIRONMENT_NOT_FOUND = "EnvironmentNotFound"
    NOT_OBSERVED = "NotObserved"
    OBSERVATION_STALE = "ObservationStale"

    # Synced: whether Baseten holds what the spec says.
    IN_SYNC = "InSync"
    CREATING = "Creating"
    CORRECTING = "Correcting"
    ROLLING_OUT = "RollingOut"
    PROMOTION_RUNNING = "PromotionRunning"
    SETTLING_INTENT = "SettlingIntent"
    ROLLOUT_FAILED = "RolloutFailed"
    ROLLOUT_ABORTED = "RolloutAborted"
    ROLLOUT_DEADLINE_EXCEEDED = "RolloutDeadlineExceeded"
    CHAINLET_NOT_FOUND = "ChainletNotFound"
    DEPLOYMENT_NOT_FOUND = "DeploymentNotFound"
    NOT_CONVERGING = "NotConverging"
    WOULD_CREATE = "WouldCreate"
    DRIFTED = "Drifted"
    UNCONFIRMED = "Unconfirmed"
    ENVIRONMENT_MISSING = "EnvironmentMissing"
    WAITING_FOR_APPROVAL = "WaitingForApproval"
    WAITING_FOR_WINDOW = "WaitingForWindow"
    WAITING_FOR_SOURCE = "WaitingForSource"
    SOURCE_NOT_FOUND = "SourceNotFound"
    BUDGET_EXCEEDED = "BudgetExceeded"
    PRICE_UNKNOWN = "PriceUnknown"
    PAUSED = "Paused"
    DELETING = "Deleting"
    WAITING_FOR_IDLE = "WaitingForIdle"

    # What only a person, another spec or time can change.
    ENVIRONMENT_EXISTS = "EnvironmentExists"
    DUPLICATE_TARGET = "DuplicateTarget"
    INVALID_ENVIRONMENT_NAME = "InvalidEnvironmentName"
    INVALID_RESOURCE = "InvalidResource"
    CHAIN_NOT_FOUND = "ChainNotFound"
    REFUSED = "Refused"
    FORBIDDEN = "Forbidden"
    NO_API_KEY = "NoAPIKey"
    SECRET_NOT_FOUND = "SecretNotFound"
    SECRET_KEY_NOT_FOUND = "SecretKeyNotFound"
    INVALID_API_KEY = "InvalidAPIKey"
    CREDENTIALS_REFUSED = "CredentialsRefused"

    # What passes by itself.
    RATE_LIMITED = "RateLimited"
    UNAVAILABLE = "Unavailable"
    CONFLICT = "Conflict"
    INTERNAL_ERROR = "InternalError"


class Event(StrEnum):
    """Reasons of Kubernetes Events. A trouble's event has the reason of its condition."""

    CREATED = "EnvironmentCreated"
    ADOPTED = "EnvironmentAdopted"
    VANISHED = "EnvironmentVanished"
    PROMOTION_SETTINGS_CORRECTED = "PromotionSettingsCorrected"
    AUTOSCALING_CORRECTED = "AutoscalingCorrected"
    INSTANCE_TYPES_CHANGED = "InstanceTypesChanged"
    PROMOTED = "Promoted"
    SCHEDULE_ACTIVE = "ScheduleActive"
    DEPLOYMENT_STATUS = "DeploymentStatusChanged"
    DEACTIVATED = "DeploymentDeactivated"
    NOT_DEACTIVATED = "NotDeactivated"
    DELETED = "DeploymentDeleted"
    NOT_DELETED = "NotDeleted"
    RELEASED = "Released"
