"""Row-level security: what the hub's role may see, decided by PostgreSQL.

Revision ID: 0002
Revises: 0001
"""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

HUB_ROLE = "monsys_hub"

# Rows of one tenant. Append-only tables get no UPDATE and no DELETE.
TENANT_TABLES = (
    "agent_inventories",
    "agent_latest",
    "agent_packages",
    "agents",
    "alerts",
    "audit_heads",
    "detection_events",
    "detection_history",
    "detection_numbers",
    "detections",
    "findings",
    "job_runs",
    "metric_samples",
    "oauth_grants",
    "package_matches",
    "package_subjects",
    "package_versions",
    "sla_hours",
    "sla_maintenance",
    "sla_observations",
    "sla_probes",
    "sla_settings",
    "sla_targets",
    "tenant_summaries",
    "trust_problems",
    "trust_signals",
    "trust_snapshots",
    "trust_sources",
    "trust_states",
    "trust_weights",
    "trust_words",
    "undecided_matches",
    "vulnerability_summaries",
)
APPEND_ONLY_TABLES = ("audit_log", "mcp_call_log")

# Rows that a caller finds by showing a credential, before the tenant is known.
CREDENTIAL_TABLES = ("agent_credentials", "oauth_codes", "oauth_tokens")

# In a sub-select, so that PostgreSQL reads the setting once a query and not once a row.
TENANT = "(SELECT nullif(current_setting('monsys.tenant_id', true), '')::uuid)"
USER = "(SELECT nullif(current_setting('monsys.user_id', true), '')::uuid)"
PRESENTED = "(SELECT nullif(current_setting('monsys.presented', true), ''))"

POLICIES = {
    **dict.fromkeys((*TENANT_TABLES, *APPEND_ONLY_TABLES), f"tenant_id = {TENANT}"),
    **dict.fromkeys(CREDENTIAL_TABLES, f"tenant_id = {TENANT} OR digest = {PRESENTED}"),
    # `*` is how jobs ask for the list of tenants; each tenant's work then runs inside that tenant.
    "tenants": f"id = {TENANT} OR slug = {PRESENTED} OR {PRESENTED} = '*' OR EXISTS"
    f" (SELECT 1 FROM memberships m WHERE m.tenant_id = tenants.id AND m.user_id = {USER})",
    "web_sessions": f"tenant_id = {TENANT} OR digest = {PRESENTED} OR user_id = {USER}"
    f" OR {PRESENTED} = '*'",
    "account_links": f"digest = {PRESENTED} OR user_id = {USER} OR {PRESENTED} = '*'",
    "invitations": f"tenant_id = {TENANT} OR digest = {PRESENTED}",
    "recovery_codes": f"user_id = {USER}",
    "memberships": f"tenant_id = {TENANT} OR user_id = {USER}",
    "users": f"id = {USER} OR email = {PRESENTED} OR EXISTS (SELECT 1 FROM memberships m"
    f" WHERE m.user_id = users.id AND m.tenant_id = {TENANT})",
    "oauth_clients": f"client_id = {PRESENTED} OR {PRESENTED} = '*'",
    "oauth_events": f"tenant_id = {TENANT} OR {PRESENTED} = '*'",
    # Public knowledge, yet a transaction that nobody stands behind sees none of it.
    **dict.fromkeys(
        (
            "advisories",
            "advisory_feeds",
            "advisory_ranges",
            "cve_signals",
            "stale_advisory_groups",
        ),
        f"{TENANT} IS NOT NULL OR {PRESENTED} = '*'",
    ),
}


def upgrade() -> None:
    op.execute(
        f"DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{HUB_ROLE}') THEN"
        f" CREATE ROLE {HUB_ROLE} LOGIN NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE;"
        " END IF; END $$"
    )
    op.execute(f"GRANT USAGE ON SCHEMA public TO {HUB_ROLE}")
    # So that the hub can tell at its start whether it fits the schema, without a table to read.
    op.execute(
        "CREATE FUNCTION monsys_schema_revision() RETURNS text LANGUAGE sql STABLE"
        " SECURITY DEFINER SET search_path = public"
        " AS 'SELECT version_num FROM alembic_version'"
    )
    op.execute("REVOKE ALL ON FUNCTION monsys_schema_revision() FROM PUBLIC")
    op.execute(f"GRANT EXECUTE ON FUNCTION monsys_schema_revision() TO {HUB_ROLE}")
    for table, condition in POLICIES.items():
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
        op.execute(f"CREATE POLICY {table}_visible ON {table} USING ({condition})")
        rights = "SELECT, INSERT"
        if table not in APPEND_ONLY_TABLES:
            rights += ", UPDATE, DELETE"
        op.execute(f"GRANT {rights} ON {table} TO {HUB_ROLE}")
    # A refusal is written down before anybody knows whose it is; it is not read back there.
    op.execute("CREATE POLICY oauth_events_appended ON oauth_events FOR INSERT WITH CHECK (true)")
    # The hub's role owns nothing, so partitions are made and dropped by functions of the owner.
    op.execute(
        """
        CREATE FUNCTION monsys_make_metric_partitions(from_day date, until_day date)
        RETURNS integer LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS $$
        DECLARE
            week date := date_trunc('week', from_day)::date;
            made integer := 0;
            partition text;
        BEGIN
            IF until_day - from_day > 800 THEN
                RAISE EXCEPTION 'at most 800 days of partitions at once';
            END IF;
            PERFORM pg_advisory_xact_lock(hashtext('monsys_metric_partitions'));
            WHILE week <= until_day LOOP
                partition := 'metric_samples_' || to_char(week, 'YYYYMMDD');
                IF to_regclass(partition) IS NULL THEN
                    EXECUTE format(
                        'CREATE TABLE %I PARTITION OF metric_samples FOR VALUES FROM (%L) TO (%L)',
                        partition, week::timestamp AT TIME ZONE 'UTC',
                        (week + 7)::timestamp AT TIME ZONE 'UTC');
                    made := made + 1;
                END IF;
                week := week + 7;
            END LOOP;
            RETURN made;
        END $$
        """
    )
    op.execute(
        """
        CREATE FUNCTION monsys_drop_metric_partitions(before_day date)
        RETURNS integer LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS $$
        DECLARE
            partition text;
            dropped integer := 0;
        BEGIN
            FOR partition IN
                SELECT inhrelid::regclass::text FROM pg_inherits
                WHERE inhparent = 'metric_samples'::regclass
            LOOP
                IF to_date(right(partition, 8), 'YYYYMMDD') + 7 <= before_day THEN
                    EXECUTE format('DROP TABLE %I', partition);
                    dropped := dropped + 1;
                END IF;
            END LOOP;
            RETURN dropped;
        END $$
        """
    )
    for function in (
        "monsys_make_metric_partitions(date, date)",
        "monsys_drop_metric_partitions(date)",
    ):
        op.execute(f"REVOKE ALL ON FUNCTION {function} FROM PUBLIC")
        op.execute(f"GRANT EXECUTE ON FUNCTION {function} TO {HUB_ROLE}")


def downgrade() -> None:
    op.execute("DROP FUNCTION monsys_make_metric_partitions(date, date)")
    op.execute("DROP FUNCTION monsys_drop_metric_partitions(date)")
    op.execute("DROP FUNCTION monsys_schema_revision()")
    op.execute("DROP POLICY oauth_events_appended ON oauth_events")
    for table in POLICIES:
        op.execute(f"REVOKE ALL ON {table} FROM {HUB_ROLE}")
        op.execute(f"DROP POLICY {table}_visible ON {table}")
        op.execute(f"ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE {table} DISABLE ROW LEVEL SECURITY")
