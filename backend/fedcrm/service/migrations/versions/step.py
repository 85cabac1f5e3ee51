"""One step of the database's shape, up and down."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from alembic.operations import Operations

__all__ = ["Step"]


@dataclass(frozen=True, slots=True)
class Step:
    """up, down: inverse of each other, inside the caller's transaction."""

    name: str
    up: Callable[[Operations], None]
    down: Callable[[Operations], None]
