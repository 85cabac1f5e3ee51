"""The `fedcrm` command: words in, one clear line out where something cannot be done."""

from __future__ import annotations

import sys

import typer

from fedcrm.cli.evaluate import evaluate
from fedcrm.errors import FedCRMError

__all__ = ["app", "main"]

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, add_completion=False)


@app.callback()
def fedcrm() -> None:
    """Several organisations train one model together, without pooling their records."""


app.command()(evaluate)


def main() -> None:
    """Run the command; any refusal is one line on standard error and a non-zero exit status."""
    try:
        app()
    except FedCRMError as error:
        sys.stderr.write(f"fedcrm: {error}\n")
        sys.exit(error.exit_status)
