"""The telco table as a data set directory: what the local orgs are filled from."""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Iterable, Sequence
from pathlib import Path

from fedcrm.evaluation.telco import telco_demo
from fedcrm.files import write_atomically

__all__ = ["write_table"]


def write_table(directory: Path) -> int:
    """Write it and return how many rows it has; the same bytes each time. Raises SettingsError without the extra."""
    data = telco_demo()
    about = data.description
    directory.mkdir(parents=True, exist_ok=True)
    names = list(data.columns)
    columns = [data.columns[name].texts() for name in names]
    positive, negative = sorted(about.positive)[0], "No"
    outcomes = [positive if label else negative for label in data.label]
    rows = ([*cells, outcome] for *cells, outcome in zip(*columns, outcomes, strict=True))
    write_atomically(directory / "data.csv.gz", _packed([*names, about.label], rows))
    write_atomically(directory / "participants.csv.gz", _packed(["participant"], ([p] for p in data.participant)))
    description = {
        "name": about.name,
        "task": about.task,
        "label": about.label,
        "positive": [positive],
        "numeric": list(about.numeric or ()),
        "missing": list(about.missing),
    }
    write_atomically(directory / "dataset.json", (json.dumps(description, indent=1) + "\n").encode())
    return len(data)


def _packed(header: Sequence[str], rows: Iterable[Sequence[object]]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return gzip.compress(text.getvalue().encode(), mtime=0)
