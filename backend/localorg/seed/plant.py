"""One org seeded from a table: its own fields deployed, the rows in them, and what a living org has around them.

One transaction holds it all, so an org is seeded or it is not. What was planted is written down in the org: seeding it
again changes nothing.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from localorg.errors import OrgError
from localorg.metadata import deploy_into
from localorg.org import Org, Transaction
from localorg.seed.build import PERMISSION_SET, package_of_dialect
from localorg.seed.description import described
from localorg.seed.dialect import Dialect, dialect_of
from localorg.seed.facts import Facts
from localorg.seed.lives import Life, Writer
from localorg.seed.mains import mains_of
from localorg.seed.surroundings import Customer, Rates, Surroundings
from localorg.seed.table import Table

__all__ = ["Planted", "plant", "planted_before"]

_CHUNK = 2000
_SETTING = "seeded:"


@dataclass(frozen=True, slots=True)
class Planted:
    """What an org was seeded with.

    description: as `described`, and under `records` the rows made by object.
    new:         it was done now; else the org had it already.
    """

    description: Mapping[str, Any]
    new: bool


def planted_before(org: Org, data_set: str) -> Planted | None:
    """What the org was seeded with from a data set of this name, if it was."""
    with org.snapshot(org.admin_context()) as transaction:
        found = transaction.setting(_SETTING + data_set)
    return None if found is None else Planted(found, new=False)


def plant(org: Org, table: Table, *, seed: int, rates: Rates | None = None) -> Planted:
    """Deploy the org's own fields and fill them, unless that was done before.

    rates: how much lies around an account.
    Raises OrgError where the org refuses; nothing has changed then.
    """
    found = planted_before(org, table.name)
    if found is not None:
        return found
    dialect = dialect_of(table, org.alias, seed)
    with org.transaction(org.admin_context().in_system_mode()) as transaction:
        _deploy(transaction, table, dialect)
        counts = _fill(transaction, table, dialect, f"{seed}/{org.alias}/{table.name}", rates or Rates())
        description = {**described(table, dialect, alias=org.alias, seed=seed), "records": counts}
        transaction.put_setting(_SETTING + table.name, description)
    return Planted(description, new=True)


def _deploy(transaction: Transaction, table: Table, dialect: Dialect) -> None:
    deployed = deploy_into(transaction, package_of_dialect(table, dialect))
    if not deployed.success:
        first = deployed.failures[0] if deployed.failures else None
        raise OrgError("INVALID_INPUT", f"the org's fields do not deploy: {first.problem if first else deployed.error}")
    user_id = transaction.context.user_id
    (granted,) = transaction.query("SELECT Id FROM PermissionSet WHERE Name = :name", binds={"name": PERMISSION_SET})
    held = transaction.query(
        "SELECT Id FROM PermissionSetAssignment WHERE AssigneeId = :user AND PermissionSetId = :granted",
        binds={"user": user_id, "granted": granted["Id"]},
    )
    if not list(held):
        assignment = {"AssigneeId": user_id, "PermissionSetId": granted["Id"]}
        transaction.insert("PermissionSetAssignment", [assignment], all_or_none=True)


def _fill(transaction: Transaction, table: Table, dialect: Dialect, seeds: str, rates: Rates) -> dict[str, int]:
    """Rows chunk by chunk, each with what surrounds it; returns how many were made by object."""
    now = transaction.now().replace(microsecond=0)
    writer = Writer(transaction)
    facts = Facts(table, dialect, seeds=seeds, now=now)
    rng = random.Random(f"{seeds}/surroundings")  # noqa: S311 - variety, not secrecy # nosec B311
    around = Surroundings(writer, rng, now, rates)
    for start in range(0, len(table.rows), _CHUNK):
        numbers = range(start, min(start + _CHUNK, len(table.rows)))
        born = [facts.born() for _ in numbers]
        outcomes = [facts.outcome(number) for number in numbers]
        lives = [facts.lives(number, when) for number, when in zip(numbers, born, strict=True)]
        mains = mains_of(table, numbers, born, around)
        own = [
            main.joined(Life(outcome)).joined(fact)
            for main, outcome, (fact, _) in zip(mains, outcomes, lives, strict=True)
        ]
        ids = writer.write(table.object_name, own)
        if dialect.satellite:
            parent = f"Parent_{table.object_name}__c"
            moved = [
                Life({parent: row_id, "CreatedDate": when, **life.row}, life.changes)
                for row_id, when, (_, life) in zip(ids, born, lives, strict=True)
            ]
            writer.write(dialect.satellite, moved)
        if table.object_name == "Account":
            around.around_accounts([Customer(i, w, m.row) for i, w, m in zip(ids, born, mains, strict=True)])
        else:
            around.around(table.object_name, ids, born)
    return writer.counts
