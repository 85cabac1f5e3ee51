"""Who asks, and how strictly they are held to their rights."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum

__all__ = ["Context", "Mode"]


class Mode(Enum):
    """Whether object and field rights are enforced."""

    USER = "user"
    SYSTEM = "system"


@dataclass(frozen=True, slots=True)
class Context:
    """One caller.

    mode:      USER enforces object and field rights, as for API users; SYSTEM, as for Apex, does not.
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

    def in_user_mode(self) -> Context:
        """The same user, held to every right."""
        return replace(self, mode=Mode.USER, sharing=True)
