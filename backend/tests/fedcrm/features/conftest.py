"""A small data set directory that tests write, bend and read back."""

import csv
import gzip
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings

settings.register_profile("fedcrm", deadline=None)  # a busy machine is not a failure
settings.load_profile("fedcrm")


class Directory:
    """Writes a data set directory; every part can be replaced before or after."""

    def __init__(self, path: Path, rows: int = 300) -> None:
        rng = np.random.default_rng(7)
        self.path = path
        self.header = ["Id", "Amount", "Stage", "Close", "Owner", "Outcome"]
        self.rows = [
            [
                f"006{i:05d}",
                str(int(rng.integers(1, 500)) * 10 ** int(rng.integers(0, 3))),
                ["New", "Won back", "Open", ""][int(rng.integers(4))],
                f"2025-{1 + i % 12:02d}-{1 + i % 28:02d}",
                f"U{i // 3}",
                "Won" if rng.random() < 0.3 else "Lost",
            ]
            for i in range(rows)
        ]
        self.participants = [["north", "south", ""][0 if i % 5 < 2 else 1 if i % 5 < 4 else 2] for i in range(rows)]
        self.description = {
            "name": "small",
            "task": "win_probability",
            "label": "Outcome",
            "positive": ["Won"],
            "drop": ["Id", "Owner"],
            "numeric": "auto",
            "dates": ["Close"],
            "missing": ["", "NA"],
            "order": "Close",
            "metric": "auc+spearman",
        }

    def write(self) -> Path:
        """Everything as it stands now."""
        self.path.mkdir(exist_ok=True)
        with gzip.open(self.path / "data.csv.gz", "wt", encoding="utf-8", newline="") as f:
            csv.writer(f).writerows([self.header, *self.rows])
        with gzip.open(self.path / "participants.csv.gz", "wt", encoding="utf-8", newline="") as f:
            f.write("participant\n" + "".join(f"{p}\n" for p in self.participants))
        (self.path / "dataset.json").write_text(json.dumps(self.description), encoding="utf-8")
        return self.path

    def write_data(self, content: bytes, compress: bool = True) -> Path:
        """Other bytes in place of the table."""
        self.write()
        (self.path / "data.csv.gz").write_bytes(gzip.compress(content) if compress else content)
        return self.path


@pytest.fixture
def directory(tmp_path):
    return Directory(tmp_path / "small")
