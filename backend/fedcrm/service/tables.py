"""The service's tables. Each row belongs to one organisation, and each query names it.

Times are seconds since 1970 (float), so that both databases compare them alike.
"""

from __future__ import annotations

import sqlalchemy as sa

__all__ = [
    "audit", "feedback", "keys", "metadata", "models", "orgs", "pairing_codes", "serving", "signers", "tokens", "watch",
]  # fmt: skip

metadata = sa.MetaData()

_ORG = sa.String(64)
_VERSION = sa.String(80)

orgs = sa.Table(
    "service_orgs",
    metadata,
    sa.Column("org_id", _ORG, primary_key=True),
    sa.Column("name", sa.String(255), nullable=False),
    sa.Column("paired_at", sa.Float),
)

# Only a hash: whoever reads this table cannot call.
keys = sa.Table(
    "service_keys",
    metadata,
    sa.Column("key_id", sa.String(32), primary_key=True),
    sa.Column("org_id", _ORG, sa.ForeignKey("service_orgs.org_id"), nullable=False),
    sa.Column("hash", sa.String(64), nullable=False),
    sa.Column("scope", sa.String(16), nullable=False),
    sa.Column("label", sa.String(255), nullable=False),
    sa.Column("created_at", sa.Float, nullable=False),
    sa.Column("retired_at", sa.Float),
)

signers = sa.Table(
    "service_signers",
    metadata,
    sa.Column("signer_id", sa.String(64), primary_key=True),
    sa.Column("org_id", _ORG, sa.ForeignKey("service_orgs.org_id"), nullable=False),
    sa.Column("public_key", sa.Text, nullable=False),
    sa.Column("created_at", sa.Float, nullable=False),
    sa.Column("retired_at", sa.Float),
)

pairing_codes = sa.Table(
    "service_pairing_codes",
    metadata,
    sa.Column("hash", sa.String(64), primary_key=True),
    sa.Column("scope", sa.String(16), nullable=False),
    sa.Column("org_id", _ORG),  # null: whoever brings the code
    sa.Column("expires_at", sa.Float, nullable=False),
    sa.Column("used_at", sa.Float),
)

tokens = sa.Table(
    "service_tokens",
    metadata,
    sa.Column("org_id", _ORG, primary_key=True),
    sa.Column("hash", sa.String(64), primary_key=True),
    sa.Column("expires_at", sa.Float, nullable=False),
)

models = sa.Table(
    "service_models",
    metadata,
    sa.Column("org_id", _ORG, sa.ForeignKey("service_orgs.org_id"), primary_key=True),
    sa.Column("version", _VERSION, primary_key=True),
    sa.Column("task", sa.String(64), nullable=False),
    sa.Column("number", sa.Integer, nullable=False),
    sa.Column("facts", sa.Text, nullable=False),
    sa.Column("card", sa.Text, nullable=False),
    sa.Column("file", sa.String(255), nullable=False),
    sa.Column("created_at", sa.Float, nullable=False),
)

serving = sa.Table(
    "service_serving",
    metadata,
    sa.Column("org_id", _ORG, sa.ForeignKey("service_orgs.org_id"), primary_key=True),
    sa.Column("task", sa.String(64), primary_key=True),
    sa.Column("version", _VERSION, nullable=False),
    sa.Column("previous", _VERSION),
    sa.Column("since", sa.Float, nullable=False),
)

feedback = sa.Table(
    "service_feedback",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("org_id", _ORG, sa.ForeignKey("service_orgs.org_id"), nullable=False),
    sa.Column("pseudonym", sa.String(64), nullable=False),
    sa.Column("task", sa.String(64), nullable=False),
    sa.Column("model_version", _VERSION, nullable=False),
    sa.Column("helpful", sa.Boolean, nullable=False),
    sa.Column("reason", sa.String(32)),
    sa.Column("at", sa.Float, nullable=False),
    sa.Column("received_at", sa.Float, nullable=False),
    sa.UniqueConstraint("org_id", "pseudonym", "task", "model_version", name="one_opinion_a_score"),
)

audit = sa.Table(
    "service_audit",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("org_id", _ORG, nullable=False),
    sa.Column("at", sa.Float, nullable=False),
    sa.Column("user", sa.String(255), nullable=False),
    sa.Column("action", sa.String(64), nullable=False),
    sa.Column("target", sa.String(255), nullable=False),
    sa.Column("request_id", sa.String(64), nullable=False),
)

watch = sa.Table(
    "service_watch",
    metadata,
    sa.Column("org_id", _ORG, sa.ForeignKey("service_orgs.org_id"), primary_key=True),
    sa.Column("version", _VERSION, primary_key=True),
    sa.Column("counts", sa.Text, nullable=False),
    sa.Column("updated_at", sa.Float, nullable=False),
)
