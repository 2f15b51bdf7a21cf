"""Alert rules, their state, mutes, maintenance, and webhooks with their deliveries.

Deliveries are written by triggers, in the transaction that changed the alert or the detection:
whoever writes alerts need not know of webhooks, and nothing is told that was not committed.

* An alert that opens is told to each webhook that wants it; under a mute the delivery waits.
* One that becomes worse is told to those whom it now concerns.
* That it is over is told to those who heard that it began, so that nobody keeps it open for ever.
* A mute without an end ends with the last alert that it is about.

Revision ID: 0012
Revises: 0011
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from hub.migrations.protection import OF_TENANT, PRESENTED, protect

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

INSTANT = sa.DateTime(timezone=True)
WORD = sa.String(32)
# The jobs ask which tenants have something due; nobody else asks for all tenants.
OF_TENANT_OR_ALL = f"{OF_TENANT} OR {PRESENTED} = '*'"


def upgrade() -> None:
    op.add_column("alerts", sa.Column("rule_id", sa.Uuid(), nullable=True))
    _rules()
    _quiet()
    _webhooks()
    for table in ("alert_rules", "alert_rule_states", "alert_watches", "alert_mutes"):
        protect(table)
    for table in ("maintenance_windows", "webhooks"):
        protect(table)
    protect("webhook_deliveries", condition=OF_TENANT_OR_ALL)
    for statement in FUNCTIONS:
        op.execute(statement)
    for name, event, table, condition, function in TRIGGERS:
        op.execute(
            f"CREATE TRIGGER {name} AFTER {event} ON {table} FOR EACH ROW WHEN ({condition})"
            f" EXECUTE FUNCTION {function}()"
        )


def _tenant(table: str) -> tuple[sa.Column[object], sa.ForeignKeyConstraint]:
    return (
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.id"], name=f"fk_{table}_tenant_id", ondelete="CASCADE"
        ),
    )


def _reference(table: str, column: str, target: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["tenant_id", column],
        [f"{target}.tenant_id", f"{target}.id"],
        name=f"fk_{table}_tenant_id_{column}",
        ondelete="CASCADE",
    )


def _text(name: str, length: int, *, nullable: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.String(length), nullable=nullable)


def _instant(name: str, *, nullable: bool = False) -> sa.Column[object]:
    return sa.Column(name, INSTANT, nullable=nullable)


def _id(name: str, *, nullable: bool = False) -> sa.Column[object]:
    return sa.Column(name, sa.Uuid(), nullable=nullable)


def _rules() -> None:
    op.create_table(
        "alert_rules",
        *_tenant("alert_rules"),
        _id("id"),
        _text("name", 100),
        sa.Column("metric", WORD, nullable=False),
        sa.Column("operator", WORD, nullable=False),
        sa.Column("threshold", sa.Float(), nullable=False),
        sa.Column("duration_seconds", sa.Integer(), nullable=False),
        sa.Column("hysteresis", sa.Float(), nullable=False),
        sa.Column("clear_seconds", sa.Integer(), nullable=False),
        sa.Column("severity", WORD, nullable=False),
        sa.Column("category", WORD, nullable=False),
        sa.Column("target", WORD, nullable=False),
        sa.Column("agent_ids", postgresql.ARRAY(sa.Uuid()), nullable=False),
        _text("tag", 200, nullable=True),
        sa.Column("is_enabled", sa.Boolean(), nullable=False),
        _text("template", 64, nullable=True),
        _text("created_by", 254),
        _instant("created_at"),
        _instant("updated_at"),
        sa.CheckConstraint(
            "duration_seconds BETWEEN 0 AND 604800", name=op.f("ck_alert_rules_duration_in_range")
        ),
        sa.CheckConstraint(
            "clear_seconds BETWEEN 0 AND 604800", name=op.f("ck_alert_rules_clear_in_range")
        ),
        sa.CheckConstraint("hysteresis >= 0", name=op.f("ck_alert_rules_hysteresis_in_range")),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="pk_alert_rules"),
    )
    op.create_index(
        "uq_alert_rules_tenant_id_name", "alert_rules", ["tenant_id", "name"], unique=True
    )
    op.create_table(
        "alert_rule_states",
        *_tenant("alert_rule_states"),
        _id("rule_id"),
        _id("subject_id"),
        sa.Column("phase", WORD, nullable=False),
        _instant("since"),
        _instant("seen_at"),
        _reference("alert_rule_states", "rule_id", "alert_rules"),
        sa.PrimaryKeyConstraint("tenant_id", "rule_id", "subject_id", name="pk_alert_rule_states"),
    )
    op.create_table(
        "alert_watches",
        *_tenant("alert_watches"),
        _instant("watched_since"),
        _instant("evaluated_at"),
        sa.PrimaryKeyConstraint("tenant_id", name="pk_alert_watches"),
    )


def _quiet() -> None:
    op.create_table(
        "alert_mutes",
        *_tenant("alert_mutes"),
        _id("id"),
        _id("rule_id", nullable=True),
        _id("agent_id", nullable=True),
        _id("alert_id", nullable=True),
        _text("reason", 500),
        _text("created_by", 254),
        _instant("created_at"),
        _instant("ends_at", nullable=True),
        sa.CheckConstraint(
            "num_nonnulls(rule_id, agent_id, alert_id) = 1",
            name=op.f("ck_alert_mutes_about_one_thing"),
        ),
        _reference("alert_mutes", "rule_id", "alert_rules"),
        _reference("alert_mutes", "agent_id", "agents"),
        _reference("alert_mutes", "alert_id", "alerts"),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="pk_alert_mutes"),
    )
    op.create_index("ix_alert_mutes_tenant_id_ends_at", "alert_mutes", ["tenant_id", "ends_at"])
    op.create_table(
        "maintenance_windows",
        *_tenant("maintenance_windows"),
        _id("id"),
        _id("agent_id", nullable=True),
        _text("tag", 200, nullable=True),
        _instant("starts_at"),
        _instant("ends_at"),
        _text("reason", 500),
        sa.Column("sla_maintenance_ids", postgresql.ARRAY(sa.Text()), nullable=False),
        _text("created_by", 254),
        _instant("created_at"),
        sa.CheckConstraint(
            "ends_at > starts_at", name=op.f("ck_maintenance_windows_ends_after_start")
        ),
        sa.CheckConstraint(
            "num_nonnulls(agent_id, tag) <= 1", name=op.f("ck_maintenance_windows_about_one_thing")
        ),
        _reference("maintenance_windows", "agent_id", "agents"),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="pk_maintenance_windows"),
    )
    op.create_index(
        "ix_maintenance_windows_tenant_id_ends_at", "maintenance_windows", ["tenant_id", "ends_at"]
    )
    op.create_index(
        "ix_maintenance_windows_newest_first",
        "maintenance_windows",
        ["tenant_id", sa.text("starts_at DESC"), sa.text("id DESC")],
    )


def _webhooks() -> None:
    op.create_table(
        "webhooks",
        *_tenant("webhooks"),
        _id("id"),
        _text("name", 100),
        sa.Column("url_sealed", sa.LargeBinary(), nullable=False),
        _text("shown_url", 300),
        sa.Column("secret_sealed", sa.LargeBinary(), nullable=False),
        sa.Column("former_secret_sealed", sa.LargeBinary(), nullable=True),
        _instant("former_secret_until", nullable=True),
        sa.Column("events", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("min_severity", WORD, nullable=False),
        sa.Column("min_severity_rank", sa.Integer(), nullable=False),
        sa.Column("is_enabled", sa.Boolean(), nullable=False),
        _text("disabled_reason", 64),
        _instant("failing_since", nullable=True),
        _instant("last_success_at", nullable=True),
        _text("created_by", 254),
        _instant("created_at"),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="pk_webhooks"),
    )
    op.create_index("uq_webhooks_tenant_id_name", "webhooks", ["tenant_id", "name"], unique=True)
    op.create_table(
        "webhook_deliveries",
        *_tenant("webhook_deliveries"),
        _id("id"),
        _id("webhook_id"),
        sa.Column("sequence", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("event", WORD, nullable=False),
        _id("subject_id"),
        sa.Column("subject", postgresql.JSONB(), nullable=False),
        sa.Column("state", WORD, nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        _instant("next_attempt_at"),
        sa.Column("last_status", sa.Integer(), nullable=True),
        _text("last_error", 64),
        _instant("created_at"),
        _instant("last_attempt_at", nullable=True),
        _instant("finished_at", nullable=True),
        _reference("webhook_deliveries", "webhook_id", "webhooks"),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="pk_webhook_deliveries"),
    )
    op.create_index(
        "ix_webhook_deliveries_webhook",
        "webhook_deliveries",
        ["tenant_id", "webhook_id", sa.text("sequence DESC")],
    )
    op.create_index(
        "ix_webhook_deliveries_due",
        "webhook_deliveries",
        ["next_attempt_at"],
        postgresql_where=sa.text("state IN ('pending', 'sending')"),
    )
    op.create_index(
        "ix_webhook_deliveries_subject",
        "webhook_deliveries",
        ["tenant_id", "subject_id", "webhook_id", "sequence"],
    )


MUTED = """
CREATE FUNCTION monsys_is_muted(tenant uuid, alert uuid, rule uuid, agent uuid) RETURNS boolean
LANGUAGE sql STABLE AS $$
    SELECT EXISTS (
        SELECT FROM alert_mutes m
        WHERE m.tenant_id = tenant AND (m.ends_at IS NULL OR m.ends_at > now())
            AND (m.alert_id = alert OR m.rule_id = rule OR m.agent_id = agent)
    )
$$
"""
ALERT_SUBJECT = """
CREATE FUNCTION monsys_alert_subject(alert alerts) RETURNS jsonb
LANGUAGE sql STABLE AS $$
    SELECT jsonb_build_object(
        'id', alert.id, 'title', alert.title, 'description', alert.description,
        'severity', alert.severity, 'category', alert.category, 'source', alert.source,
        'state', alert.state, 'opened_at', alert.opened_at, 'resolved_at', alert.resolved_at,
        'rule_id', alert.rule_id,
        'agent', (
            SELECT jsonb_build_object('id', a.id, 'name', a.name) FROM agents a
            WHERE a.tenant_id = alert.tenant_id AND a.id = alert.agent_id
        )
    )
$$
"""
TELL_OF_ALERTS = """
CREATE FUNCTION monsys_tell_of_alert(alert alerts, webhook uuid, event text, is_muted boolean)
RETURNS void LANGUAGE sql AS $$
    INSERT INTO webhook_deliveries (
        tenant_id, id, webhook_id, event, subject_id, subject,
        state, attempts, next_attempt_at, last_error, created_at
    ) VALUES (
        alert.tenant_id, gen_random_uuid(), webhook, event, alert.id, monsys_alert_subject(alert),
        CASE WHEN is_muted THEN 'muted' ELSE 'pending' END, 0, now(), '', now()
    )
$$
"""
OPENED = """
CREATE FUNCTION monsys_alert_opened() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM monsys_tell_of_alert(
        NEW, w.id, 'alert_opened',
        monsys_is_muted(NEW.tenant_id, NEW.id, NEW.rule_id, NEW.agent_id)
    )
    FROM webhooks w
    WHERE w.tenant_id = NEW.tenant_id AND w.is_enabled
        AND 'alert_opened' = ANY (w.events) AND NEW.severity_rank >= w.min_severity_rank;
    RETURN NULL;
END $$
"""
WORSENED = """
CREATE FUNCTION monsys_alert_worsened() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    -- It concerns webhooks now that it did not concern before.
    PERFORM monsys_tell_of_alert(
        NEW, w.id, 'alert_opened',
        monsys_is_muted(NEW.tenant_id, NEW.id, NEW.rule_id, NEW.agent_id)
    )
    FROM webhooks w
    WHERE w.tenant_id = NEW.tenant_id AND w.is_enabled
        AND 'alert_opened' = ANY (w.events) AND NEW.severity_rank >= w.min_severity_rank
        AND OLD.severity_rank < w.min_severity_rank AND NOT EXISTS (
            SELECT FROM webhook_deliveries d
            WHERE d.tenant_id = NEW.tenant_id AND d.subject_id = NEW.id
                AND d.webhook_id = w.id AND d.event = 'alert_opened'
        );
    RETURN NULL;
END $$
"""
RESOLVED = """
CREATE FUNCTION monsys_alert_resolved() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM monsys_tell_of_alert(NEW, w.id, 'alert_resolved', false)
    FROM webhooks w
    WHERE w.tenant_id = NEW.tenant_id AND w.is_enabled
        AND 'alert_resolved' = ANY (w.events) AND (
            EXISTS (
                SELECT FROM webhook_deliveries d
                WHERE d.tenant_id = NEW.tenant_id AND d.subject_id = NEW.id
                    AND d.webhook_id = w.id AND d.event = 'alert_opened'
                    AND d.state NOT IN ('muted', 'cancelled')
            )
            OR 'alert_opened' <> ALL (w.events) AND NEW.severity_rank >= w.min_severity_rank
                AND NOT monsys_is_muted(NEW.tenant_id, NEW.id, NEW.rule_id, NEW.agent_id)
        );
    -- What began and ended under a mute is never told.
    UPDATE webhook_deliveries d SET state = 'cancelled', finished_at = now()
    WHERE d.tenant_id = NEW.tenant_id AND d.subject_id = NEW.id AND d.state = 'muted';
    UPDATE alert_mutes m SET ends_at = greatest(now(), m.created_at)
    WHERE m.tenant_id = NEW.tenant_id AND m.ends_at IS NULL
        AND (m.alert_id = NEW.id OR m.rule_id = NEW.rule_id OR m.agent_id = NEW.agent_id)
        AND NOT EXISTS (
            SELECT FROM alerts a
            WHERE a.tenant_id = m.tenant_id AND a.state = 'open'
                AND (a.id = m.alert_id OR a.rule_id = m.rule_id OR a.agent_id = m.agent_id)
        );
    RETURN NULL;
END $$
"""
DETECTIONS = """
CREATE FUNCTION monsys_detection_changed() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    what text := CASE WHEN TG_OP = 'INSERT' THEN 'detection_opened'
        ELSE 'detection_' || NEW.state END;
BEGIN
    INSERT INTO webhook_deliveries (
        tenant_id, id, webhook_id, event, subject_id, subject,
        state, attempts, next_attempt_at, last_error, created_at
    )
    SELECT NEW.tenant_id, gen_random_uuid(), w.id, what, NEW.id,
    jsonb_build_object(
        'id', NEW.id, 'number', NEW.number, 'rule_kind', NEW.rule_kind,
        'title', NEW.title, 'severity', NEW.severity, 'technique', NEW.technique,
        'state', NEW.state, 'source_address', NEW.source_address,
        'target_user', NEW.target_user, 'event_count', NEW.event_count,
        'first_seen_at', NEW.first_seen_at, 'last_seen_at', NEW.last_seen_at,
        'acknowledged_by', NEW.acknowledged_by,
        'agent', (
            SELECT jsonb_build_object('id', a.id, 'name', a.name) FROM agents a
            WHERE a.tenant_id = NEW.tenant_id AND a.id = NEW.agent_id
        )
    ), 'pending', 0, now(), '', now()
    FROM webhooks w
    WHERE w.tenant_id = NEW.tenant_id AND w.is_enabled
        AND what = ANY (w.events) AND NEW.severity_rank >= w.min_severity_rank;
    RETURN NULL;
END $$
"""
FUNCTIONS = (MUTED, ALERT_SUBJECT, TELL_OF_ALERTS, OPENED, WORSENED, RESOLVED, DETECTIONS)
# Of each row, and only where something happened: nothing is joined, so nothing grows with the
# square of what changed at once, whatever plan the first of them was made with.
_ENDS = "OLD.state = 'open' AND NEW.state = 'resolved'"
_WORSENS = "OLD.state = 'open' AND NEW.state = 'open' AND NEW.severity_rank > OLD.severity_rank"
TRIGGERS = (
    ("alerts_tell_opened", "INSERT", "alerts", "NEW.state = 'open'", "monsys_alert_opened"),
    ("alerts_tell_worsened", "UPDATE", "alerts", _WORSENS, "monsys_alert_worsened"),
    ("alerts_tell_resolved", "UPDATE", "alerts", _ENDS, "monsys_alert_resolved"),
    (
        "detections_tell_opened",
        "INSERT",
        "detections",
        "NEW.state = 'open'",
        "monsys_detection_changed",
    ),
    (
        "detections_tell_changed",
        "UPDATE",
        "detections",
        "OLD.state <> NEW.state",
        "monsys_detection_changed",
    ),
)


def downgrade() -> None:
    for name, _event, table, _condition, _function in TRIGGERS:
        op.execute(f"DROP TRIGGER {name} ON {table}")
    for function in sorted({trigger[-1] for trigger in TRIGGERS}):
        op.execute(f"DROP FUNCTION {function}()")
    op.execute("DROP FUNCTION monsys_tell_of_alert(alerts, uuid, text, boolean)")
    op.execute("DROP FUNCTION monsys_alert_subject(alerts)")
    op.execute("DROP FUNCTION monsys_is_muted(uuid, uuid, uuid, uuid)")
    for table in (
        *("webhook_deliveries", "webhooks", "maintenance_windows", "alert_mutes"),
        *("alert_watches", "alert_rule_states", "alert_rules"),
    ):
        op.drop_table(table)
    op.drop_column("alerts", "rule_id")
