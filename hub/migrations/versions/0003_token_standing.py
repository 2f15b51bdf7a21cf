"""The bearer check in one round trip: a function that looks a token up as the hub's own role.

Every call asks, so a revoked grant, a switched-off connector or a removed member is out with the
next call, on every replica; no cache could promise that. The function runs with the caller's
rights, so row-level security decides inside it as it does outside.

Revision ID: 0003
Revises: 0002
"""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

HUB_ROLE = "monsys_hub"


def upgrade() -> None:
    op.execute(
        """
        CREATE FUNCTION monsys_token_standing(presented text)
        RETURNS TABLE (
            tenant_id uuid, grant_id uuid, user_id uuid, client_id text, kind text, scope text,
            resource text, issued_at timestamptz, expires_at timestamptz, is_revoked boolean,
            email text, role text, is_disabled boolean,
            claude_may_read boolean, claude_may_acknowledge boolean)
        LANGUAGE plpgsql SECURITY INVOKER AS $$
        #variable_conflict use_column
        DECLARE
            token oauth_tokens%ROWTYPE;
        BEGIN
            PERFORM set_config('monsys.presented', presented, true);
            SELECT * INTO token FROM oauth_tokens WHERE digest = presented;
            IF token.digest IS NULL THEN
                RETURN;
            END IF;
            PERFORM set_config('monsys.presented', '', true),
                set_config('monsys.tenant_id', token.tenant_id::text, true),
                set_config('monsys.user_id', token.user_id::text, true);
            -- So that people see when an app was last there; once a minute, never waiting for
            -- another writer, and not worth waiting for the disk.
            PERFORM 1 FROM oauth_grants
                WHERE tenant_id = token.tenant_id AND id = token.grant_id
                AND coalesce(last_used_at, '-infinity') < now() - interval '1 minute'
                AND revoked_at IS NULL AND token.expires_at > now()
                FOR NO KEY UPDATE SKIP LOCKED;
            IF FOUND THEN
                PERFORM set_config('synchronous_commit', 'off', true);
                UPDATE oauth_grants SET last_used_at = now()
                    WHERE tenant_id = token.tenant_id AND id = token.grant_id;
            END IF;
            RETURN QUERY SELECT token.tenant_id, token.grant_id, token.user_id,
                token.client_id::text, token.kind::text, token.scope::text, token.resource::text,
                token.issued_at, token.expires_at,
                token.revoked_at IS NOT NULL OR g.revoked_at IS NOT NULL,
                u.email::text, m.role::text, u.disabled_at IS NOT NULL,
                t.claude_may_read, t.claude_may_acknowledge
            FROM oauth_grants g
            JOIN tenants t ON t.id = g.tenant_id
            JOIN users u ON u.id = g.user_id
            LEFT JOIN memberships m ON m.tenant_id = g.tenant_id AND m.user_id = g.user_id
            WHERE g.tenant_id = token.tenant_id AND g.id = token.grant_id;
        END $$
        """
    )
    function = "monsys_token_standing(text)"
    op.execute(f"REVOKE ALL ON FUNCTION {function} FROM PUBLIC")
    op.execute(f"GRANT EXECUTE ON FUNCTION {function} TO {HUB_ROLE}")


def downgrade() -> None:
    op.execute("DROP FUNCTION monsys_token_standing(text)")
