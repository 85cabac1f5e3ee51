"""Calls into a program from outside, as the wire side hands them to a runtime and gets them back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

__all__ = ["ActionOutcome", "RestAnswer", "RestCall"]


@dataclass(frozen=True, slots=True)
class RestCall:
    """A call to `/services/apexrest`. path: what follows it, with its leading slash; headers by lower-case name."""

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    remote_address: str = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class RestAnswer:
    """What an Apex REST class answered."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ActionOutcome:
    """One invocation of an action or flow. errors: `{statusCode, message, fields}`; outputs: by name."""

    success: bool
    outputs: Mapping[str, Any] = field(default_factory=dict)
    errors: Sequence[Mapping[str, Any]] = ()
