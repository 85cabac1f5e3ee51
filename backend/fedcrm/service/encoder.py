"""Vectors of texts as the numbers a model reads, by the schema's own code, each distinct text once.

What a text becomes depends on nothing but the field and the text, so it is remembered. The memory is bounded and holds
values of records, like the request it came from: it never leaves the process.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from fedcrm.features import Schema

__all__ = ["Encoder"]

MOST_REMEMBERED = 20_000
"""Texts a field; then all of them are forgotten."""


class Encoder:
    """Encodes vectors that follow one vocabulary. Threads may share it: at worst a text is encoded twice."""

    def __init__(self, schema: Schema, vocabulary: Sequence[str]) -> None:
        self._schema, self._vocabulary = schema, tuple(vocabulary)
        place = {name: n for n, name in enumerate(vocabulary)}
        # A column that the vocabulary lacks is missing throughout.
        self._places = [tuple(place.get(s, -1) for s in f.source) for f in schema.fields]
        self._known: list[dict[object, float]] = [{} for _ in schema.fields]

    def encode(self, vectors: Sequence[Sequence[str]]) -> NDArray[np.float32]:
        """(n, k), NaN = missing; unknown categories are "other". Every vector has the vocabulary's length."""
        X = np.full((len(vectors), len(self._places)), np.nan, np.float32)
        unseen: set[int] = set()
        for j, places in enumerate(self._places):
            if min(places) < 0:
                continue
            known = self._known[j]
            if len(places) == 1:
                at = places[0]
                column = [known.get(v[at]) for v in vectors]
            else:
                column = [known.get(tuple([v[at] for at in places])) for v in vectors]
            if None in column:
                unseen.update([i for i, value in enumerate(column) if value is None])
            X[:, j] = column  # None becomes NaN, and is replaced below
        if unseen:
            rows = sorted(unseen)
            X[rows] = self._learn([vectors[i] for i in rows])
        return X

    def _learn(self, vectors: Sequence[Sequence[str]]) -> NDArray[np.float32]:
        """Encode by the schema, and remember."""
        X = self._schema.encode_records([dict(zip(self._vocabulary, v, strict=True)) for v in vectors])
        for j, places in enumerate(self._places):
            if min(places) < 0:
                continue
            known = self._known[j]
            if len(known) + len(vectors) > MOST_REMEMBERED:
                known.clear()
            for v, value in zip(vectors, X[:, j].tolist(), strict=True):
                known[v[places[0]] if len(places) == 1 else tuple([v[at] for at in places])] = value
        return X
