"""The list of commands costs nothing, and says what the commands themselves say."""

import os
import subprocess
import sys

import pytest
import typer
from typer.testing import CliRunner

from fedcrm.cli import COMMANDS, app

HEAVY = ("alembic", "fastapi", "numba", "simple_salesforce", "sklearn", "tenseal", "xgboost")
MAIN = "from fedcrm.cli import main; main()"


def imported(*words, also=()):
    """Which of the slow libraries a command imports."""
    code = (
        f"import sys\ntry:\n    {MAIN.replace('; ', chr(10) + '    ')}\nexcept SystemExit:\n    pass\n"
        f"print('imported', *[m for m in {HEAVY + tuple(also)} if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, timeout=60, check=True)
    return set(done.stdout.split("imported")[-1].split())


@pytest.mark.parametrize("name", COMMANDS)
def test_the_list_says_what_the_command_says_of_itself(name):
    later = typer.main.get_command(app).commands[name]
    assert (later.loaded.name, later.loaded.help.splitlines()[0]) == (name, later.help)


def test_help_lists_every_command_with_its_line():
    said = CliRunner(env={"COLUMNS": "200", "TERM": "dumb"}).invoke(app, ["--help"]).stdout
    for name, place in COMMANDS.items():
        assert any(name in line and place.help in line for line in said.splitlines())


def test_help_imports_no_command():
    assert imported("--help", also=("numpy", "requests", "sqlalchemy")) == set()


def test_a_look_at_orgs_and_budgets_imports_no_learner(tmp_path):
    assert imported("org", "list", "--orgs", str(tmp_path), also=("scipy", "sqlalchemy")) == set()
    assert imported("budget", "show", "--node", str(tmp_path)) == set()


@pytest.mark.parametrize(
    ("line", "offered"),
    [("fedcrm b", {"budget"}), ("fedcrm budget ver", {"verify"}), ("fedcrm budget show --no", {"--node"})],
)
def test_a_shell_completes_commands_and_options(line, offered):
    words = {"_FEDCRM_COMPLETE": "complete_bash", "COMP_WORDS": line, "COMP_CWORD": str(len(line.split()) - 1)}
    code = f"import sys; sys.argv[0] = 'fedcrm'; {MAIN}"
    done = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | words, capture_output=True, text=True, timeout=60, check=False
    )
    assert set(done.stdout.split()) == offered


def test_an_unknown_command_is_refused_by_name():
    refused = CliRunner().invoke(app, ["bugdet"])
    assert refused.exit_code == 2
    assert "bugdet" in refused.output
