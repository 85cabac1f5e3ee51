"""Why a score is what it is, in points that add up; how sure it is; what would change it."""

from fedcrm.explanation.calibration import Calibration
from fedcrm.explanation.confidence import Caution, Confidence, Reason
from fedcrm.explanation.counterfactuals import Change, Comparison
from fedcrm.explanation.explainer import DECIMALS, Background, Explained, Explainer, prepare
from fedcrm.explanation.ideas import Idea, Meaning, Moves, ideas_of, meanings_from_json, meanings_to_json
from fedcrm.explanation.log_odds import LogOdds, Parts, Served
from fedcrm.explanation.overview import overview
from fedcrm.explanation.packed import pack, unpack
from fedcrm.explanation.points import Figures, figures
from fedcrm.explanation.profile import FieldProfile, Profile, stability_index
from fedcrm.explanation.words import Story, Why, sentence, why_of

__all__ = [
    "DECIMALS",
    "Background",
    "Calibration",
    "Caution",
    "Change",
    "Comparison",
    "Confidence",
    "Explained",
    "Explainer",
    "FieldProfile",
    "Figures",
    "Idea",
    "LogOdds",
    "Meaning",
    "Moves",
    "Parts",
    "Profile",
    "Reason",
    "Served",
    "Story",
    "Why",
    "figures",
    "ideas_of",
    "meanings_from_json",
    "meanings_to_json",
    "overview",
    "pack",
    "prepare",
    "sentence",
    "stability_index",
    "unpack",
    "why_of",
]
