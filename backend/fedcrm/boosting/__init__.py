"""The learner: boosted tables over fields and pairs, their export to XGBoost, and the model at home."""

from fedcrm.boosting.learner import BoostedTrees
from fedcrm.boosting.model import FederatedModel, Term
from fedcrm.boosting.quantise import HESSIAN_SCALE, QUANTISED_SENSITIVITY, SCALE
from fedcrm.boosting.respondent import HistogramRespondent
from fedcrm.boosting.settings import Settings

__all__ = [
    "HESSIAN_SCALE",
    "QUANTISED_SENSITIVITY",
    "SCALE",
    "BoostedTrees",
    "FederatedModel",
    "HistogramRespondent",
    "Settings",
    "Term",
]
