"""A tenant keeps an owner: whatever takes the last one away is refused by the database.

A command that looks first and writes then would let two owners remove each other at the same
moment. Here each removal locks the tenant's row and looks afterwards, so the second one sees what
the first one did. Deleting the whole tenant stays possible.

Revision ID: 0004
Revises: 0003
"""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """
        CREATE FUNCTION monsys_keep_an_owner() RETURNS trigger
        LANGUAGE plpgsql SECURITY INVOKER AS $$
        BEGIN
            PERFORM 1 FROM tenants WHERE id = OLD.tenant_id FOR NO KEY UPDATE;
            IF FOUND AND NOT EXISTS (
                SELECT 1 FROM memberships m JOIN users u ON u.id = m.user_id
                WHERE m.tenant_id = OLD.tenant_id AND m.role = 'owner' AND u.disabled_at IS NULL
            ) THEN
                RAISE EXCEPTION 'a tenant keeps an owner'
                    USING ERRCODE = 'check_violation', CONSTRAINT = 'memberships_keep_an_owner';
            END IF;
            RETURN NULL;
        END $$
        """
    )
    for event, condition in (
        ("DELETE", "OLD.role = 'owner'"),
        ("UPDATE", "OLD.role = 'owner' AND NEW.role <> 'owner'"),
    ):
        op.execute(
            f"CREATE TRIGGER memberships_keep_an_owner_on_{event.lower()} AFTER {event}"
            f" ON memberships FOR EACH ROW WHEN ({condition})"
            " EXECUTE FUNCTION monsys_keep_an_owner()"
        )


def downgrade() -> None:
    for event in ("delete", "update"):
        op.execute(f"DROP TRIGGER memberships_keep_an_owner_on_{event} ON memberships")
    op.execute("DROP FUNCTION monsys_keep_an_owner()")
