"""What decides the outcomes of seeded cases, opportunities and leads. SYNTHETIC: no real organisation behaves so.

Each outcome is a coin whose odds follow from facts that the org holds before it: log odds = base + the points of the
facts below + an offset of the org's own. A model that knew the odds would reach an AUC of 0.75 to 0.8, which
is what makes these tasks something to learn and nothing to boast of.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["CONVERSION", "ESCALATION", "WIN", "Signal"]


@dataclass(frozen=True, slots=True)
class Signal:
    """Log odds of one outcome.

    base:   log odds of a record whose facts bring no points.
    points: by field and value; what is not named brings none.
    slopes: by field: the value at which it brings none, and points for each tenfold of it.
    """

    base: float
    points: Mapping[str, Mapping[str, float]]
    slopes: Mapping[str, tuple[float, float]]

    def odds(self, facts: Mapping[str, Any], offset: float = 0.0) -> float:
        """Probability of the outcome. facts: by field; offset: in log odds."""
        total = self.base + offset
        for name, by_value in self.points.items():
            total += by_value.get(str(facts.get(name)), 0.0)
        for name, (middle, slope) in self.slopes.items():
            value = facts.get(name)
            if value:
                total += slope * math.log10(float(value) / middle)
        return 1.0 / (1.0 + math.exp(-total))


_SOURCES = {"Partner Referral": 1.0, "Phone Inquiry": 0.4, "Web": -0.3, "Purchased List": -1.2}

# A case escalates, by its own facts and the size of its account.
ESCALATION = Signal(
    base=-1.3,
    points={
        "Priority": {"High": 1.4, "Low": -1.2},
        "Origin": {"Phone": 0.6, "Web": -0.5},
        "Type": {"Electrical": 0.6, "Structural": -0.6},
        "Reason": {"Breakdown": 1.0, "Performance": 0.5, "Feedback": -1.0},
    },
    slopes={"NumberOfEmployees": (200.0, 0.4)},
)
# An opportunity is won, by what is sold to whom, and how the customer came.
WIN = Signal(
    base=-0.6,
    points={
        "Type": {"Existing Customer - Upgrade": 1.1},
        "LeadSource": _SOURCES,
        "Industry": {"Technology": 0.6, "Healthcare": 0.4, "Government": -0.7, "Retail": -0.4},
    },
    slopes={"Amount": (8_000.0, -1.3), "NumberOfEmployees": (200.0, -0.3)},
)
# A lead converts within 90 days, by who it is and how it came.
CONVERSION = Signal(
    base=-1.0,
    points={
        "Rating": {"Hot": 1.2, "Cold": -1.1},
        "LeadSource": _SOURCES,
        "Industry": {"Technology": 0.6, "Healthcare": 0.4, "Government": -0.7, "Retail": -0.4},
        "Title": {"CEO": 0.7, "VP Sales": 0.5, "Clerk": -0.4},
    },
    slopes={"NumberOfEmployees": (200.0, 0.4)},
)
