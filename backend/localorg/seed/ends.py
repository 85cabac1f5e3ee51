"""How a case, an opportunity, a lead comes to its end: the row as it was made and its later changes, each at its time.

The same draws are made whatever the outcome, and nothing but the outcome depends on it: how fast an
opportunity moves through its stages, or when a case is closed, tells nothing beforehand. What lies
after now has not happened yet.
"""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Mapping

from localorg.seed.lives import Life, Row

__all__ = ["STAGES", "case_life", "conversion_of", "lead_life", "opportunity_life"]

STAGES = ("Prospecting", "Qualification", "Needs Analysis", "Proposal/Price Quote", "Negotiation/Review")
_RAISED = {"Low": "Medium", "Medium": "High"}
_LOWERED = {"High": "Medium", "Medium": "Low"}
_DAY = 86_400


def case_life(rng: random.Random, row: Row, now: dt.datetime, *, escalates: bool) -> Life:
    """A case: escalated, or raised in priority, within 12 days if at all; closed within 30.

    row: with CreatedDate and Priority.
    """
    made, priority = row["CreatedDate"], row["Priority"]
    turn = made + dt.timedelta(seconds=rng.randrange(7_200, 12 * _DAY))
    end = made + dt.timedelta(seconds=rng.randrange(13 * _DAY, 30 * _DAY))
    flagged, lowered = rng.random() < 0.5, rng.random() < 0.08
    changes: list[tuple[dt.datetime, Row]] = []
    if escalates and (flagged or priority == "High"):
        changes.append((turn, {"IsEscalated": True, "Status": "Escalated"}))
    elif escalates:
        changes.append((turn, {"Priority": _RAISED[priority]}))
    elif lowered and priority in _LOWERED:
        changes.append((turn, {"Priority": _LOWERED[priority]}))
    changes.append((end, {"Status": "Closed"}))
    return _until(now, row, changes)


def opportunity_life(rng: random.Random, row: Row, now: dt.datetime, *, wins: bool) -> Life:
    """An opportunity: some stages, at times a later close date, closed within 20 to 150 days.

    row: with CreatedDate; its stage and close date are set here.
    """
    made = row["CreatedDate"]
    days = rng.uniform(20, 150)
    end = made + dt.timedelta(days=days)
    stages = sorted(rng.sample(range(1, len(STAGES)), rng.randrange(1, len(STAGES))))
    shares = sorted(rng.uniform(0.02, 0.95) for _ in stages)
    pushed, push = rng.random() < 0.3, rng.randrange(7, 60)
    planned = (end - dt.timedelta(days=push)).date() if pushed else end.date()
    changes: list[tuple[dt.datetime, Row]] = [
        (made + dt.timedelta(days=days * share), {"StageName": STAGES[stage]})
        for share, stage in zip(shares, stages, strict=True)
    ]
    planned = max(planned, made.date())
    if planned != end.date():
        changes[-1][1]["CloseDate"] = end.date()
    changes.append((end, {"StageName": "Closed Won" if wins else "Closed Lost", "CloseDate": end.date()}))
    return _until(now, {**row, "StageName": STAGES[0], "CloseDate": planned}, changes)


def conversion_of(rng: random.Random, made: dt.datetime) -> dt.datetime:
    """When a lead converts if it does: 3 to 85 days after it was made."""
    return made + dt.timedelta(seconds=rng.randrange(3 * _DAY, 85 * _DAY))


def lead_life(
    rng: random.Random, row: Row, now: dt.datetime, *, converts: dt.datetime | None, into: Mapping[str, str]
) -> Life:
    """A lead: contacted, then converted, or given up, or left lying.

    converts: when, if it does. into: ids of what it became, by field.
    """
    made = row["CreatedDate"]
    contacted = made + dt.timedelta(seconds=rng.randrange(3_600, 2 * _DAY))
    given_up, end = rng.random() < 0.7, made + dt.timedelta(seconds=rng.randrange(20 * _DAY, 120 * _DAY))
    changes: list[tuple[dt.datetime, Row]] = [(contacted, {"Status": "Working - Contacted"})]
    if converts is not None:
        became = {"IsConverted": True, "ConvertedDate": converts.date(), "IsUnreadByOwner": False, **into}
        changes.append((converts, {"Status": "Closed - Converted", **became}))
    elif given_up:
        changes.append((end, {"Status": "Closed - Not Converted"}))
    return _until(now, {**row, "Status": "Open - Not Contacted"}, changes)


def _until(now: dt.datetime, row: Row, changes: list[tuple[dt.datetime, Row]]) -> Life:
    return Life(row, tuple(change for change in changes if change[0] <= now))
