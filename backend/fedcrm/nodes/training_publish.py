"""What an organisation adopted, published into its own prediction service: labels, directions and what it cost.

All of it stays in the organisation. Words come from the shared vocabulary; columns of its own keep their names.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from fedcrm.explanation import Meaning, Moves
from fedcrm.federation import Records, Trained
from fedcrm.files import write_atomically
from fedcrm.nodes.configuration import UNIT_OF_TASK
from fedcrm.nodes.training_members import Member
from fedcrm.salesforce import Orgs
from fedcrm.schema import Higher, vocabulary
from fedcrm.service import Privacy, Service, publish, read_settings
from fedcrm.service.publish import vocabulary_digest

__all__ = ["HIGH_IS_GOOD", "Publication", "meanings_of", "publication_of", "publish_adopted"]

HIGH_IS_GOOD: Mapping[str, bool] = {
    "churn": False,
    "lead_conversion": True,
    "opportunity_win": True,
    "case_escalation": False,
}
"""Whether a high score is good news; as `Polarity__c` of the package's tasks."""

_MOVES = {Higher.BETTER: Moves.UP, Higher.WORSE: Moves.DOWN, None: Moves.BOTH}


@dataclass(frozen=True)
class Publication:
    """All that publishing takes, in plain values: it is done in a process of its own.

    service: the service's data directory. model: digest of the federation's, hex. vocabulary, digest: of a vector.
    """

    organisation: str
    org_id: str
    service: Path
    models: Path
    records: Records
    task: str
    model: str
    round_number: int
    vocabulary: tuple[str, ...]
    digest: str
    privacy: Privacy


def publication_of(member: Member, trained: Trained, task: str) -> Publication:
    """What a member publishes after a training. Raises SettingsError where its org is not paired yet."""
    configuration, ledger = member.node.configuration, member.books.ledger
    declared = member.holding.data.description.vocabulary
    names = tuple(member.holding.data.columns) if declared is None else tuple(c.name for c in declared.columns)
    return Publication(
        organisation=member.name,
        org_id=Orgs.open(configuration.orgs).pairing(configuration.org).require().org_id or "",
        service=member.node.service,
        models=member.holding.models,
        records=member.records,
        task=task,
        model=trained.model.digest().hex(),
        round_number=len(trained.facts),
        vocabulary=names,
        digest=vocabulary_digest(names) if declared is None else declared.digest,
        privacy=Privacy(ledger.epsilon_budget, ledger.delta, len(trained.reports), ledger.spent().epsilon),
    )


def publish_adopted(given: Publication) -> str:
    """Publish what the organisation serves by, and serve it; once for each received model. Returns the version.

    Raises SettingsError, StorageError.
    """
    marker = given.models / "published.json"
    if marker.exists() and (version := _published(marker.read_bytes(), given.model)):
        return version
    settings = read_settings(data=given.service)
    Service.make_storage_key(settings)
    service = Service.open(settings)
    try:
        service.tenants.register(given.org_id, given.organisation)
        facts = publish(
            service.registry,
            given.org_id,
            given.models,
            given.records,
            task=given.task,
            vocabulary=given.vocabulary,
            digest=given.digest,
            meanings=meanings_of(given.vocabulary, given.task),
            high_is_good=HIGH_IS_GOOD[given.task],
            round_number=given.round_number,
            privacy=given.privacy,
        ).facts
    finally:
        service.close()
    write_atomically(marker, (json.dumps({"model": given.model, "version": facts.version}) + "\n").encode())
    return facts.version


def meanings_of(columns: Sequence[str], task: str) -> dict[str, Meaning]:
    """What people read for each column of the shared vocabulary, and which way they may be told to move it."""
    words = vocabulary()
    return {
        name: Meaning(
            words[name].name,
            moves=_MOVES[words[name].higher] if UNIT_OF_TASK[task] in words[name].actionable else None,
            whole=words[name].unit == "count",
        )
        for name in columns
        if name in words
    }


def _published(content: bytes, digest: str) -> str | None:
    try:
        raw = json.loads(content)
        return str(raw["version"]) if raw["model"] == digest else None
    except (ValueError, KeyError, TypeError):
        return None
