"""Text as the database can keep it."""

from __future__ import annotations

__all__ = ["storable"]


def storable(text: str) -> str:
    """The text without NUL characters, halves of surrogate pairs joined, or replaced where they stand alone."""
    if text.isascii():
        return text.replace("\x00", "") if "\x00" in text else text
    whole = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return whole.replace("\x00", "")
