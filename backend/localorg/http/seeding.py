"""`POST /_local/seed`: rows of a data-set directory of this machine planted into one org by the server itself."""

from __future__ import annotations

from pathlib import Path

from starlette.responses import Response

from localorg.errors import OrgError, SettingsError
from localorg.http.answers import json_answer
from localorg.http.calls import Call, Route
from localorg.seed import Rates, plant, read_table

__all__ = ["ROUTES"]


def _seed(call: Call) -> Response:
    asked = call.body.object()
    entries = [entry for entry in call.server.registry.entries() if not entry.hub]
    entry = call.server.registry.entry(str(asked.get("org", "")))
    org = None if entry is None else call.server.registry.org(entry.org_id)
    if entry is None or org is None:
        raise OrgError("INVALID_INPUT", f"there is no org {asked.get('org')!r}")
    position = entries.index(entry) if entry in entries else 0
    try:
        table = read_table(
            Path(str(asked.get("data_set", ""))),
            participant=int(asked.get("participant", position)),
            of=int(asked.get("of", len(entries))),
            limit=None if asked.get("rows") is None else int(asked["rows"]),
        )
        seed = int(asked.get("seed", 1))
        rates = Rates.given({str(name): float(rate) for name, rate in dict(asked.get("rates") or {}).items()})
    except (SettingsError, ValueError, TypeError) as wrong:
        raise OrgError("INVALID_INPUT", str(wrong)) from wrong
    planted = plant(org, table, seed=seed, rates=rates)
    return json_answer({**planted.description, "new": planted.new})


ROUTES = (Route("POST", "/_local/seed", _seed, open=True),)
