"""An explainer as bytes: arrays and JSON in one zip, never pickle, so that it can be sealed and opened in memory.

A served model taken apart is all that scoring needs; the boosters it came from stay in the node's directory.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fedcrm.boosting.bins import Bins
from fedcrm.boosting.files import logit_from_raw, logit_to_raw
from fedcrm.errors import StorageError
from fedcrm.explanation.explainer import Background, Explainer
from fedcrm.explanation.log_odds import Parts, Tables
from fedcrm.explanation.tree_shares import TreeTable
from fedcrm.features import Schema

__all__ = ["pack", "unpack"]

_TREES = {
    "starts": ("int64", 1),
    "points": ("int64", 1),
    "parent": ("int64", 1),
    "feature": ("int64", 1),
    "threshold": ("float64", 1),
    "missing": ("bool", 1),
    "levels": ("int64", 1),
    "sets": ("uint32", 2),
    "left": ("bool", 1),
    "right": ("int64", 1),
    "z": ("float64", 1),
    "before": ("int64", 1),
}
_TABLES = {
    "single": ("float64", 3),
    "pair_fields": ("int64", 2),
    "places": ("int64", 3),
    "starts": ("int64", 1),
    "cells": ("float64", 2),
}
"""Arrays by name, with type and dimensions: compiled loops take nothing else."""
_MOST_BYTES = 1 << 30


def pack(explainer: Explainer) -> bytes:
    """The inverse of unpack; equal explainers give equal bytes."""
    parts = explainer.parts
    raw = {
        "fields": parts.fields,
        "constant": parts.constant,
        "trees_constant": parts.trees.constant,
        "bins": None if parts.tables is None else [b.to_raw() for b in parts.tables.bins],
        "logit": None if parts.logit is None else logit_to_raw(parts.logit),
        "logit_weight": parts.logit_weight,
    }
    arrays = {f"trees_{name}": getattr(parts.trees, name) for name in _TREES}
    if parts.tables is not None:
        arrays |= {f"tables_{name}": getattr(parts.tables, name) for name in _TABLES}
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in (
            ("parts.json", json.dumps(raw, sort_keys=True, separators=(",", ":"))),
            ("schema.json", explainer.schema.to_json()),
            ("background.json", explainer.background.to_json()),
        ):
            archive.writestr(zipfile.ZipInfo(name), text, zipfile.ZIP_DEFLATED)
        for name, array in arrays.items():
            archive.writestr(zipfile.ZipInfo(f"{name}.npy"), _array_bytes(array), zipfile.ZIP_DEFLATED)
    return out.getvalue()


def unpack(content: bytes) -> Explainer:
    """Raises StorageError for anything that pack does not make."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            if sum(entry.file_size for entry in archive.infolist()) > _MOST_BYTES:
                raise StorageError("a packed model is larger than any model")
            texts = {n: archive.read(n).decode() for n in ("parts.json", "schema.json", "background.json")}
            arrays = {
                n[:-4]: np.load(io.BytesIO(archive.read(n)), allow_pickle=False)
                for n in archive.namelist()
                if n.endswith(".npy")
            }
        raw: dict[str, Any] = json.loads(texts["parts.json"])
        trees = TreeTable(**_checked(arrays, "trees", _TREES), constant=float(raw["trees_constant"]))
        tables = None
        if raw["bins"] is not None:
            bins = tuple(Bins.from_raw(b) for b in raw["bins"])
            tables = Tables(bins, **_checked(arrays, "tables", _TABLES))
        logit = None if raw["logit"] is None else logit_from_raw(raw["logit"], "a packed model")
        parts = Parts(int(raw["fields"]), float(raw["constant"]), tables, trees, logit, float(raw["logit_weight"]))
        return Explainer(Schema.from_json(texts["schema.json"]), parts, Background.from_json(texts["background.json"]))
    except (KeyError, TypeError, ValueError, zipfile.BadZipFile) as wrong:
        raise StorageError("this is not a packed model") from wrong


def _checked(
    arrays: Mapping[str, NDArray[Any]], group: str, wanted: Mapping[str, tuple[str, int]]
) -> dict[str, NDArray[Any]]:
    """The arrays of a group. Raises KeyError where one is absent, ValueError where it is of another type or shape."""
    found = {}
    for name, (kind, dimensions) in wanted.items():
        array = arrays[f"{group}_{name}"]
        if array.dtype != np.dtype(kind) or array.ndim != dimensions:
            raise ValueError(f"{group}_{name} is {array.dtype} of {array.ndim} dimensions")
        found[name] = np.ascontiguousarray(array)
    return found


def _array_bytes(array: NDArray[Any]) -> bytes:
    out = io.BytesIO()
    np.save(out, array, allow_pickle=False)
    return out.getvalue()
