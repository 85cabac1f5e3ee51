"""Writing SOQL: names are checked, values are quoted, conditions are our own text."""

from __future__ import annotations

import re
from collections.abc import Sequence

from fedcrm.errors import SettingsError

__all__ = ["check_name", "select", "text_literal"]

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")


def check_name(name: str, what: str) -> str:
    """An API name, or a path of them joined by dots. Raises SettingsError: such a word goes into a query or a URL."""
    if not all(_NAME.fullmatch(part) for part in name.split(".")):
        raise SettingsError(f"{name!r} is no API name of {what}")
    return name


def text_literal(value: str) -> str:
    """A string as SOQL writes it, quoted."""
    escaped = value.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n").replace("\r", "\\r")
    return f"'{escaped}'"


def select(expressions: Sequence[str], object_name: str, where: str | None = None) -> str:
    """`SELECT expressions FROM object WHERE where`; where is written by FedCRM or by the org's administrator."""
    words = ["SELECT", ", ".join(expressions), "FROM", check_name(object_name, "an object")]
    return " ".join([*words, "WHERE", where] if where else words)
