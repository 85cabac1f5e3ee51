"""Scores where people work: predictions with their reasons, over HTTP, for an organisation's own org."""

from fedcrm.service.app import create_app
from fedcrm.service.batch import prediction_rows
from fedcrm.service.core import Service, open_database
from fedcrm.service.demo import open_demo
from fedcrm.service.migrations import HEAD, migrate
from fedcrm.service.publish import publish, vocabulary_digest
from fedcrm.service.registry import ModelFacts, Privacy, Registry
from fedcrm.service.scoring_runs import RENEW_AFTER, ScoredRun, bring_scores
from fedcrm.service.server import run
from fedcrm.service.settings import ServiceSettings, read_settings, settings_table
from fedcrm.service.tenants import Scope, Tenants

__all__ = [
    "HEAD",
    "RENEW_AFTER",
    "ModelFacts",
    "Privacy",
    "Registry",
    "Scope",
    "ScoredRun",
    "Service",
    "ServiceSettings",
    "Tenants",
    "bring_scores",
    "create_app",
    "migrate",
    "open_database",
    "open_demo",
    "prediction_rows",
    "publish",
    "read_settings",
    "run",
    "settings_table",
    "vocabulary_digest",
]
