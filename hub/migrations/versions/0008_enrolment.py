"""Enrolment tokens, and the keys that agents sign their reports with instead of bearer credentials.

Revision ID: 0008
Revises: 0007
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from hub.migrations.protection import OF_TENANT_OR_PRESENTED, protect

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("agents", sa.Column("machine_digest", sa.String(64), nullable=True))
    op.add_column(
        "agents",
        sa.Column("is_enrolled", sa.Boolean(), nullable=False, server_default=sa.text("true")),
    )
    op.add_column("agents", sa.Column("retired_at", sa.DateTime(timezone=True), nullable=True))
    op.create_index(
        "uq_agents_machine",
        "agents",
        ["tenant_id", "machine_digest"],
        unique=True,
        postgresql_where=sa.text("machine_digest IS NOT NULL"),
    )
    op.create_table(
        "enrolment_tokens",
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(253), nullable=True),
        sa.Column("tags", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("made_by", sa.String(254), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("agent_id", sa.Uuid(), nullable=True),
        sa.ForeignKeyConstraint(
            ["tenant_id"],
            ["tenants.id"],
            name="fk_enrolment_tokens_tenant_id",
            ondelete="CASCADE",
        ),
        _agent_reference("enrolment_tokens"),
        sa.PrimaryKeyConstraint("digest", name="pk_enrolment_tokens"),
    )
    op.create_index(
        "ix_enrolment_tokens_tenant_id_expires_at", "enrolment_tokens", ["tenant_id", "expires_at"]
    )
    op.create_table(
        "agent_keys",
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("agent_id", sa.Uuid(), nullable=False),
        sa.Column("public_key", sa.LargeBinary(), nullable=False),
        sa.Column("last_sequence", sa.BigInteger(), nullable=False, server_default=sa.text("0")),
        sa.Column("pinned_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        _agent_reference("agent_keys"),
        sa.PrimaryKeyConstraint("digest", name="pk_agent_keys"),
    )
    op.create_index("ix_agent_keys_tenant_id_agent_id", "agent_keys", ["tenant_id", "agent_id"])
    op.create_index(
        "uq_agent_keys_living",
        "agent_keys",
        ["tenant_id", "agent_id"],
        unique=True,
        postgresql_where=sa.text("revoked_at IS NULL"),
    )
    for table in ("enrolment_tokens", "agent_keys"):
        protect(table, condition=OF_TENANT_OR_PRESENTED)
    # A bearer credential can be copied on its way; nobody reports with one any more. The hosts
    # that had one enrol, and stay the servers they were.
    op.drop_table("agent_credentials")


def _agent_reference(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["tenant_id", "agent_id"],
        ["agents.tenant_id", "agents.id"],
        name=f"fk_{table}_tenant_id_agent_id",
        ondelete="CASCADE",
    )


def downgrade() -> None:
    op.create_table(
        "agent_credentials",
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("agent_id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        _agent_reference("agent_credentials"),
        sa.PrimaryKeyConstraint("digest", name="pk_agent_credentials"),
    )
    op.create_index(
        "ix_agent_credentials_tenant_id_agent_id", "agent_credentials", ["tenant_id", "agent_id"]
    )
    protect("agent_credentials", condition=OF_TENANT_OR_PRESENTED)
    op.drop_table("agent_keys")
    op.drop_table("enrolment_tokens")
    op.drop_index("uq_agents_machine", table_name="agents")
    op.drop_column("agents", "retired_at")
    op.drop_column("agents", "is_enrolled")
    op.drop_column("agents", "machine_digest")
