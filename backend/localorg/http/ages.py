"""When what an org's describe documents say last changed, for If-Modified-Since."""

from __future__ import annotations

import datetime as dt
import threading

from localorg.access import Rights
from localorg.clock import Clock
from localorg.org import Org
from localorg.schema import Schema

__all__ = ["SchemaAges"]


class SchemaAges:
    """A schema is a frozen value, and so are a user's rights, which decide what is shown: a new one is a change."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._seen: dict[str, tuple[Schema, Rights, dt.datetime]] = {}
        self._lock = threading.Lock()

    def changed_at(self, org: Org, rights: Rights) -> dt.datetime:
        """Whole seconds, UTC."""
        key = f"{org.org_id}/{rights.user_id}"
        with self._lock:
            held = self._seen.get(key)
            if held is None or held[0] is not org.schema or held[1] != rights:
                held = (org.schema, rights, self._clock.now().replace(microsecond=0))
                self._seen[key] = held
            return held[2]
