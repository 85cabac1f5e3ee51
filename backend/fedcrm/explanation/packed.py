"""An explainer as bytes: arrays and JSON in one zip, never pickle, so that it can be sealed and opened in memory.

A served model taken apart is all that scoring needs; the boosters it came from stay in the node's directory.
"""

from __future__ import annotations

import io
import json
import zipfile
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

_TREES = (
    "starts",
    "points",
    "parent",
    "feature",
    "threshold",
    "missing",
    "levels",
    "sets",
    "left",
    "right",
    "z",
    "before",
)
_TABLES = ("single", "pair_fields", "places", "starts", "cells")
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
        trees = TreeTable(**{n: arrays[f"trees_{n}"] for n in _TREES}, constant=float(raw["trees_constant"]))
        tables = None
        if raw["bins"] is not None:
            bins = tuple(Bins.from_raw(b) for b in raw["bins"])
            tables = Tables(bins, **{n: arrays[f"tables_{n}"] for n in _TABLES})
        logit = None if raw["logit"] is None else logit_from_raw(raw["logit"], "a packed model")
        parts = Parts(int(raw["fields"]), float(raw["constant"]), tables, trees, logit, float(raw["logit_weight"]))
        return Explainer(Schema.from_json(texts["schema.json"]), parts, Background.from_json(texts["background.json"]))
    except (KeyError, TypeError, ValueError, zipfile.BadZipFile) as wrong:
        raise StorageError("this is not a packed model") from wrong


def _array_bytes(array: NDArray[Any]) -> bytes:
    out = io.BytesIO()
    np.save(out, array, allow_pickle=False)
    return out.getvalue()
