"""The `fedcrm` command: words in, one clear line out where something cannot be done."""

from __future__ import annotations

import sys

import typer

from fedcrm.cli.budget import budget
from fedcrm.cli.demo import demo
from fedcrm.cli.evaluate import evaluate
from fedcrm.cli.extract import extract
from fedcrm.cli.federation import federation
from fedcrm.cli.node import node
from fedcrm.cli.org import org
from fedcrm.cli.schema import schema
from fedcrm.cli.score import score
from fedcrm.cli.serve import serve, settings
from fedcrm.cli.service import service
from fedcrm.errors import FedCRMError

__all__ = ["app", "main"]

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, add_completion=False)


@app.callback()
def fedcrm() -> None:
    """Several organisations train one model together, without pooling their records."""


app.command()(demo)
app.command()(evaluate)
app.command()(extract)
app.command()(score)
app.command()(serve)
app.command()(settings)
app.add_typer(budget, name="budget")
app.add_typer(federation, name="federation")
app.add_typer(node, name="node")
app.add_typer(org, name="org")
app.add_typer(schema, name="schema")
app.add_typer(service, name="service")


def main() -> None:
    """Run the command; any refusal is one line on standard error and a non-zero exit status."""
    try:
        app()
    except FedCRMError as error:
        _refuse(str(error), error.exit_status)
    except OSError as error:  # a full or read-only disk where nobody had a better word for it
        where = f"{error.filename}: " if error.filename else ""
        _refuse(f"{where}{error.strerror or error}", 1)


def _refuse(reason: str, status: int) -> None:
    sys.stderr.write(f"fedcrm: {' '.join(reason.split())}\n")
    sys.exit(status)
