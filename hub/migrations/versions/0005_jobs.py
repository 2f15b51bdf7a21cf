"""The jobs' queue, and what marks a tenant's summary stale.

The queue's tables are pgqueuer's own, as its installer writes them. They hold no tenant's data, only
which job is due for which tenant. Their rows are seen by who asks for all tenants (`presented` is
`*`), as jobs do; a connection that says nothing sees none, as everywhere.

A summary is marked by deferred triggers: the mark is set as the last thing before the commit, so
its row is locked for a moment only and writers of one tenant do not wait for each other.

Revision ID: 0005
Revises: 0004
"""

import re

from alembic import op
from pgqueuer.adapters.persistence.schema_ddl import render_install, render_uninstall
from pgqueuer.domain.settings import DBSettings

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

HUB_ROLE = "monsys_hub"
QUEUE_TABLES = ("pgqueuer", "pgqueuer_log", "pgqueuer_schedules", "pgqueuer_statistics")
# What the summary counts, and which changes of it count. Reports of agents only make it older.
COUNTED = {
    "agents": "INSERT OR DELETE",
    "alerts": "INSERT OR UPDATE OR DELETE",
    "detections": "INSERT OR UPDATE OR DELETE",
    "sla_targets": "INSERT OR DELETE",
    "trust_snapshots": "INSERT OR DELETE",
    "trust_states": "INSERT OR UPDATE",
}


def upgrade() -> None:
    _install_queue()
    op.execute(
        """
        CREATE FUNCTION monsys_mark_summary_stale() RETURNS trigger
        LANGUAGE plpgsql SECURITY INVOKER AS $$
        DECLARE
            tenant uuid := coalesce(NEW.tenant_id, OLD.tenant_id);
            entered text := current_setting('monsys.tenant_id', true);
        BEGIN
            -- Once a transaction and tenant is enough, however many rows changed.
            IF current_setting('monsys.marked_stale', true) = tenant::text THEN
                RETURN NULL;
            END IF;
            -- A transaction may have gone on to another tenant before it commits.
            PERFORM set_config('monsys.tenant_id', tenant::text, true);
            -- A tenant that is being deleted takes its summary along.
            INSERT INTO tenant_summaries (tenant_id, is_stale, figures)
                SELECT id, true, '{}' FROM tenants WHERE id = tenant
                ON CONFLICT (tenant_id) DO UPDATE SET is_stale = true;
            PERFORM set_config('monsys.tenant_id', coalesce(entered, ''), true),
                set_config('monsys.marked_stale', tenant::text, true);
            RETURN NULL;
        END $$
        """
    )
    for table, changes in COUNTED.items():
        op.execute(
            f"CREATE CONSTRAINT TRIGGER {table}_mark_summary_stale AFTER {changes} ON {table}"
            " DEFERRABLE INITIALLY DEFERRED FOR EACH ROW"
            " EXECUTE FUNCTION monsys_mark_summary_stale()"
        )


def _install_queue() -> None:
    for statement in re.split(r"(?<=;)\n\n(?=CREATE )", render_install(DBSettings())):
        op.execute(statement)
    for table in QUEUE_TABLES:
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
        op.execute(
            f"CREATE POLICY {table}_visible ON {table}"
            " USING (current_setting('monsys.presented', true) = '*')"
        )
        op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO {HUB_ROLE}")
        op.execute(
            f"DO $$ DECLARE numbers text := pg_get_serial_sequence('{table}', 'id'); BEGIN"
            f" IF numbers IS NOT NULL THEN EXECUTE 'GRANT USAGE ON SEQUENCE ' || numbers || ' TO"
            f" {HUB_ROLE}'; END IF; END $$"
        )


def downgrade() -> None:
    for table in COUNTED:
        op.execute(f"DROP TRIGGER {table}_mark_summary_stale ON {table}")
    op.execute("DROP FUNCTION monsys_mark_summary_stale()")
    for statement in render_uninstall(DBSettings()).splitlines():
        op.execute(statement)
