"""What an organisation's own prediction service serves. A service that never was is not made by asking."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from fedcrm.nodes.organisation import OrganisationNode
from fedcrm.secrets import SecretBox
from fedcrm.service import ModelFacts, Registry, Service, ServiceSettings, open_database

__all__ = ["facts_by_task", "open_registry"]


@contextmanager
def open_registry(node: OrganisationNode) -> Iterator[Registry | None]:
    """The models of the node's service, brought up to date; None where nothing was ever published."""
    settings = node.service_settings()
    if not _was_made(settings):
        yield None
        return
    service = Service.open(settings)
    try:
        yield service.registry
    finally:
        service.close()


def facts_by_task(node: OrganisationNode, org_id: str) -> Mapping[str, ModelFacts]:
    """What serves each task; reads only. Raises StorageError."""
    settings = node.service_settings()
    if not _was_made(settings):
        return {}
    database = open_database(settings)
    try:
        registry = Registry(database, settings.data / "models", SecretBox(settings.key_source()))
        return {one.facts.task: one.facts for one in registry.models(org_id) if one.serving}
    finally:
        database.close()


def _was_made(settings: ServiceSettings) -> bool:
    return bool(settings.database) or (settings.data / "service.sqlite").exists()
