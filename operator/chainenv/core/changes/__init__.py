"""Each kind of call that changes something on Baseten, one module each."""

from __future__ import annotations

from ..actions import Change
from .abort import AbortRollout
from .autoscaling import UpdateAutoscaling
from .cleanup import DeleteDeployment
from .create import CreateEnvironment
from .deactivate import Deactivate
from .instance_types import UpdateInstanceTypes
from .promote import Promote
from .promotion_settings import UpdatePromotionSettings

AnyChange = (
    CreateEnvironment
    | UpdatePromotionSettings
    | UpdateAutoscaling
    | UpdateInstanceTypes
    | Promote
    | Deactivate
    | DeleteDeployment
    | AbortRollout
)
"""Closed: a ``match`` over it ends in ``assert_never``, so that a new kind is missing nowhere."""

__all__ = [
    "AbortRollout",
    "AnyChange",
    "Change",
    "CreateEnvironment",
    "Deactivate",
    "DeleteDeployment",
    "Promote",
    "UpdateAutoscaling",
    "UpdateInstanceTypes",
    "UpdatePromotionSettings",
]
