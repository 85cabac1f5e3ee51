"""Models at home as files: JSON for numbers, UBJ for trees, never pickle."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xgboost as xgb

from fedcrm.boosting.local import Encoding, RidgeLogit, TunedTrees
from fedcrm.errors import StorageError

__all__ = ["logit_from_raw", "logit_to_raw", "read_json", "read_trees", "write_json", "write_trees"]

_ENCODING = {
    "log": np.bool_,
    "fill": np.float64,
    "centre": np.float64,
    "scale": np.float64,
    "flags": np.int64,
    "flag_centre": np.float64,
    "flag_scale": np.float64,
}


def write_json(path: Path, value: object) -> None:
    """Canonical JSON, whole or not at all. Raises StorageError."""
    partial = path.with_suffix(path.suffix + ".partial")
    try:
        partial.write_text(json.dumps(value, sort_keys=True, separators=(",", ":")), encoding="utf-8")
        partial.replace(path)
    except OSError as wrong:
        raise StorageError(f"cannot write {path}: {wrong}") from wrong


def read_json(path: Path, keys: Sequence[str]) -> dict[str, Any]:
    """An object with at least these keys. Raises StorageError."""
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as wrong:
        raise StorageError(f"cannot read {path}: {wrong}") from wrong
    if not isinstance(raw, dict) or not set(keys) <= raw.keys():
        raise StorageError(f"{path} is not a file of this program")
    return raw


def write_trees(directory: Path, name: str, trees: TunedTrees) -> None:
    """NAME.json and one NAME-i.ubj a booster. Raises StorageError."""
    try:
        for i, (_, booster) in enumerate(trees.models):
            partial = directory / f"{name}-{i}.partial.ubj"
            booster.save_model(partial)
            partial.replace(directory / f"{name}-{i}.ubj")
    except (OSError, xgb.core.XGBoostError) as wrong:
        raise StorageError(f"cannot write {name} in {directory}: {wrong}") from wrong
    weights = [w for w, _ in trees.models]
    write_json(directory / f"{name}.json", {"base": trees.base, "types": list(trees.types), "weights": weights})


def read_trees(directory: Path, name: str) -> TunedTrees:
    """Inverse of write_trees, without the out-of-fold margins. Raises StorageError."""
    raw = read_json(directory / f"{name}.json", ("base", "types", "weights"))
    models = []
    for i, weight in enumerate(raw["weights"]):
        try:
            booster = xgb.Booster(model_file=directory / f"{name}-{i}.ubj")
        except xgb.core.XGBoostError as wrong:
            raise StorageError(f"cannot read {name}-{i}.ubj in {directory}") from wrong
        models.append((float(weight), booster))
    return TunedTrees(tuple(models), np.zeros(0), float(raw["base"]), tuple(raw["types"]))


def logit_to_raw(logit: RidgeLogit) -> dict[str, Any]:
    """Plain values for JSON; logit_from_raw is its inverse. An infinite scale (unused column) becomes null."""
    encoding: dict[str, Any] = {name: getattr(logit.encoding, name).tolist() for name in _ENCODING}
    encoding["scale"] = [None if np.isinf(s) else s for s in encoding["scale"]]
    encoding["levels"] = [list(levels) for levels in logit.encoding.levels]
    return {"encoding": encoding, "coefficients": logit.coefficients.tolist(), "intercept": logit.intercept}


def logit_from_raw(raw: Any, path: Path | str) -> RidgeLogit:
    """Inverse of logit_to_raw, without the out-of-fold margins. Raises StorageError, naming the file."""
    try:
        encoding = dict(raw["encoding"])
        encoding["scale"] = [np.inf if s is None else s for s in encoding["scale"]]
        arrays: dict[str, Any] = {name: np.asarray(encoding[name], dtype=kind) for name, kind in _ENCODING.items()}
        levels = tuple(tuple(int(v) for v in row) for row in encoding["levels"])
        coefficients = np.asarray(raw["coefficients"], np.float64)
        return RidgeLogit(Encoding(levels=levels, **arrays), coefficients, float(raw["intercept"]), np.zeros(0))
    except (KeyError, TypeError, ValueError) as wrong:
        raise StorageError(f"{path} is not a file of this program") from wrong
