"""How metrics land: partitions that take COPY, and hourly roll-ups.

PostgreSQL refuses COPY into a table with row-level security, so samples are copied into the
partitions, which have no policies. The hub's role may INSERT there and nothing else: it reads
through the parent, whose policy is forced. That a row is the tenant's own is a CHECK on each
partition, so a foreign row is still refused by PostgreSQL and not by remembering a WHERE.

The check is NOT VALID on purpose. New rows are held to it all the same, and pg_dump writes such a
constraint after the data: a restore would fail on one that is made with the table, because no
tenant is entered then.

Partitions are days from now on, so that retention lets go of a day at a time; the weeks that are
there stay until they are old.

Revision ID: 0009
Revises: 0008
"""

from typing import Any

import sqlalchemy as sa
from alembic import op

from hub.migrations.protection import HUB_ROLE, protect

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

FIGURES = ("cpu_percent", "memory_percent", "disk_percent", "load1", "rx_mbps", "tx_mbps")
LANDED_ON = ("agents", "agent_keys", "agent_latest")  # updated with each report
# Without a tenant the setting is null or empty; a CHECK passes what is null, so it must not be.
OF_THE_TENANT = "CHECK (tenant_id::text = coalesce(current_setting(''monsys.tenant_id'', true), '''')) NOT VALID"


def upgrade() -> None:
    op.add_column("agent_keys", sa.Column("identity_digest", sa.String(32), nullable=True))
    for table in LANDED_ON:
        # Room on each page for the row's next version: an update stays on its page (HOT).
        op.execute(f"ALTER TABLE {table} SET (fillfactor = 70)")
    _find_keys()
    _make_roll_ups()
    _list_partitions()
    _open_partitions_that_exist()
    _make_days()
    _drop_by_bounds()


def _find_keys() -> None:
    """Find a key by its name in one round trip: a report shows it before its tenant is known."""
    op.execute(
        """
        CREATE FUNCTION monsys_agent_key(presented text)
        RETURNS TABLE (tenant_id uuid, agent_id uuid, public_key bytea, is_revoked boolean)
        LANGUAGE plpgsql SECURITY INVOKER AS $$
        #variable_conflict use_column
        BEGIN
            PERFORM set_config('monsys.presented', presented, true);
            RETURN QUERY SELECT k.tenant_id, k.agent_id, k.public_key, k.revoked_at IS NOT NULL
                FROM agent_keys k WHERE k.digest = presented;
            PERFORM set_config('monsys.presented', '', true);
        END $$
        """
    )
    _only_for_the_hub("monsys_agent_key(text)")


def _make_roll_ups() -> None:
    op.create_table(
        "metric_hours",
        *_agent_hour(),
        sa.Column("sample_count", sa.Integer(), nullable=False),
        *(column for figure in FIGURES for column in _summary_of(figure)),
        *_keys("metric_hours", "tenant_id", "agent_id", "at"),
    )
    op.create_index("ix_metric_hours_tenant_id_at", "metric_hours", ["tenant_id", "at"])
    op.create_table(
        "late_metric_hours",
        *_agent_hour(),
        sa.Column("id", sa.Uuid(), nullable=False, server_default=sa.text("gen_random_uuid()")),
        *_keys("late_metric_hours", "tenant_id", "id"),
    )
    op.create_table(
        "metric_roll_ups",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("rolled_until", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.id"], name="fk_metric_roll_ups_tenant_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("tenant_id", name="pk_metric_roll_ups"),
    )
    for table in ("metric_hours", "late_metric_hours", "metric_roll_ups"):
        protect(table)


def _agent_hour() -> tuple[sa.Column[Any], ...]:
    return (
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("agent_id", sa.Uuid(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
    )


def _summary_of(figure: str) -> tuple[sa.Column[Any], ...]:
    return (
        *(sa.Column(f"{figure}_{each}", sa.Float(), nullable=True) for each in ("low", "mean")),
        sa.Column(f"{figure}_high", sa.Float(), nullable=True),
        sa.Column(f"{figure}_count", sa.Integer(), nullable=False),
    )


def _keys(table: str, *primary: str) -> tuple[sa.Constraint, ...]:
    return (
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.id"], name=f"fk_{table}_tenant_id", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "agent_id"],
            ["agents.tenant_id", "agents.id"],
            name=f"fk_{table}_tenant_id_agent_id",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint(*primary, name=f"pk_{table}"),
    )


def _list_partitions() -> None:
    """Tell which partitions there are, from when until when: the hub copies into them by name."""
    op.execute(
        """
        CREATE OR REPLACE FUNCTION monsys_metric_partitions()
        RETURNS TABLE (name text, since timestamptz, until timestamptz)
        LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public AS $$
            SELECT c.relname::text, bounds[1]::timestamptz, bounds[2]::timestamptz
            FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid,
                regexp_match(pg_get_expr(c.relpartbound, c.oid),
                    'FROM \\(''([^'']+)''\\) TO \\(''([^'']+)''\\)') AS bounds
            WHERE i.inhparent = 'metric_samples'::regclass
        $$
        """
    )
    _only_for_the_hub("monsys_metric_partitions()")


def _open_partitions_that_exist() -> None:
    op.execute(
        f"""
        DO $$
        DECLARE
            partition text;
        BEGIN
            FOR partition IN SELECT name FROM monsys_metric_partitions() LOOP
                EXECUTE format('ALTER TABLE %I DROP CONSTRAINT IF EXISTS %I,'
                    ' ADD CONSTRAINT %2$I {OF_THE_TENANT}',
                    partition, partition || '_of_the_tenant');
                EXECUTE format('GRANT INSERT ON %I TO {HUB_ROLE}', partition);
            END LOOP;
        END $$
        """
    )


def _make_days() -> None:
    """Make and attach: CREATE … PARTITION OF would shut out every reader for a moment."""
    op.execute(
        f"""
        CREATE OR REPLACE FUNCTION monsys_make_metric_partitions(from_day date, until_day date)
        RETURNS integer LANGUAGE plpgsql SECURITY DEFINER SET search_path = public
        SET timezone = 'UTC' AS $$
        DECLARE
            day date;
            made integer := 0;
            partition text;
        BEGIN
            IF until_day - from_day > 800 THEN
                RAISE EXCEPTION 'at most 800 days of partitions at once';
            END IF;
            PERFORM pg_advisory_xact_lock(hashtext('monsys_metric_partitions'));
            FOR day IN
                SELECT each::date
                FROM generate_series(from_day::timestamptz, until_day::timestamptz, '1 day') each
                WHERE NOT EXISTS (
                    SELECT FROM monsys_metric_partitions()
                    WHERE since < each + interval '1 day' AND until > each)
                ORDER BY each
            LOOP
                partition := 'metric_samples_' || to_char(day, 'YYYYMMDD') || 'd';
                EXECUTE format('CREATE TABLE %I (LIKE metric_samples INCLUDING DEFAULTS)',
                    partition);
                EXECUTE format(
                    'ALTER TABLE metric_samples ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)',
                    partition, day::timestamptz, (day + 1)::timestamptz);
                EXECUTE format('ALTER TABLE %I ADD CONSTRAINT %I {OF_THE_TENANT}',
                    partition, partition || '_of_the_tenant');
                EXECUTE format('GRANT INSERT ON %I TO {HUB_ROLE}', partition);
                made := made + 1;
            END LOOP;
            RETURN made;
        END $$
        """
    )


def _drop_by_bounds() -> None:
    """Drop what is old, without waiting for long readers: later the hub tries again."""
    op.execute(
        """
        CREATE OR REPLACE FUNCTION monsys_drop_metric_partitions(before_day date)
        RETURNS integer LANGUAGE plpgsql SECURITY DEFINER SET search_path = public
        SET timezone = 'UTC' SET lock_timeout = '2s' AS $$
        DECLARE
            partition text;
            dropped integer := 0;
        BEGIN
            FOR partition IN
                SELECT name FROM monsys_metric_partitions()
                WHERE until <= before_day::timestamptz ORDER BY until
            LOOP
                EXECUTE format('DROP TABLE %I', partition);
                dropped := dropped + 1;
            END LOOP;
            RETURN dropped;
        END $$
        """
    )


def _only_for_the_hub(function: str) -> None:
    op.execute(f"REVOKE ALL ON FUNCTION {function} FROM PUBLIC")
    op.execute(f"GRANT EXECUTE ON FUNCTION {function} TO {HUB_ROLE}")


def downgrade() -> None:
    """Copy no more. The days stay, and so do the functions that make and drop them."""
    op.execute(
        f"""
        DO $$
        DECLARE
            partition text;
        BEGIN
            FOR partition IN SELECT name FROM monsys_metric_partitions() LOOP
                EXECUTE format('REVOKE INSERT ON %I FROM {HUB_ROLE}', partition);
                EXECUTE format('ALTER TABLE %I DROP CONSTRAINT %I',
                    partition, partition || '_of_the_tenant');
            END LOOP;
        END $$
        """
    )
    for table in ("metric_roll_ups", "late_metric_hours", "metric_hours"):
        op.drop_table(table)
    op.execute("DROP FUNCTION monsys_agent_key(text)")
    for table in LANDED_ON:
        op.execute(f"ALTER TABLE {table} RESET (fillfactor)")
    op.drop_column("agent_keys", "identity_digest")
