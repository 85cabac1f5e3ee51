"""The federated model as a native XGBoost Booster: one tree a term.

Traps, all seen: the right child must be the left child + 1 (breadth first), or `predict` stays right while
`pred_contribs` is silently wrong; the base score is a probability; covers (`sum_hessian`) must be positive. They come
from the noised aggregate alone, and a pair's covers are products of its fields' masses, under which its table
is centred: TreeSHAP then finds exactly `FederatedModel.contributions`. "Missing" is a leaf of its own, behind
a root split at the lowest float with missing going left; categories are told apart by thresholds on the code.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import xgboost as xgb
from numpy.typing import NDArray

from fedcrm.boosting.bins import Bins
from fedcrm.boosting.grid import Axis
from fedcrm.boosting.model import FederatedModel, Term

__all__ = ["booster_json", "to_booster"]

VERSION = [3, 2, 0]
NO_PARENT = 2147483647
LOWEST = float(np.finfo(np.float32).min)


def to_booster(model: FederatedModel) -> xgb.Booster:
    """A Booster with the model's margins and, by `pred_contribs`, its contributions, to float32."""
    booster = xgb.Booster()
    booster.load_model(bytearray(json.dumps(booster_json(model)).encode()))
    return booster


def booster_json(model: FederatedModel) -> dict[str, Any]:
    """XGBoost's JSON form of the model."""
    names = [_safe(f.name) for f in model.schema.fields]
    trees = [_tree(model, t).to_raw(k, len(names)) for k, t in enumerate(model.terms)]
    return {
        "version": VERSION,
        "learner": {
            "attributes": {},
            "feature_names": names,
            "feature_types": ["float"] * len(names),
            "gradient_booster": {
                "name": "gbtree",
                "model": {
                    "cats": {"enc": [], "feature_segments": [], "sorted_idx": []},
                    "gbtree_model_param": {"num_parallel_tree": "1", "num_trees": str(len(trees))},
                    "iteration_indptr": list(range(len(trees) + 1)),
                    "tree_info": [0] * len(trees),
                    "trees": trees,
                },
            },
            "learner_model_param": {
                "base_score": f"[{1 / (1 + math.exp(-model.base)):.9E}]",
                "boost_from_average": "0",
                "num_class": "0",
                "num_feature": str(len(names)),
                "num_target": "1",
            },
            "objective": {"name": "binary:logistic", "reg_loss_param": {"scale_pos_weight": "1"}},
        },
    }


def _safe(name: str) -> str:
    """XGBoost refuses [, ] and < in names."""
    return name.translate(str.maketrans("[]<", "()_"))


@dataclass(slots=True)
class _Node:
    """A split (left: below the threshold, or missing where `missing_left`) or, without children, a leaf."""

    cover: float
    value: float
    field: int = 0
    threshold: float = 0.0
    missing_left: bool = False
    children: tuple[_Node, _Node] | None = None

    def to_raw(self, number: int, fields: int) -> dict[str, Any]:
        """XGBoost's arrays of the tree under this node, numbered breadth first."""
        order: list[_Node] = [self]
        parents, left = [NO_PARENT], []
        for at, node in enumerate(order):  # grows while it is walked
            if node.children is None:
                left.append(-1)
                continue
            left.append(len(order))
            order.extend(node.children)
            parents += [at, at]
        return {
            "base_weights": [n.value for n in order],
            "categories": [],
            "categories_nodes": [],
            "categories_segments": [],
            "categories_sizes": [],
            "default_left": [int(n.missing_left) for n in order],
            "id": number,
            "left_children": left,
            "loss_changes": [0.0] * len(order),
            "parents": parents,
            "right_children": [c + 1 if c >= 0 else -1 for c in left],
            "split_conditions": [n.value if n.children is None else n.threshold for n in order],
            "split_indices": [n.field for n in order],
            "split_type": [0] * len(order),
            "sum_hessian": [n.cover for n in order],
            "tree_param": {
                "num_deleted": "0",
                "num_feature": str(fields),
                "num_nodes": str(len(order)),
                "size_leaf_vector": "1",
            },
        }


@dataclass(slots=True)
class _Side:
    """One axis as stretches of the number line: thresholds between them, the place of each, missing last."""

    column: int
    thresholds: list[float] = field(default_factory=list)
    places: list[int] = field(default_factory=list)
    missing: int = 0

    @classmethod
    def of(cls, axis: Axis, bins: Bins) -> _Side:
        side = cls(axis.field, missing=axis.places[-1])
        for gap, member in enumerate(bins.members.tolist()):
            place = axis.places[member]
            if gap and place == side.places[-1]:
                continue  # neighbouring gaps of one place are one stretch
            if gap:
                side.thresholds.append(float(bins.cuts[gap - 1]))
            side.places.append(place)
        return side

    def node(self, leaf: Callable[[int, float], _Node]) -> _Node:
        """Missing first, then a balanced search. leaf: makes what stands at a place with its fraction of cover."""
        # A place that several stretches lead to shares its cover among them.
        stretches = [self.missing, *self.places]
        share = {p: 1.0 / stretches.count(p) for p in stretches}

        def search(low: int, high: int) -> _Node:
            if high - low == 1:
                return leaf(self.places[low], share[self.places[low]])
            middle = (low + high) // 2
            return _split(self.column, self.thresholds[middle - 1], False, search(low, middle), search(middle, high))

        return _split(self.column, LOWEST, True, leaf(self.missing, share[self.missing]), search(0, len(self.places)))


def _split(f: int, threshold: float, missing_left: bool, left: _Node, right: _Node) -> _Node:
    cover = left.cover + right.cover
    value = (left.cover * left.value + right.cover * right.value) / cover
    return _Node(cover, value, f, threshold, missing_left, (left, right))


def _tree(model: FederatedModel, term: Term) -> _Node:
    sides = [_Side.of(a, model.bins[a.field]) for a in term.grid.axes]
    masses = [a.collapse(model.masses[a.field]) for a in term.grid.axes]
    total = float(masses[0].sum())
    table = term.mean.reshape(term.grid.shape)
    return _grow(sides, masses, table, total)


def _grow(
    sides: Sequence[_Side], masses: Sequence[NDArray[np.float64]], table: NDArray[np.float64], cover: float
) -> _Node:
    """The tree over the remaining axes, whose root is worth `cover`."""
    mass = masses[0] / masses[0].sum()

    def leaf(place: int, share: float) -> _Node:
        here = cover * float(mass[place]) * share
        if len(sides) == 1:
            return _Node(here, float(table[place]))
        return _grow(sides[1:], masses[1:], table[place], here)

    return sides[0].node(leaf)
