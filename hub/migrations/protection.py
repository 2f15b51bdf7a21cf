"""How a migration puts a new table behind row-level security, in the same words everywhere.

Frozen with the migrations that use it: what a migration did must never change afterwards.
"""

from alembic import op

HUB_ROLE = "monsys_hub"
# In a sub-select, so that PostgreSQL reads the setting once a query and not once a row.
TENANT = "(SELECT nullif(current_setting('monsys.tenant_id', true), '')::uuid)"
PRESENTED = "(SELECT nullif(current_setting('monsys.presented', true), ''))"
OF_TENANT = f"tenant_id = {TENANT}"
OF_TENANT_OR_PRESENTED = f"{OF_TENANT} OR digest = {PRESENTED}"


def protect(
    table: str,
    *,
    condition: str = OF_TENANT,
    rights: str = "SELECT, INSERT, UPDATE, DELETE",
) -> None:
    """Let the hub's role see the rows that meet the condition, and grant it these rights."""
    op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
    op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
    op.execute(f"CREATE POLICY {table}_visible ON {table} USING ({condition})")
    op.execute(f"GRANT {rights} ON {table} TO {HUB_ROLE}")
