"""Accounts and the authorization server, second round.

Attempts are counted in the database, so that replicas count together; and a failed sign-in is
written down before its answer leaves, to be carried over to the tenant's audit trail afterwards.
Recovery codes are counted by whoever rotates keys.

Revision ID: 0006
Revises: 0005
"""

import sqlalchemy as sa
from alembic import op

from hub.migrations.protection import PRESENTED, protect

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


USER = "(SELECT nullif(current_setting('monsys.user_id', true), '')::uuid)"


def upgrade() -> None:
    op.create_table(
        "attempt_counts",
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_attempt_counts")),
    )
    op.create_index("ix_attempt_counts_expires_at", "attempt_counts", ["expires_at"])
    protect("attempt_counts", condition=f"digest = {PRESENTED} OR {PRESENTED} = '*'")
    op.add_column(
        "oauth_events",
        sa.Column("awaits_audit", sa.Boolean(), server_default=sa.false(), nullable=False),
    )
    op.create_index(
        "ix_oauth_events_awaiting_audit",
        "oauth_events",
        ["at"],
        postgresql_where=sa.text("awaits_audit"),
    )
    _show_recovery_codes(f"user_id = {USER} OR {PRESENTED} = '*'")


def _show_recovery_codes(condition: str) -> None:
    op.execute("DROP POLICY recovery_codes_visible ON recovery_codes")
    op.execute(f"CREATE POLICY recovery_codes_visible ON recovery_codes USING ({condition})")


def downgrade() -> None:
    _show_recovery_codes(f"user_id = {USER}")
    op.drop_index("ix_oauth_events_awaiting_audit", table_name="oauth_events")
    op.drop_column("oauth_events", "awaits_audit")
    op.drop_table("attempt_counts")
