"""Which learner a training gets, and which wrote a state."""

from __future__ import annotations

from typing import Protocol

from fedcrm.boosting.compact import CompactTerms
from fedcrm.boosting.learner import BoostedTrees
from fedcrm.boosting.model import FederatedModel
from fedcrm.boosting.settings import Settings
from fedcrm.features import Schema
from fedcrm.learning import Learner

__all__ = ["TermsLearner", "restore_learner", "start_learner"]


class TermsLearner(Learner, Protocol):
    """A learner whose model is a sum of tables."""

    @property
    def progress(self) -> tuple[int, int]:
        """Queries answered, and expected in all; the latter may still change with the stages."""

    def model(self) -> FederatedModel:
        """The model as it stands. Raises ValueError before there are bins."""


def start_learner(
    schema: Schema, base_rate: float, settings: Settings, signal: float, rows: float, share: float = 1.0
) -> TermsLearner:
    """The learner for this signal, before its first query; arguments and errors as of `BoostedTrees.start`."""
    if 0 < signal < settings.compact_signal:
        return CompactTerms.start(schema, base_rate, settings, rows, share)
    return BoostedTrees.start(schema, base_rate, settings, signal, rows, share)


def restore_learner(state: bytes) -> TermsLearner:
    """The learner that wrote this state. Raises ValueError on anything else."""
    try:
        return CompactTerms.restore(state)
    except ValueError:
        return BoostedTrees.restore(state)
