"""One name for one task, inside: that of `Model_Task__mdt`, which travels in vocabularies and model versions.

Data sets from elsewhere say it in other words; they are taken, and heard as what they mean, here only.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

__all__ = ["TASK_ALIASES", "task_name"]

TASK_ALIASES: Mapping[str, str] = MappingProxyType({"win_probability": "opportunity_win"})


def task_name(given: str) -> str:
    """The name used inside for a task as a user or a data set writes it."""
    return TASK_ALIASES.get(given, given)
