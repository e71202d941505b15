"""What the public API and the control API refuse, and its form on the wire."""

from __future__ import annotations

from typing import Any

JsonObject = dict[str, Any]


class ApiError(Exception):
    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message

    def body(self) -> JsonObject:
        return {"code": self.code, "message": self.message}


def invalid(message: str) -> ApiError:
    return ApiError(400, "VALIDATION_ERROR", message)


def not_found(what: str) -> ApiError:
    return ApiError(404, "NOT_FOUND", f"{what} not found.")


def refused(status: int, message: str) -> ApiError:
    """A refusal whose status no public source settles; the option that names it decides."""
    codes = {400: "VALIDATION_ERROR", 403: "PERMISSION_DENIED", 404: "NOT_FOUND", 409: "CONFLICT"}
    return ApiError(status, codes.get(status, "ERROR"), message)
