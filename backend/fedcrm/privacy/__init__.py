"""Differential privacy: noise that is what it claims, accounting that is proven for it, a ledger that refuses.

The argument stands in docs/privacy.md, claim by claim with the function and the test.
"""

from fedcrm.privacy.accountant import Cost, gdp_delta, gdp_epsilon, gdp_mu
from fedcrm.privacy.attempts import AttemptCap
from fedcrm.privacy.books import Charge
from fedcrm.privacy.budget import TrainingBudget
from fedcrm.privacy.chain import Head
from fedcrm.privacy.database import Database
from fedcrm.privacy.domains import DomainPlan, plan_domains, release_domain
from fedcrm.privacy.events import (
    DomainRelease,
    Event,
    GaussianRelease,
    PureRelease,
    event_from_json,
    event_to_json,
)
from fedcrm.privacy.forecast import RoundsLeft, TrainingsLeft, largest_training, rounds_left, trainings_left
from fedcrm.privacy.gaussian import RandomBytes, rounded_gaussian, rounded_gaussian_variance
from fedcrm.privacy.ledger import Ledger, Receipt, Spent, utc_now
from fedcrm.privacy.resend import NoisyAnswers, release_once
from fedcrm.privacy.statistics import (
    Calibration,
    CalibrationRecords,
    Estimate,
    calibrate,
    calibration_event,
    counts_event,
    enough_examples,
    noisy_counts,
)
from fedcrm.privacy.units import bound_rows_per_unit, unit_sensitivity

__all__ = [
    "AttemptCap",
    "Calibration",
    "CalibrationRecords",
    "Charge",
    "Cost",
    "Database",
    "DomainPlan",
    "DomainRelease",
    "Estimate",
    "Event",
    "GaussianRelease",
    "Head",
    "Ledger",
    "NoisyAnswers",
    "PureRelease",
    "RandomBytes",
    "Receipt",
    "RoundsLeft",
    "Spent",
    "TrainingBudget",
    "TrainingsLeft",
    "bound_rows_per_unit",
    "calibrate",
    "calibration_event",
    "counts_event",
    "enough_examples",
    "event_from_json",
    "event_to_json",
    "gdp_delta",
    "gdp_epsilon",
    "gdp_mu",
    "largest_training",
    "noisy_counts",
    "plan_domains",
    "release_domain",
    "release_once",
    "rounded_gaussian",
    "rounded_gaussian_variance",
    "rounds_left",
    "trainings_left",
    "unit_sensitivity",
    "utc_now",
]
