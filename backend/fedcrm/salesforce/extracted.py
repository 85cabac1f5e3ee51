"""What an org's extractor measured, as a data set directory: the form that training reads from anywhere.

The vocabulary becomes its schema; a row's privacy unit is its pseudonym, its place in time the moment it knows nothing
after. The directory appears whole or not at all.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from fedcrm.errors import BlockRefused
from fedcrm.salesforce.blocks import FeatureColumn, Run, Vector

__all__ = ["write_data_set", "write_vectors"]

_RANKED_BY_PROBABILITY = "opportunity_win"


def write_data_set(directory: Path, organisation: str, run: Run, vectors: Iterable[Vector]) -> int:
    """Write the labelled vectors of a run; what stood in the directory before is replaced at the end.

    Returns the number of rows. Raises BlockRefused where a run for training has no labelled row; OSError where the
    disk refuses, with the directory as it was.
    """
    rows = [vector for vector in vectors if vector.label]
    if not rows:
        raise BlockRefused(
            f"run {run.key} holds no row with an outcome: there is nothing to train on; look at the task's outcome in "
            "the org's FedCRM console, or leave the task out"
        )
    with _written_whole(directory) as fresh:
        header = ["pseudonym", "as_of", "label", "label_source", *(column.name for column in run.columns)]
        cells = ([v.pseudonym, v.as_of, v.label, v.label_source, *v.cells] for v in rows)
        _write_csv(fresh / "data.csv.gz", header, cells)
        _write_csv(fresh / "participants.csv.gz", ["participant"], ([organisation] for _ in rows))
        _write_json(fresh / "dataset.json", _description(organisation, run, len(rows)))
    return len(rows)


def write_vectors(directory: Path, run: Run, vectors: Iterable[Vector]) -> None:
    """Write vectors without outcomes: what is to be scored, and the vocabulary they follow.

    Raises OSError where the disk refuses, with the directory as it was.
    """
    with _written_whole(directory) as fresh:
        header = ["pseudonym", "as_of", *(column.name for column in run.columns)]
        _write_csv(fresh / "vectors.csv.gz", header, ([v.pseudonym, v.as_of, *v.cells] for v in vectors))
        columns = [asdict(column) for column in run.columns]
        _write_json(fresh / "vocabulary.json", {"task": run.task, "digest": run.digest, "columns": columns})


@contextmanager
def _written_whole(directory: Path) -> Iterator[Path]:
    """An empty directory that takes the place of `directory` when all was written into it."""
    fresh = directory.with_name(f".{directory.name}.writing")
    shutil.rmtree(fresh, ignore_errors=True)
    try:
        fresh.mkdir(parents=True)
        yield fresh
        _replace(directory, fresh)
    except BaseException:
        shutil.rmtree(fresh, ignore_errors=True)
        raise


def _description(organisation: str, run: Run, rows: int) -> dict[str, object]:
    return {
        "name": f"{organisation} {run.task}",
        "task": run.task,
        "label": "label",
        "positive": ["1"],
        "drop": ["as_of"],
        "numeric": [column.name for column in run.columns if _is_number(column)],
        "order": "as_of",
        "unit": "pseudonym",
        "label_source": "label_source",
        "metric": "auc+spearman" if run.task == _RANKED_BY_PROBABILITY else "auc",
        "participants": {organisation: rows},
        "vocabulary": {"digest": run.digest, "columns": [asdict(column) for column in run.columns]},
    }


def _is_number(column: FeatureColumn) -> bool:
    return column.kind != "category"


def _write_json(path: Path, content: dict[str, object]) -> None:
    path.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", "utf-8")


def _write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    # No name and no time in the archive: the same rows are the same bytes.
    with path.open("wb") as raw, gzip.GzipFile("", "wb", fileobj=raw, mtime=0) as packed:
        text = io.TextIOWrapper(packed, "utf-8", newline="")
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)
        text.flush()
        text.detach()


def _replace(directory: Path, fresh: Path) -> None:
    """Put `fresh` where `directory` is; at no moment is there neither."""
    old = directory.with_name(f".{directory.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if directory.exists():
        directory.replace(old)
    fresh.replace(directory)
    shutil.rmtree(old, ignore_errors=True)
