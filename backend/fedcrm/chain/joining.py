"""How one organisation comes in: package, users, node, service, mapping. Each step may be repeated.

A step is a function of one organisation and what it needs from the chain; what it returns is noted, what it raises
puts this organisation aside and no other.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from fedcrm.chain.administrator import Administrator
from fedcrm.chain.certificates import Authority, login_key
from fedcrm.chain.local_orgs import OrgFacts
from fedcrm.chain.places import Organisation, Places
from fedcrm.chain.services import ServiceProcess
from fedcrm.errors import MappingError, SettingsError
from fedcrm.nodes import UNIT_OF_TASK, NodeConfiguration, OrganisationNode, ServicePlace
from fedcrm.salesforce import (
    Client,
    JwtBearer,
    Orgs,
    RegisteredOrg,
    Secret,
    Verdict,
    check_org,
    deploy,
    pair,
    take_snapshot,
)
from fedcrm.schema import (
    Severity,
    check_mapping,
    package_of,
    read_mapping,
    vocabulary,
)

__all__ = ["Joining", "mapping_file", "wrong_mapping_file"]

NODE_USER = "Node"
REPRESENTATIVE = "Representative"
PERIOD = "2026"


@dataclass(frozen=True)
class Joining:
    """What the steps share. budgets: epsilon of every privacy unit by organisation, "" for all others."""

    places: Places
    repository: Path
    authority: Authority
    orgs: Mapping[int, Mapping[str, OrgFacts]]
    tasks: tuple[str, ...]
    budgets: Mapping[str, float]

    # --- the administrator's part -----------------------------------------------------------------

    def install(self, one: Organisation) -> dict[str, object]:
        """The administrator logs in, and deploys the package and field history."""
        registry = Orgs.open(self.places.administrators)  # made before: two servers' orgs come in side by side
        facts = self.facts(one)
        key = Secret(facts.key_file.read_text("ascii"))
        grant = JwtBearer(facts.consumer_key, facts.username, key, None)
        registry.add(_registered(one, facts, grant), replace=True)
        return {"components": self.administrator(one).install(), "org": facts.org_id, "url": facts.instance_url}

    def admit(self, one: Organisation) -> dict[str, object]:
        """The node's user and app; somebody who sees and asks for scores."""
        administrator, facts = self.administrator(one), self.facts(one)
        outcome = _outcomes()[one.alias]
        administrator.set_outcome(outcome["field"], outcome["date"])
        key_file, certificate = login_key(self.places.authority, one.alias)
        consumer_key = f"fedcrm_{one.alias}_{facts.org_id}"
        administrator.admit_node(certificate, consumer_key)
        node_user, username = administrator.user(NODE_USER, person=False)
        administrator.assign(node_user, "Node_Reads", "FedCRM_Integration", "FedCRM_Extractor")
        administrator.assign(administrator.user_id, "FedCRM_Admin")
        person, person_name = administrator.user(REPRESENTATIVE, person=True)
        administrator.assign(person, "FedCRM_Viewer", "FedCRM_Scoring_User")
        registry = _registry(self.places.logins(one))
        grant = JwtBearer(consumer_key, username, Secret(key_file.read_text("ascii")), None)
        registry.add(_registered(one, facts, grant), replace=True)
        return {"node_user": node_user, "person": person, "person_name": person_name}

    def administrator(self, one: Organisation) -> Administrator:
        """The org's administrator at work."""
        return Administrator(self.client_of_administrator(one), self.repository)

    def client_of_administrator(self, one: Organisation) -> Client:
        """The org, as its administrator sees it."""
        return Orgs.open(self.places.administrators).connect(one.alias)

    # --- the node's part --------------------------------------------------------------------------

    def make_node(self, one: Organisation) -> dict[str, object]:
        """`fedcrm node init`, unless there is one; the org paired with it."""
        directory = self.places.node(one)
        if not (directory / "node.toml").exists():
            budget = self.budgets.get(one.name, self.budgets[""])
            units = dict.fromkeys((UNIT_OF_TASK[task] for task in self.tasks), budget)
            configuration = NodeConfiguration(
                one.name, one.alias, self.places.logins(one).absolute(), self.tasks, PERIOD, units, 1e-5, ServicePlace()
            )
            directory.parent.mkdir(parents=True, exist_ok=True)
            OrganisationNode.create(directory, configuration).close()
        registry = Orgs.open(self.places.logins(one))
        paired = pair(registry.connect(one.alias), registry.pairing(one.alias))
        return {"org_id": paired.org_id}

    def pair_service(self, one: Organisation) -> dict[str, object]:
        """The org's calls go to this organisation's own service, with the key that pairing gave."""
        url, key = self.service(one).pair(self.facts(one).org_id, one.name)
        administrator = self.administrator(one)
        administrator.point_at(url)
        administrator.enter_key(key)
        return {"url": url}

    def service(self, one: Organisation) -> ServiceProcess:
        """The organisation's prediction service."""
        return ServiceProcess(self.places.node(one) / "service", self.authority, one.alias)

    def apply_mapping(self, one: Organisation) -> dict[str, object]:
        """`fedcrm schema check` and `apply` of the reviewed mapping; the node's user may read its fields."""
        return self.apply(one, mapping_file(one))

    def apply(self, one: Organisation, file: Path) -> dict[str, object]:
        """Check a mapping file against the org and deploy it. Raises MappingError with what is wrong."""
        client = self.client_of_administrator(one)
        mapping = read_mapping(file, vocabulary())
        snapshot = take_snapshot(client, mapping.objects, fill=False)
        found = check_mapping(mapping, snapshot, vocabulary())
        wrong = [f"{problem.feature}: {problem.words}" for problem in found if problem.severity is Severity.WRONG]
        if wrong:
            raise MappingError(file, wrong)
        records, package = package_of(mapping, snapshot, vocabulary())
        deploy(client, package)
        administrator = Administrator(client, self.repository)
        node_user, _ = administrator.user(NODE_USER, person=False)
        administrator.assign(node_user, "FedCRM_Extractor_Local")
        return {"features": len(records), "doubtful": len(found), "file": str(file)}

    def check(self, one: Organisation) -> dict[str, object]:
        """`fedcrm org check`. Raises SettingsError with the first thing that is wrong."""
        registry = Orgs.open(self.places.logins(one))
        findings = list(check_org(registry.connect(one.alias), registry.endpoint(registry.get(one.alias))))
        for finding in findings:
            if finding.verdict is Verdict.WRONG:
                raise SettingsError(f"{one.alias}: {finding.what}: {finding.words}; {finding.remedy}")
        return {"checks": len(findings)}

    def facts(self, one: Organisation) -> OrgFacts:
        """How the org is reached."""
        return self.orgs[one.server][one.alias]


def mapping_file(one: Organisation) -> Path:
    """The organisation's reviewed mapping, as shipped."""
    return _shipped(f"{one.alias}.toml")


def wrong_mapping_file() -> Path:
    """The first organisation's mapping with an entry that names a deleted field."""
    return _shipped("wrong_entry.toml")


def _shipped(name: str) -> Path:
    return Path(str(resources.files("fedcrm.chain") / "mappings" / name))


def _outcomes() -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = tomllib.loads(_shipped("outcomes.toml").read_text("utf-8"))
    return found


def _registry(directory: Path) -> Orgs:
    return Orgs.open(directory) if Orgs.exists(directory) else Orgs.create(directory)


def _registered(one: Organisation, facts: OrgFacts, grant: JwtBearer) -> RegisteredOrg:
    ca = facts.ca_file.read_text("ascii")
    return RegisteredOrg(one.alias, facts.instance_url, grant, facts.org_id[:15], ca=ca)
