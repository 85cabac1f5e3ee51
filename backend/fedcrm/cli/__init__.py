"""The `fedcrm` command: words in, one clear line out where something cannot be done."""

from __future__ import annotations

import sys
import warnings
from typing import TextIO

import typer

from fedcrm.cli.lazily import Place, lazy_group
from fedcrm.errors import DataSetWarning, FedCRMError

__all__ = ["COMMANDS", "app", "main"]

COMMANDS = {
    "budget": Place("fedcrm.cli.budget", "What an organisation has spent of its privacy budget."),
    "chain": Place(
        "fedcrm.cli.chain",
        "Start local orgs, install the package, train, score, and show a record's score; go on with what is in --out.",
    ),
    "demo": Place(
        "fedcrm.cli.demo",
        "Nine organisations train one private model together and compare it with what each could do alone.",
    ),
    "evaluate": Place(
        "fedcrm.cli.evaluate",
        "Compare methods on data sets: local, central, federated, personal. Same splits, same noise, several seeds.",
    ),
    "extract": Place(
        "fedcrm.cli.extract",
        "Start a run in the org or find the one under way, read what is complete, and write it as a data set.",
    ),
    "federation": Place("fedcrm.cli.federation", "Train over organisations' nodes."),
    "node": Place("fedcrm.cli.node", "One organisation's node: make it, run its nightly work, look after it."),
    "org": Place("fedcrm.cli.org", "Salesforce orgs: add, list, check and remove them."),
    "schema": Place("fedcrm.cli.schema", "The objects and fields of an org."),
    "score": Place(
        "fedcrm.cli.score",
        "Run the org's scoring extraction, score its vectors and write the scores back; a second time changes nothing.",
    ),
    "serve": Place(
        "fedcrm.cli.serve",
        "Answer /v1/predictions until told to end; everything else is in the environment (docs/settings.md).",
    ),
    "service": Place("fedcrm.cli.service", "Pair organisations with a prediction service, and look after it."),
    "settings": Place("fedcrm.cli.serve", "Print every setting of the service as a table (Markdown)."),
}

app = typer.Typer(cls=lazy_group(COMMANDS), no_args_is_help=True, pretty_exceptions_enable=False)


@app.callback()
def fedcrm() -> None:
    """Several organisations train one model together, without pooling their records."""


def main() -> None:
    """Run the command; any refusal is one line on standard error and a non-zero exit status."""
    try:
        with warnings.catch_warnings():
            warnings.showwarning = _show
            app()
    except FedCRMError as error:
        _refuse(str(error), error.exit_status)
    except OSError as error:  # a full or read-only disk where nobody had a better word for it
        where = f"{error.filename}: " if error.filename else ""
        _refuse(f"{where}{error.strerror or error}", 1)


_show_other = warnings.showwarning


def _show(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """A word about a data set is for whoever gave it: without the place in our code that noticed."""
    if issubclass(category, DataSetWarning):
        sys.stderr.write(f"fedcrm: note: {' '.join(str(message).split())}\n")
    else:
        _show_other(message, category, filename, lineno, file, line)


def _refuse(reason: str, status: int) -> None:
    sys.stderr.write(f"fedcrm: {' '.join(reason.split())}\n")
    sys.exit(status)
