"""Ingest keys, and what foreign sources brought.

Revision ID: 0011
Revises: 0010
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from hub.migrations.protection import OF_TENANT_OR_PRESENTED, protect

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "tenants",
        sa.Column(
            "accepts_unknown_hosts", sa.Boolean(), nullable=False, server_default=sa.text("false")
        ),
    )
    op.add_column(
        "agent_packages",
        sa.Column(
            "sources",
            postgresql.ARRAY(sa.Text()),
            nullable=False,
            server_default=sa.text("'{agent}'"),
        ),
    )
    op.create_table(
        "ingest_keys",
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("source", sa.String(32), nullable=False),
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("default_host", sa.String(253), nullable=True),
        sa.Column("made_by", sa.String(254), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        _tenant_reference("ingest_keys"),
        sa.PrimaryKeyConstraint("digest", name="pk_ingest_keys"),
    )
    op.create_index("uq_ingest_keys_tenant_id_id", "ingest_keys", ["tenant_id", "id"], unique=True)
    _foreign_alerts()
    op.create_table(
        "metric_counters",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("agent_id", sa.Uuid(), nullable=False),
        sa.Column("stream", sa.String(64), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("series", postgresql.JSONB(), nullable=False),
        _tenant_reference("metric_counters"),
        _agent_reference("metric_counters"),
        sa.PrimaryKeyConstraint("tenant_id", "agent_id", "stream", name="pk_metric_counters"),
    )
    op.create_table(
        "software_bills",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("agent_id", sa.Uuid(), nullable=False),
        sa.Column("subject", sa.String(200), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("packages", sa.Integer(), nullable=False),
        sa.Column("reported_at", sa.DateTime(timezone=True), nullable=False),
        _agent_reference("software_bills"),
        sa.PrimaryKeyConstraint("tenant_id", "agent_id", "subject", name="pk_software_bills"),
    )
    protect("ingest_keys", condition=OF_TENANT_OR_PRESENTED)
    for table in ("foreign_alerts", "metric_counters", "software_bills"):
        protect(table)


def _foreign_alerts() -> None:
    op.create_table(
        "foreign_alerts",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("source", sa.String(32), nullable=False),
        sa.Column("external_id", sa.String(64), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("alert_id", sa.Uuid(), nullable=True),
        sa.Column("last_told_at", sa.DateTime(timezone=True), nullable=False),
        _tenant_reference("foreign_alerts"),
        sa.PrimaryKeyConstraint(
            "tenant_id", "source", "external_id", "started_at", name="pk_foreign_alerts"
        ),
    )
    op.create_index(
        "ix_foreign_alerts_open",
        "foreign_alerts",
        ["tenant_id", "source", "external_id", "started_at"],
        postgresql_where=sa.text("ended_at IS NULL"),
    )
    op.create_index(
        "ix_foreign_alerts_last_told_at", "foreign_alerts", ["tenant_id", "last_told_at"]
    )


def _tenant_reference(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["tenant_id"], ["tenants.id"], name=f"fk_{table}_tenant_id", ondelete="CASCADE"
    )


def _agent_reference(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["tenant_id", "agent_id"],
        ["agents.tenant_id", "agents.id"],
        name=f"fk_{table}_tenant_id_agent_id",
        ondelete="CASCADE",
    )


def downgrade() -> None:
    for table in ("software_bills", "metric_counters", "foreign_alerts", "ingest_keys"):
        op.drop_table(table)
    op.drop_column("agent_packages", "sources")
    op.drop_column("tenants", "accepts_unknown_hosts")
