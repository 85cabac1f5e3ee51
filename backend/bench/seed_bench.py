"""Nine local orgs seeded from a table of 7,043 rows and 19 columns, the package deployed into each: CPU and memory.

`python -m bench.seed_bench` prints the rows as JSON. The table is made up; its shape is that of the demo's.
"""

from __future__ import annotations

import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from localorg.apex.engine import Engine
from localorg.metadata import CodeProblem, Compilers, deploy, zip_source
from localorg.org import Org, Transaction
from localorg.seed import Table, plant
from localorg.seed.table import Column

__all__ = ["rows", "tables"]

PACKAGE = Path(__file__).resolve().parents[2] / "force-app" / "main" / "default"
ROWS, ORGS = 7_043, 9


def tables() -> dict[str, list[dict[str, Any]]]:
    """What `make bench` measures of it, by title."""
    return {"nine_seeded_orgs": rows()}


def rows() -> list[dict[str, Any]]:
    """One row for seeding, one for the deployments, in a process of their own: its peak memory counts."""
    done = subprocess.run([sys.executable, "-m", "bench.seed_bench"], capture_output=True, text=True, check=True)
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


def _measured() -> list[dict[str, Any]]:
    package = zip_source(PACKAGE, skip={"connectedApps"})
    seeding, made, deployments, held = 0.0, 0, [], []
    with tempfile.TemporaryDirectory() as name:
        for number in range(ORGS):
            org = Org.create(Path(name), alias=f"org{number}", number=number)
            held.append((org, Engine(org)))
            began = time.process_time()
            planted = plant(org, _table(number), seed=1)
            seeding += time.process_time() - began
            made += sum(planted.description["records"].values())
            began = time.process_time()
            deployed = deploy(org, package, compilers=_compilers(held[-1][1]))
            deployments.append(time.process_time() - began)
            if not deployed.success:
                raise RuntimeError(f"the package does not deploy: {deployed.failures[0].problem}")
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        for org, _ in held:
            org.close()
    return [
        {"what": "seeding", "orgs": ORGS, "table rows": ROWS, "records": made, "CPU s": seeding},
        {"what": "deployment", "first, CPU s": deployments[0], "others, CPU s": sum(deployments[1:]) / (ORGS - 1)},
        {"what": "both", "peak MB": peak},
    ]


def _compilers(engine: Engine) -> Compilers:
    def apex(transaction: Transaction, namespace: str, _: object) -> list[CodeProblem]:
        found = engine.compile(transaction, namespace or None)
        return [CodeProblem(each.class_name, each.message, each.line, each.column) for each in found]

    return Compilers(apex=apex)


def _table(number: int) -> Table:
    """A ninth of the rows: 16 choices and 3 numbers, a quarter positive."""
    rng = random.Random(number)  # noqa: S311 - variety, not secrecy
    columns = [Column(f"Choice {n}", "choice", ("Yes", "No", "Other", "None")[: 2 + n % 3]) for n in range(16)]
    columns += [Column(name, "number") for name in ("tenure", "MonthlyCharges", "TotalCharges")]
    count = len(range(number, ROWS, ORGS))
    facts = tuple(
        {each.name: rng.choice(each.choices) if each.choices else f"{rng.uniform(1, 90):.2f}" for each in columns}
        for _ in range(count)
    )
    outcomes = tuple(rng.random() < 0.25 for _ in range(count))
    return Table("made up", "churn", tuple(columns), facts, outcomes, tuple(range(count)))


if __name__ == "__main__":
    print(json.dumps(_measured(), indent=1))  # noqa: T201 - a command's output
