"""Transports: ways of carrying the same bytes."""

from fedcrm.federation.transport.local import LocalChannel

__all__ = ["LocalChannel"]
