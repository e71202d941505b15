"""A typed asynchronous client of the Baseten management API for chain environments.

Wire types are in `api.models` (answers) and `api.requests` (bodies).
"""

from .client import ENDPOINTS, Baseten
from .errors import BasetenError, Conflict, CredentialsRefused, Forbidden, Invalid, NotFound, NotSent, RateLimited, Unavailable
from .keys import ApiKey
from .transport import CallRecord, Departing, Endpoint, Hooks, Transport, WaitRecord

__all__ = [
    "ENDPOINTS",
    "ApiKey",
    "Baseten",
    "BasetenError",
    "CallRecord",
    "Conflict",
    "CredentialsRefused",
    "Departing",
    "Endpoint",
    "Forbidden",
    "Hooks",
    "Invalid",
    "NotFound",
    "NotSent",
    "RateLimited",
    "Transport",
    "Unavailable",
    "WaitRecord",
]
