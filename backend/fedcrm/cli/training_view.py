"""How a training looks on a terminal: bars while it runs, and the table of the comparison."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars
from rich.table import Table

from fedcrm.evaluation.progress import Progress
from fedcrm.evaluation.results import DemoResults

__all__ = ["comparison_table", "shown_progress"]

STEPS = {
    "nodes": "a node for each organisation",
    "rounds": "private, encrypted rounds",
    "at home": "each organisation on its own rows",
    "publishing": "into each organisation's service",
}


@contextmanager
def shown_progress(console: Console) -> Iterator[Progress]:
    """A bar for each step, as long as the block runs."""
    columns = (TextColumn("{task.description:36}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Bars(*columns, console=console) as bars:
        yield _Shown(bars)


class _Shown(Progress):
    def __init__(self, bars: Bars) -> None:
        self._bars, self._tasks = bars, dict[str, TaskID]()

    def begin(self, step: str, total: int) -> None:
        self._tasks[step] = self._bars.add_task(STEPS[step], total=total)

    def advance(self, step: str, done: int, total: int) -> None:
        self._bars.update(self._tasks[step], completed=done, total=total)


def comparison_table(results: DemoResults) -> Table:
    """Every organisation on its own test rows: alone, by the federation's model, by both, and as it serves."""
    ranked = any(o.spearman is not None for o in results.organisations)
    table = Table(title=f"{results.data_set}: AUC on each organisation's own test rows", title_justify="left")
    for heading in ("organisation", "rows", "epsilon spent", "local", "federated", "personal", "serves"):
        table.add_column(heading, justify="left" if heading in ("organisation", "serves") else "right")
    if ranked:
        table.add_column("Spearman (most possible)", justify="right")
    for o in results.organisations:
        row = [
            o.name,
            f"{o.rows:,}",
            f"{o.epsilon_spent:.3f} of {o.epsilon_budget:g}",
            *(_percent(v) for v in (o.local, o.federated, o.personal)),
            o.choice + ("" if o.gate == "accepted" else ", gate refused"),
        ]
        if ranked:
            row.append("-" if o.spearman is None else f"{o.spearman:.3f} ({o.spearman_max:.3f})")
        table.add_row(*row)
    table.add_section()
    means = results.means
    table.add_row("mean", "", "", *(_percent(means[k]) for k in ("local", "federated", "personal")),
                  f"as served {_percent(means['chosen'])}")  # fmt: skip
    table.add_row("central: pooled, no privacy", "", "", "", _percent(results.central), "", "for comparison only")
    return table


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.1f}"
