"""The closed sets of words in a resource: policies of the spec, operations and outcomes of the journal."""

from __future__ import annotations

from enum import StrEnum


class ManagementPolicy(StrEnum):
    RECONCILE = "Reconcile"
    OBSERVE = "Observe"
    PAUSE = "Pause"


class AdoptionPolicy(StrEnum):
    ADOPT = "Adopt"
    FAIL = "Fail"


class DeletionPolicy(StrEnum):
    RETAIN = "Retain"
    DEACTIVATE_WHEN_IDLE = "DeactivateWhenIdle"
    DEACTIVATE = "Deactivate"


class Operation(StrEnum):
    """Kinds of journal entries. Each kind has at most one entry (DEACTIVATE, DELETE: one a deployment), so the journal is bounded.

    CREATED remembers that this resource made the environment, until its first deployment serves. PROMOTE is a promotion
    under way, refused or failed; PROMOTED is the last one that was done with, so that each deploymentID is promoted once. APPROVE
    is the last approved plan that was begun, so that each approval is used once; ABORT the last candidate that a person asked to be
    deactivated.
    """

    CREATE = "CreateEnvironment"
    CREATED = "Created"
    PROMOTION_SETTINGS = "UpdatePromotionSettings"
    AUTOSCALING = "UpdateAutoscaling"
    INSTANCE_TYPES = "UpdateInstanceTypes"
    PROMOTE = "Promote"
    PROMOTED = "Promoted"
    DEACTIVATE = "Deactivate"
    APPROVE = "Approve"
    ABORT = "AbortRollout"
    DELETE = "DeleteDeployment"


class Outcome(StrEnum):
    """What came of a call. FAILED: accepted, but the rollout it started did not succeed. LOST: no answer, and no effect observed."""

    ACCEPTED = "Accepted"
    REFUSED = "Refused"
    NOT_FOUND = "NotFound"
    FORBIDDEN = "Forbidden"
    FAILED = "Failed"
    LOST = "Lost"
