"""Where the chain keeps what it makes, and the nine organisations it is about.

OUT/chain.json            the options, how far each organisation has come, who is out and why
OUT/table/                the telco table as a data set directory; rows of OUT/orgs come from it
OUT/orgs/1, 2             data directories of `localorg`, one process each
OUT/authority/            certificates: of the services, and of each node's login
OUT/administrators/       how each org's administrator logs in
OUT/logins/NAME/          how an organisation's node logs in to its org
OUT/nodes/NAME/           an organisation's node directory
OUT/federation/TASK/      the coordinator's directory of a training, its report and results
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from fedcrm.federation import directory_name

__all__ = ["ORGS", "TASKS", "Organisation", "Places", "organisations"]

ORGS = 9
SERVERS = 2
TASKS = ("churn", "case_escalation", "opportunity_win", "lead_conversion")
_NAMES = (
    "Fiber optic/echeck",
    "Fiber optic/auto",
    "DSL/auto",
    "No/mailed",
    "No/auto",
    "DSL/echeck",
    "DSL/mailed",
    "Fiber optic/mailed",
    "No/echeck",
)
"""The table's organisations, largest first: the order in which `localorg seed` deals them out."""


@dataclass(frozen=True, slots=True)
class Organisation:
    """One of the nine. number: 1 to 9. server: which `localorg` process serves its org, 1 or 2."""

    number: int
    name: str

    @property
    def alias(self) -> str:
        """Of its org."""
        return f"org{self.number}"

    @property
    def server(self) -> int:
        """The largest and the smallest go together, so that both processes have as much to do."""
        return 1 if self.number in (1, 4, 5, 8, 9) else 2


def organisations(count: int) -> tuple[Organisation, ...]:
    """The first so many, 1 to 9, largest first."""
    return tuple(Organisation(number, name) for number, name in enumerate(_NAMES[:count], 1))


@dataclass(frozen=True, slots=True)
class Places:
    """Paths under one OUT."""

    out: Path

    @property
    def state(self) -> Path:
        """The chain's own file."""
        return self.out / "chain.json"

    @property
    def table(self) -> Path:
        """Data set directory."""
        return self.out / "table"

    @property
    def authority(self) -> Path:
        """Certificates and keys."""
        return self.out / "authority"

    @property
    def administrators(self) -> Path:
        """Registry of orgs as their administrators log in."""
        return self.out / "administrators"

    def orgs(self, server: int) -> Path:
        """Data directory of one `localorg` process."""
        return self.out / "orgs" / str(server)

    def logins(self, organisation: Organisation) -> Path:
        """Registry of the one org that this organisation's node knows."""
        return self.out / "logins" / directory_name(organisation.name)

    def node(self, organisation: Organisation) -> Path:
        """The organisation's node directory."""
        return self.out / "nodes" / directory_name(organisation.name)

    def federation(self, task: str) -> Path:
        """The coordinator's directory of one training."""
        return self.out / "federation" / task
