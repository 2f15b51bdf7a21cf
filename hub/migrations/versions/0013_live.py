"""What tells subscribers that something changed.

Triggers name the tenant, the kind, the id and what happened, and nothing else: whoever hears it
reads the row in a transaction of that tenant, so a notification can never show what row-level
security hides. PostgreSQL sends them with the commit, and equal ones of a transaction once.

Revision ID: 0013
Revises: 0012
"""

from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

# Which rows tell of a change, and what it is called. Reports of agents only move `last_seen_at`:
# that is told when it ends a silence. Silence itself is no write; the hub's processes look for it.
CHANGES = {
    "alerts": {
        "INSERT": ("NEW.state = 'open'", "'opened'"),
        "UPDATE": (
            (
                "(OLD.state, OLD.severity, OLD.title, OLD.description)"
                " IS DISTINCT FROM (NEW.state, NEW.severity, NEW.title, NEW.description)"
            ),
            (
                "CASE WHEN NEW.state = OLD.state THEN 'changed' WHEN NEW.state = 'resolved'"
                " THEN 'resolved' ELSE 'opened' END"
            ),
        ),
    },
    "detections": {
        "INSERT": ("true", "'opened'"),
        "UPDATE": (
            (
                "(OLD.state, OLD.severity, OLD.event_count, OLD.last_seen_at)"
                " IS DISTINCT FROM (NEW.state, NEW.severity, NEW.event_count, NEW.last_seen_at)"
            ),
            (
                "CASE WHEN NEW.state = OLD.state THEN 'grown' WHEN NEW.state = 'open'"
                " THEN 'reopened' ELSE NEW.state END"
            ),
        ),
    },
    "agents": {
        "INSERT": ("true", "'enrolled'"),
        "UPDATE": (
            (
                "NEW.last_seen_at IS NOT NULL AND (OLD.last_seen_at IS NULL"
                " OR NEW.last_seen_at >= OLD.last_seen_at + interval '90 seconds')"
            ),
            "'online'",
        ),
    },
}


def upgrade() -> None:
    for table, events in CHANGES.items():
        for event, (condition, change) in events.items():
            name = f"monsys_tell_{table}_{event.lower()}"
            op.execute(
                f"""
                CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql SECURITY INVOKER AS $$
                BEGIN
                    PERFORM pg_notify('monsys_live', json_build_object(
                        'tenant', NEW.tenant_id, 'kind', '{table.removesuffix("s")}',
                        'id', NEW.id, 'change', {change})::text);
                    RETURN NULL;
                END $$
                """
            )
            op.execute(
                f"CREATE TRIGGER {name} AFTER {event} ON {table} FOR EACH ROW"
                f" WHEN ({condition}) EXECUTE FUNCTION {name}()"
            )


def downgrade() -> None:
    for table, events in CHANGES.items():
        for event in events:
            name = f"monsys_tell_{table}_{event.lower()}"
            op.execute(f"DROP TRIGGER {name} ON {table}")
            op.execute(f"DROP FUNCTION {name}()")
