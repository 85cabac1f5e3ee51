"""Who asks, and how strictly they are held to their rights."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum

__all__ = ["Context", "Mode"]


class Mode(Enum):
    """How strictly a caller is held to rights.

    USER enforces object and field rights; SYSTEM, as Apex, does not; PLATFORM also writes what only the
    platform writes (job rows, what a deployment brings, fields that are read only for everyone).
    """

    USER = "user"
    SYSTEM = "system"
    PLATFORM = "platform"


@dataclass(frozen=True, slots=True)
class Context:
    """One caller.

    mode:      see `Mode`.
    sharing:   whether rows the user may not see are left out.
    namespace: of the code that asks; its custom names may be written without the prefix.
    time_zone: the user's, an IANA name; date literals count days in it.
    """

    user_id: str
    mode: Mode = Mode.USER
    sharing: bool = True
    namespace: str | None = None
    time_zone: str = "UTC"

    def in_system_mode(self, *, sharing: bool = False) -> Context:
        """The same user, with object and field rights not enforced."""
        return replace(self, mode=Mode.SYSTEM, sharing=sharing)

    def as_platform(self) -> Context:
        """The platform itself, on behalf of this user."""
        return replace(self, mode=Mode.PLATFORM, sharing=False)

    def in_user_mode(self) -> Context:
        """The same user, held to every right."""
        return replace(self, mode=Mode.USER, sharing=True)
