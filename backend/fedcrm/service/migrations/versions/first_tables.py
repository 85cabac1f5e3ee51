"""The tables that the first release had. Written out: `tables.metadata` moves on, this step does not."""

from __future__ import annotations

import sqlalchemy as sa
from alembic.operations import Operations

from fedcrm.service.migrations.versions.step import Step

__all__ = ["STEP"]


def up(op: Operations) -> None:
    """Create them."""
    op.create_table(
        "service_orgs",
        sa.Column("org_id", sa.String(64), primary_key=True),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("paired_at", sa.Float),
    )
    op.create_table(
        "service_keys",
        sa.Column("key_id", sa.String(32), primary_key=True),
        _org(),
        sa.Column("hash", sa.String(64), nullable=False),
        sa.Column("scope", sa.String(16), nullable=False),
        sa.Column("label", sa.String(255), nullable=False),
        sa.Column("created_at", sa.Float, nullable=False),
        sa.Column("retired_at", sa.Float),
    )
    op.create_table(
        "service_signers",
        sa.Column("signer_id", sa.String(64), primary_key=True),
        _org(),
        sa.Column("public_key", sa.Text, nullable=False),
        sa.Column("created_at", sa.Float, nullable=False),
        sa.Column("retired_at", sa.Float),
    )
    op.create_table(
        "service_pairing_codes",
        sa.Column("hash", sa.String(64), primary_key=True),
        sa.Column("scope", sa.String(16), nullable=False),
        sa.Column("org_id", sa.String(64)),
        sa.Column("expires_at", sa.Float, nullable=False),
        sa.Column("used_at", sa.Float),
    )
    op.create_table(
        "service_tokens",
        sa.Column("org_id", sa.String(64), primary_key=True),
        sa.Column("hash", sa.String(64), primary_key=True),
        sa.Column("expires_at", sa.Float, nullable=False),
    )
    op.create_table(
        "service_models",
        _org(primary=True),
        sa.Column("version", sa.String(80), primary_key=True),
        sa.Column("task", sa.String(64), nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("facts", sa.Text, nullable=False),
        sa.Column("card", sa.Text, nullable=False),
        sa.Column("file", sa.String(255), nullable=False),
        sa.Column("created_at", sa.Float, nullable=False),
    )
    op.create_table(
        "service_serving",
        _org(primary=True),
        sa.Column("task", sa.String(64), primary_key=True),
        sa.Column("version", sa.String(80), nullable=False),
        sa.Column("previous", sa.String(80)),
        sa.Column("since", sa.Float, nullable=False),
    )
    op.create_table(
        "service_feedback",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        _org(),
        sa.Column("pseudonym", sa.String(64), nullable=False),
        sa.Column("task", sa.String(64), nullable=False),
        sa.Column("model_version", sa.String(80), nullable=False),
        sa.Column("helpful", sa.Boolean, nullable=False),
        sa.Column("reason", sa.String(32)),
        sa.Column("at", sa.Float, nullable=False),
        sa.Column("received_at", sa.Float, nullable=False),
        sa.UniqueConstraint("org_id", "pseudonym", "task", "model_version", name="one_opinion_a_score"),
    )
    op.create_table(
        "service_audit",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("org_id", sa.String(64), nullable=False),
        sa.Column("at", sa.Float, nullable=False),
        sa.Column("user", sa.String(255), nullable=False),
        sa.Column("action", sa.String(64), nullable=False),
        sa.Column("target", sa.String(255), nullable=False),
        sa.Column("request_id", sa.String(64), nullable=False),
    )
    op.create_table(
        "service_watch",
        _org(primary=True),
        sa.Column("version", sa.String(80), primary_key=True),
        sa.Column("counts", sa.Text, nullable=False),
        sa.Column("updated_at", sa.Float, nullable=False),
    )


def down(op: Operations) -> None:
    """Drop them; what refers to others goes first."""
    for name in (
        "watch",
        "audit",
        "feedback",
        "serving",
        "models",
        "tokens",
        "pairing_codes",
        "signers",
        "keys",
        "orgs",
    ):
        op.drop_table(f"service_{name}")


def _org(*, primary: bool = False) -> sa.Column[str]:
    owner = sa.ForeignKey("service_orgs.org_id")
    return sa.Column("org_id", sa.String(64), owner, primary_key=primary, nullable=False)


STEP = Step("first tables", up, down)
