"""TreeSHAP of many boosted trees at once: the same numbers as XGBoost's `pred_contribs`, several times faster.

A leaf's value v reaches the prediction times the product of one factor a feature on its path. For a feature that is
in the coalition the factor is o, 1 where the record goes the path's way and else 0; for one that is not it is z, the
fraction of training weight that went that way. The Shapley value of feature i is then the diagonal integral of the
multilinear extension (Owen, "Multilinear extensions of games", 1972),

    phi_i = sum over leaves v (o_i - z_i) * integral over t in [0, 1] of the product over j != i of (t o_j + (1-t) z_j),

a polynomial of degree d - 1 on a path of d features, so Gauss-Legendre quadrature with ceil(d/2) nodes gives it
exactly. Products are made on the way down and leaves added on the way up: the cost is linear in a tree's nodes
(compare Yu et al., "Linear TreeShap", 2022). A feature met again on a path has its factor replaced.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numba
import numpy as np
import xgboost as xgb
from numpy.typing import NDArray

__all__ = ["TreeTable"]

BLOCK = 32  # records walked together: one tree's products for them stay in the cache
_LEAST = 1e-12  # of z: a path that no training weight took


@dataclass(frozen=True, slots=True)
class TreeTable:
    """Trees in flat arrays, every tree's nodes in preorder; leaf values carry their booster's weight.

    starts:     (trees + 1,) first node of each tree.
    points:     (trees,) quadrature nodes.
    parent:     (nodes,) position of the parent, -1 at a root.
    feature:    (nodes,) column asked at the node, -1 at a leaf.
    threshold:  (nodes,) below goes left; at a leaf its value.
    missing:    (nodes,) whether a missing value goes left.
    levels:     (nodes,) row of `sets`, -1 for a numeric question. A category in the set goes right.
    sets:       bits of categories, one row a question, uint32, (questions, words).
    left:       (nodes,) whether the node is its parent's left child.
    right:      (nodes,) the node's right child, -1 at a leaf; the left one follows it.
    z:          (nodes,) fraction of weight that came here, times that of `before`.
    before:     (nodes,) the last node above whose incoming edge asked the same feature, -1 for none.
    constant:   what all trees predict on average.
    """

    starts: NDArray[np.int64]
    points: NDArray[np.int64]
    parent: NDArray[np.int64]
    feature: NDArray[np.int64]
    threshold: NDArray[np.float64]
    missing: NDArray[np.bool_]
    levels: NDArray[np.int64]
    sets: NDArray[np.uint32]
    left: NDArray[np.bool_]
    right: NDArray[np.int64]
    z: NDArray[np.float64]
    before: NDArray[np.int64]
    constant: float

    @classmethod
    def of(cls, models: Sequence[tuple[float, xgb.Booster]]) -> TreeTable:
        """The weighted sum of boosters' trees, without their base scores."""
        builder = _Builder()
        for weight, booster in models:
            raw = json.loads(bytes(booster.save_raw("json")))
            for tree in raw["learner"]["gradient_booster"]["model"]["trees"]:
                builder.add(tree, weight)
        return builder.table()

    def __len__(self) -> int:
        return len(self.points)

    def shares(self, X: NDArray[np.float32]) -> NDArray[np.float64]:
        """Log-odds of every feature, (n, k); with `constant` they add up to the trees' margin."""
        out = np.zeros((len(X), X.shape[1]))
        if len(self) and len(X):
            _shares(np.ascontiguousarray(X, np.float32), *self._arrays(), _NODES, _WEIGHTS, out)
        return out

    def margin(self, X: NDArray[np.float32]) -> NDArray[np.float64]:
        """Log-odds, (n,): the leaves alone, for records that need no explanation."""
        out = np.zeros(len(X))
        if len(self):
            _leaves(
                np.ascontiguousarray(X, np.float32), self.starts, self.feature, self.threshold, self.missing,
                self.levels, self.sets, self.right, out,
            )  # fmt: skip
        return out

    def asking(self, fields: Sequence[int]) -> TreeTable:
        """Only the trees that ask one of these columns: what can change when they do. For `margin` alone."""
        asks = np.isin(self.feature, np.asarray(fields, np.int64))
        touched = np.add.reduceat(asks, self.starts[:-1]) > 0 if len(self) else np.zeros(0, np.bool_)
        kept = np.flatnonzero(touched)
        starts = np.append(self.starts[:-1][kept], 0)
        return replace(self, starts=starts, points=self.points[kept], constant=0.0)

    def _arrays(self) -> tuple[Any, ...]:
        return (
            self.starts, self.points, self.parent, self.feature, self.threshold, self.missing, self.levels,
            self.sets, self.left, self.z, self.before,
        )  # fmt: skip


MOST_POINTS = 16


def _quadrature() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Gauss-Legendre on [0, 1]: row m holds m nodes and their weights."""
    nodes, weights = np.zeros((MOST_POINTS + 1, MOST_POINTS)), np.zeros((MOST_POINTS + 1, MOST_POINTS))
    for m in range(1, MOST_POINTS + 1):
        x, w = np.polynomial.legendre.leggauss(m)
        nodes[m, :m], weights[m, :m] = (x + 1) / 2, w / 2
    return nodes, weights


_NODES, _WEIGHTS = _quadrature()


def _right_children(parent: NDArray[np.int64], left: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Position of every node's right child; the left one follows the node in preorder."""
    right = np.full(len(parent), -1, np.int64)
    of_right = np.flatnonzero(~left & (parent >= 0))
    right[parent[of_right]] = of_right
    return right


class _Builder:
    """Gathers XGBoost's trees node by node."""

    def __init__(self) -> None:
        self._starts, self._points = [0], list[int]()
        self._parent, self._feature, self._levels, self._before = (list[int]() for _ in range(4))
        self._threshold, self._z = list[float](), list[float]()
        self._missing, self._left = list[bool](), list[bool]()
        self._sets: list[list[int]] = []
        self._constant = 0.0

    def add(self, tree: dict[str, Any], weight: float) -> None:
        sets = _category_sets(tree)
        cover, left, right = tree["sum_hessian"], tree["left_children"], tree["right_children"]
        deepest = 0
        # (node, parent's position, is left, z, before, features on the path -> last position, mean weight of arriving)
        waiting: list[tuple[int, int, bool, float, int, dict[int, int], float]] = [(0, -1, False, 1.0, -1, {}, 1.0)]
        while waiting:
            node, parent, is_left, z, before, path, arriving = waiting.pop()
            here = len(self._parent)
            if parent >= 0:
                path = {**path, self._feature[parent]: here}
            leaf = left[node] < 0
            self._parent.append(parent)
            self._left.append(is_left)
            self._z.append(z)
            self._before.append(before)
            self._feature.append(-1 if leaf else tree["split_indices"][node])
            self._missing.append(bool(tree["default_left"][node]))
            value = float(tree["split_conditions"][node])
            self._threshold.append(value * weight if leaf else value)
            self._levels.append(-1)
            if leaf:
                deepest = max(deepest, len(path))
                self._constant += arriving * value * weight
                continue
            if node in sets:
                self._levels[-1] = len(self._sets)
                self._sets.append(sets[node])
            last = path.get(tree["split_indices"][node], -1)
            for child, on_left in ((right[node], False), (left[node], True)):  # popped in reverse: preorder
                fraction = max(cover[child] / max(cover[node], _LEAST), _LEAST)
                merged = fraction * (self._z[last] if last >= 0 else 1.0)
                waiting.append((child, here, on_left, merged, last, path, arriving * fraction))
        self._starts.append(len(self._parent))
        self._points.append(max(1, (deepest + 1) // 2))

    def table(self) -> TreeTable:
        if max(self._points, default=0) > MOST_POINTS:
            raise ValueError("a path of a tree asks more features than can be integrated")
        return TreeTable(
            np.array(self._starts, np.int64),
            np.array(self._points, np.int64),
            np.array(self._parent, np.int64),
            np.array(self._feature, np.int64),
            np.array(self._threshold, np.float64),
            np.array(self._missing, np.bool_),
            np.array(self._levels, np.int64),
            _bits(self._sets),
            np.array(self._left, np.bool_),
            _right_children(np.array(self._parent, np.int64), np.array(self._left, np.bool_)),
            np.array(self._z, np.float64),
            np.array(self._before, np.int64),
            self._constant,
        )


def _category_sets(tree: dict[str, Any]) -> dict[int, list[int]]:
    """The categories that go right, by node."""
    segments = zip(tree["categories_nodes"], tree["categories_segments"], tree["categories_sizes"], strict=True)
    return {node: tree["categories"][begin : begin + size] for node, begin, size in segments}


def _bits(sets: Sequence[Sequence[int]]) -> NDArray[np.uint32]:
    """One row of bits a set, all as long as the largest category needs; at least one word."""
    most = max((max(s) for s in sets if s), default=0)
    out = np.zeros((len(sets), most // 32 + 1), np.uint32)
    for row, members in enumerate(sets):
        for category in members:
            out[row, category >> 5] |= np.uint32(1 << (category & 31))
    return out


@numba.njit(cache=True, inline="always")
def _goes_left(v, threshold, missing, levels, sets):  # type: ignore[no-untyped-def]  # compiled: numba infers the types
    if np.isnan(v):
        return missing
    if levels < 0:
        return v < threshold
    if v < 0 or v >= 32 * sets.shape[1]:
        return True  # in no set
    c = int(v)
    return (sets[levels, c >> 5] >> (c & 31)) & 1 == 0


@numba.njit(cache=True)
def _leaves(X, starts, feature, threshold, missing, levels, sets, right, out):  # type: ignore[no-untyped-def]  # compiled
    f32 = np.float32
    for t in range(len(starts) - 1):
        first = starts[t]
        for r in range(len(X)):
            at = first
            while feature[at] >= 0:
                v = X[r, feature[at]]
                at = at + 1 if _goes_left(v, f32(threshold[at]), missing[at], levels[at], sets) else right[at]
            out[r] += threshold[at]


@numba.njit(cache=True, fastmath={"contract", "nsz", "reassoc"})
def _shares(X, starts, points, parent, feature, threshold, missing, levels, sets, left, z, before, T, W, out):  # type: ignore[no-untyped-def]  # compiled
    n = len(X)
    lanes = min(BLOCK, n)
    largest, most = 1, 1
    for t in range(len(points)):
        largest = max(largest, starts[t + 1] - starts[t])
        most = max(most, points[t])
    path = np.empty((largest, most, lanes))  # product of factors from the root to each node
    below = np.empty((largest, most, lanes))  # value of the leaves below, times the products that reach them
    goes = np.empty((largest, lanes))  # 1 where a record goes left at the node
    same = np.empty((largest, lanes))  # 1 where it agrees with every edge of the feature down to the node
    total = np.empty((X.shape[1], lanes))
    x = np.empty((X.shape[1], lanes), np.float32)
    f32 = np.float32
    for begin in range(0, n, lanes):
        m = min(lanes, n - begin)
        for j in range(X.shape[1]):
            for r in range(lanes):
                x[j, r] = X[begin + min(r, m - 1), j]
                total[j, r] = 0.0
        for t in range(len(points)):
            first, q = starts[t], points[t]
            nodes = starts[t + 1] - first
            for a in range(nodes):
                e = first + a
                if a > 0:
                    up = parent[e] - first
                    was = before[e] - first
                    if left[e]:
                        for r in range(lanes):
                            same[a, r] = goes[up, r]
                    else:
                        for r in range(lanes):
                            same[a, r] = 1.0 - goes[up, r]
                    if before[e] >= 0:
                        for r in range(lanes):
                            same[a, r] *= same[was, r]
                    for k in range(q):
                        c, d = (1 - T[q, k]) * z[e], T[q, k]
                        if before[e] >= 0:
                            c0 = (1 - T[q, k]) * z[before[e]]
                            i0, i1 = 1 / c0, 1 / (c0 + d)
                            for r in range(lanes):
                                inverse = i0 + (i1 - i0) * same[was, r]
                                path[a, k, r] = path[up, k, r] * (c + d * same[a, r]) * inverse
                        else:
                            for r in range(lanes):
                                path[a, k, r] = path[up, k, r] * (c + d * same[a, r])
                else:
                    for k in range(q):
                        for r in range(lanes):
                            path[0, k, r] = W[q, k]
                if feature[e] >= 0:
                    for k in range(q):
                        for r in range(lanes):
                            below[a, k, r] = 0.0
                    for r in range(lanes):
                        v = x[feature[e], r]
                        goes[a, r] = 1.0 if _goes_left(v, f32(threshold[e]), missing[e], levels[e], sets) else 0.0
                else:
                    for k in range(q):
                        for r in range(lanes):
                            below[a, k, r] = threshold[e] * path[a, k, r]
            for a in range(nodes - 1, 0, -1):
                e = first + a
                up = parent[e] - first
                j = feature[parent[e]]
                was = before[e] - first
                for k in range(q):
                    c, d = (1 - T[q, k]) * z[e], T[q, k]
                    g0, g1 = -z[e] / c, (1 - z[e]) / (c + d)
                    if before[e] >= 0:
                        zb = z[before[e]]
                        cb = (1 - T[q, k]) * zb
                        b0, b1 = -zb / cb, (1 - zb) / (cb + d)
                        for r in range(lanes):
                            s = below[a, k, r]
                            below[up, k, r] += s
                            total[j, r] += s * (g0 + (g1 - g0) * same[a, r] - b0 - (b1 - b0) * same[was, r])
                    else:
                        for r in range(lanes):
                            s = below[a, k, r]
                            below[up, k, r] += s
                            total[j, r] += s * (g0 + (g1 - g0) * same[a, r])
        for j in range(X.shape[1]):
            for r in range(m):
                out[begin + r, j] += total[j, r]
