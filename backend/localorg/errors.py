"""Every refusal a local org answers with, in the platform's own words and codes.

LocalOrgError
├── OrgError          a refusal on the wire: HTTP status, errorCode, message, fields
└── SettingsError     a command's option or a data directory cannot be used

Row-level failures of a bulk write are values, not exceptions: see `records`.
"""

from __future__ import annotations

__all__ = ["LocalOrgError", "OrgError", "SettingsError"]


class LocalOrgError(Exception):
    """Root of the tree."""


class OrgError(LocalOrgError):
    """What the platform would answer: `[{"errorCode": code, "message": message, "fields": [...]}]`.

    code:   the platform's error code, as MALFORMED_QUERY.
    status: HTTP status that goes with it.
    fields: API names of the fields at fault, where the platform names them.
    """

    def __init__(self, code: str, message: str, *, status: int = 400, fields: tuple[str, ...] = ()) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status
        self.fields = fields


class SettingsError(LocalOrgError):
    """An option, or a data directory, cannot be used; the message says what to do."""
