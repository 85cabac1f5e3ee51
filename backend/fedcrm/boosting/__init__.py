"""The learner: boosted tables over fields and pairs, their export to XGBoost, and the model at home."""

from fedcrm.boosting.compact import CompactTerms
from fedcrm.boosting.export import to_booster
from fedcrm.boosting.home import Choice, HomeModel, PersonalModel, home_folds
from fedcrm.boosting.learner import BoostedTrees
from fedcrm.boosting.local import Folds, RidgeLogit, TunedTrees, log_loss, make_folds
from fedcrm.boosting.local_model import LocalModel
from fedcrm.boosting.model import FederatedModel, Term
from fedcrm.boosting.quantise import HESSIAN_SCALE, QUANTISED_SENSITIVITY, SCALE
from fedcrm.boosting.respondent import HistogramRespondent
from fedcrm.boosting.settings import Settings
from fedcrm.boosting.start import TermsLearner, restore_learner, start_learner

__all__ = [
    "HESSIAN_SCALE",
    "QUANTISED_SENSITIVITY",
    "SCALE",
    "BoostedTrees",
    "Choice",
    "CompactTerms",
    "FederatedModel",
    "Folds",
    "HistogramRespondent",
    "HomeModel",
    "LocalModel",
    "PersonalModel",
    "RidgeLogit",
    "Settings",
    "Term",
    "TermsLearner",
    "TunedTrees",
    "home_folds",
    "log_loss",
    "make_folds",
    "restore_learner",
    "start_learner",
    "to_booster",
]
