"""What detections are made of: events, windows and baselines.

Revision ID: 0010
Revises: 0009
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from hub.migrations.protection import protect

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

# Each of them after those that it refers to.
TABLES = (
    "security_events",
    "detection_windows",
    "detection_baselines",
    "detection_intakes",
    "detection_rule_settings",
)


def upgrade() -> None:
    _make_security_events()
    _make_detection_windows()
    _make_baselines()
    _make_rule_settings()
    for table in TABLES:
        protect(table)


def _make_security_events() -> None:
    op.create_table(
        "security_events",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("agent_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(64), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("summary", sa.String(500), nullable=False),
        sa.Column("target_user", sa.String(64), nullable=True),
        sa.Column("source_address", sa.String(64), nullable=True),
        sa.Column("process_name", sa.String(200), nullable=True),
        sa.Column("path", sa.String(1024), nullable=True),
        sa.Column("command", sa.Text(), nullable=True),
        sa.Column("port", sa.Integer(), nullable=True),
        sa.Column("protocol", sa.String(8), nullable=True),
        sa.Column("sha256", sa.String(64), nullable=True),
        sa.Column("alike_count", sa.Integer(), nullable=False),
        sa.Column("raw", sa.Text(), nullable=True),
        sa.Column("details", postgresql.JSONB(), nullable=False),
        *_of_agent("security_events"),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="pk_security_events"),
    )
    op.create_index("ix_security_events_agent", "security_events", ["tenant_id", "agent_id", "at"])
    for name, column in (("address", "source_address"), ("user", "target_user")):
        op.create_index(
            f"ix_security_events_{name}",
            "security_events",
            ["tenant_id", column, "at"],
            postgresql_where=sa.text(f"{column} IS NOT NULL"),
        )
    op.create_index("ix_security_events_at", "security_events", ["at"], postgresql_using="brin")


def _make_detection_windows() -> None:
    op.create_table(
        "detection_windows",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("agent_id", sa.Uuid(), nullable=False),
        sa.Column("rule_kind", sa.String(64), nullable=False),
        sa.Column("subject", sa.String(300), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("sighting_count", sa.BigInteger(), nullable=False),
        sa.Column("worst_rank", sa.SmallInteger(), nullable=False),
        sa.Column("users", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("addresses", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("processes", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("is_closed", sa.Boolean(), nullable=False),
        sa.Column("detection_id", sa.Uuid(), nullable=True),
        *_of_agent("detection_windows"),
        sa.ForeignKeyConstraint(
            ["tenant_id", "detection_id"],
            ["detections.tenant_id", "detections.id"],
            name="fk_detection_windows_tenant_id_detection_id",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="pk_detection_windows"),
    )
    op.create_index(
        "ix_detection_windows_subject",
        "detection_windows",
        ["tenant_id", "agent_id", "rule_kind", "subject", "ended_at"],
    )
    op.create_index(
        "ix_detection_windows_detection", "detection_windows", ["tenant_id", "detection_id"]
    )


def _make_baselines() -> None:
    op.create_table(
        "detection_baselines",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("agent_id", sa.Uuid(), nullable=False),
        sa.Column("rule_kind", sa.String(64), nullable=False),
        sa.Column("subject", sa.String(300), nullable=False),
        sa.Column("first_seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_seen_at", sa.DateTime(timezone=True), nullable=False),
        *_of_agent("detection_baselines"),
        sa.PrimaryKeyConstraint(
            "tenant_id", "agent_id", "rule_kind", "subject", name="pk_detection_baselines"
        ),
    )
    op.create_index(
        "ix_detection_baselines_last_seen_at",
        "detection_baselines",
        ["tenant_id", "last_seen_at"],
    )
    op.create_table(
        "detection_intakes",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("agent_id", sa.Uuid(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_taken_at", sa.DateTime(timezone=True), nullable=False),
        *_of_agent("detection_intakes"),
        sa.PrimaryKeyConstraint("tenant_id", "agent_id", name="pk_detection_intakes"),
    )


def _make_rule_settings() -> None:
    op.create_table(
        "detection_rule_settings",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("rule_kind", sa.String(64), nullable=False),
        sa.Column("is_enabled", sa.Boolean(), nullable=False),
        sa.Column("thresholds", postgresql.JSONB(), nullable=False),
        sa.Column("ignored_subjects", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("changed_by", sa.String(254), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        _of_tenant("detection_rule_settings"),
        sa.PrimaryKeyConstraint("tenant_id", "rule_kind", name="pk_detection_rule_settings"),
    )


def _of_tenant(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["tenant_id"], ["tenants.id"], name=f"fk_{table}_tenant_id", ondelete="CASCADE"
    )


def _of_agent(table: str) -> tuple[sa.ForeignKeyConstraint, ...]:
    return (
        _of_tenant(table),
        sa.ForeignKeyConstraint(
            ["tenant_id", "agent_id"],
            ["agents.tenant_id", "agents.id"],
            name=f"fk_{table}_tenant_id_agent_id",
            ondelete="CASCADE",
        ),
    )


def downgrade() -> None:
    for table in reversed(TABLES):
        op.drop_table(table)
