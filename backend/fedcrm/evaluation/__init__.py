"""Holding methods against each other: metrics, the baselines to beat, the demo's table."""

from fedcrm.evaluation.metrics import (
    Difference,
    auc,
    mean_over_participants,
    paired_difference,
    spearman,
    spearman_attainable,
)
from fedcrm.evaluation.telco import telco_demo

__all__ = [
    "Difference",
    "auc",
    "mean_over_participants",
    "paired_difference",
    "spearman",
    "spearman_attainable",
    "telco_demo",
]
