"""`make bench`: what things cost, as ratios within this one run; timings between runs or machines say little.

Each module here that can be measured has `tables()`: rows by title. This writes them all to bench/results.json at the
top of the repository and prints them; `python -m bench.NAME_bench` measures one alone.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from bench import (
    apex_bench,
    boosting_bench,
    gate_bench,
    localorg_bench,
    salesforce_bench,
    secagg_bench,
    seed_bench,
    service_bench,
    staging_bench,
    training_bench,
    wire_bench,
)

MEASURED = (
    secagg_bench,
    boosting_bench,
    training_bench,
    gate_bench,
    localorg_bench,
    wire_bench,
    apex_bench,
    salesforce_bench,
    staging_bench,
    seed_bench,
    service_bench,
)
RESULTS = Path(__file__).resolve().parents[2] / "bench" / "results.json"
WIDTH = 160  # where the output is no terminal


def main() -> None:
    """Measure, write, print."""
    results = {title: rows for module in MEASURED for title, rows in module.tables().items()}
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(results, indent=1) + "\n", "utf-8")
    console = Console() if Console().is_terminal else Console(width=WIDTH)
    for title, rows in results.items():
        console.print(_table(title, rows))
    console.print(f"Written to {RESULTS}")


def _table(title: str, rows: list[dict[str, Any]]) -> Table:
    table = Table(title=title.replace("_", " "), title_justify="left")
    headings = list(dict.fromkeys(key for row in rows for key in row))
    for heading in headings:
        table.add_column(heading)
    for row in rows:
        cells = (row.get(heading, "") for heading in headings)
        table.add_row(*(f"{c:.4g}" if isinstance(c, float) else str(c) for c in cells))
    return table


if __name__ == "__main__":
    main()
