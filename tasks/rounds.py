"""A federated round with this org's node, and whether its scores are there: `fedcrm_run_round`, `fedcrm_check_scores`.

The node's own command does the work.
"""

from __future__ import annotations

import csv
import gzip
import json
import random
import shutil
from pathlib import Path
from typing import Any

from cumulusci.core.exceptions import CumulusCIException
from cumulusci.tasks.salesforce import BaseSalesforceApiTask

from tasks.installed import namespace_of
from tasks.node_command import NodeCommand

__all__ = ["CheckScores", "RunRound"]

_PEERS = ("Made-up peer 1", "Made-up peer 2")


class RunRound(NodeCommand):
    """The node's nightly work, a training with two peers, and the nightly work once more: it brings the new scores.

    Raises CumulusCIException with the line that the node said where it refused.
    """

    task_options = {
        "node": {"description": "The organisation's node directory, as `fedcrm node init` made it.", "required": True},
        "task": {"description": "What is learned. Default: churn."},
        "peers": {
            "description": "Two or more further node directories, separated by commas. Default: two beside the node, "
            "made here with made-up rows of the same columns. A model trained with those is for trying out only."
        },
        "out": {"description": "The coordinator's directory. Default: beside the node."},
        "epsilon": {"description": "Most the training may cost each organisation. Default: 8."},
        "command": {"description": "The node's program. Default: fedcrm, found on the PATH."},
    }

    def _run_task(self) -> None:
        node, task = Path(self.options["node"]).absolute(), self.options.get("task") or "churn"
        self.say(self.fedcrm("node", "run", "--node", node, "--task", task))
        if self.options.get("peers"):
            peers = [Path(one.strip()).absolute() for one in self.options["peers"].split(",")]
        else:
            peers = [self._made_up(node, number, task) for number in range(len(_PEERS))]
        out = Path(self.options.get("out") or node.with_name(f"{node.name}-round")).absolute()
        given = [word for each in (node, *peers) for word in ("--nodes", each)]
        given += ["--task", task, "--out", out, "--epsilon", self.options.get("epsilon") or 8, "--fast"]
        self.say(self.fedcrm("federation", "run", *given, *(["--resume"] if out.exists() else [])))
        self.say(self.fedcrm("node", "run", "--node", node, "--task", task))

    def _made_up(self, node: Path, number: int, task: str) -> Path:
        """A peer whose rows have the node's columns and nobody's values. Made once."""
        peer, name = node.with_name(f"{node.name}-peer{number + 1}"), _PEERS[number]
        own = json.loads(self.fedcrm("node", "status", "--node", node, "--json"))
        if not (peer / "node.toml").exists():
            budget = max(unit["epsilon_budget"] for unit in own["units"])
            words = ["--organisation", name, "--org", own["org"], "--orgs", own["orgs"], "--period", own["period"]]
            self.say(self.fedcrm("node", "init", "--node", peer, *words, "--task", task, "--epsilon-budget", budget))
        if not (peer / "data" / task).exists():
            building = peer / "data" / f".{task}.building"
            shutil.rmtree(building, ignore_errors=True)
            building.mkdir()
            _write_made_up(node / "data" / task, building, name, random.Random(number))  # noqa: S311 - no secret
            building.replace(peer / "data" / task)
        return peer


class CheckScores(NodeCommand, BaseSalesforceApiTask):  # type: ignore[misc]  # CumulusCI has no types
    """Whether the org has scores of the model that serves, and they are fresh.

    Raises CumulusCIException, naming the first task of which that is not so, with the remedy.
    """

    task_options = {
        "node": {"description": "The organisation's node directory.", "required": True},
        "tasks": {"description": "Separated by commas. Default: those of which a model serves."},
        "command": {"description": "The node's program. Default: fedcrm, found on the PATH."},
    }

    def _run_task(self) -> None:
        status = json.loads(self.fedcrm("node", "status", "--node", self.options["node"], "--json"))
        known = {task["task"]: task for task in status["tasks"]}
        wanted = [name.strip() for name in (self.options.get("tasks") or "").split(",") if name.strip()]
        wanted = wanted or [name for name, task in known.items() if task["serving"] is not None]
        if not wanted:
            raise CumulusCIException("No model serves any task of this node; run fedcrm_run_round first.")
        for name in wanted:
            if name not in known:
                raise CumulusCIException(f"{name} is no task of this node; it has {', '.join(known)}.")
            self._check(name, known[name])

    def _check(self, name: str, task: dict[str, Any]) -> None:
        if task["serving"] is None:
            raise CumulusCIException(f"{name}: no model serves it; run fedcrm_run_round first.")
        if not task["fresh"]:
            hours = task["score_hours"]
            age = "were never brought" if hours is None else f"are {hours:.0f} hours old"
            raise CumulusCIException(f"{name}: scores {age}; run `fedcrm node run`.")
        version = task["serving"]["version"]
        namespace = namespace_of(self.project_config, self.org_config)
        p = f"{namespace}__" if namespace else ""
        soql = f"SELECT COUNT() FROM {p}Prediction__c WHERE {p}Task__c = '{name}' AND {p}Model_Version__c = '{version}'"
        found = self.sf.query(soql)["totalSize"]
        if not found:
            raise CumulusCIException(f"{name}: the org has no score of {version}, which serves; run `fedcrm node run`.")
        self.logger.info(f"{name}: {found} scores of {version}, {task['score_hours']:.1f} hours old")


def _write_made_up(own: Path, target: Path, organisation: str, rng: random.Random) -> None:
    """A data set of the same columns: numbers between the smallest and the largest, categories at random.

    Nothing links the values of a row, and outcomes follow the first number; it is there to be trained with, not to be
    learned from.
    """
    description = json.loads((own / "dataset.json").read_text("utf-8"))
    with gzip.open(own / "data.csv.gz", "rt", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    numeric = [name for name in description["numeric"] if any(row[name] for row in rows)]
    made = [_made_up_row(rows, set(numeric), rng) for _ in range(max(200, len(rows)))]
    ranked = sorted(made, key=lambda row: float(row[numeric[0]] or 0)) if numeric else made
    for place, row in enumerate(ranked):
        row["label"] = str(int(rng.random() < 0.2 + 0.6 * place / len(ranked)))
    for number, row in enumerate(made):
        row["pseudonym"] = f"made-up-{number:06d}"
    with gzip.open(target / "data.csv.gz", "wt", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(made)
    with gzip.open(target / "participants.csv.gz", "wt", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([["participant"], *([organisation] for _ in made)])
    described = {
        **description,
        "name": f"{organisation} {description['task']}",
        "participants": {organisation: len(made)},
    }
    (target / "dataset.json").write_text(json.dumps(described, indent=1, ensure_ascii=False) + "\n", "utf-8")


def _made_up_row(rows: list[dict[str, str]], numeric: set[str], rng: random.Random) -> dict[str, str]:
    row = {}
    for name in rows[0]:
        if name in numeric:
            values = [float(each[name]) for each in (rng.choice(rows), rng.choice(rows)) if each[name]]
            row[name] = f"{rng.uniform(min(values), max(values)):.0f}" if values else ""
        else:
            row[name] = rng.choice(rows)[name]
    return row
