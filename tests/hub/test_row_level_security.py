"""What the hub's own database role sees: one tenant's rows, or none."""

from sqlalchemy import literal, table, text
from sqlmodel import col, select

from hub.database import Database
from hub.fleet.models import Agent
from hub.migrations.tables import metadata
from hub.tenancy.models import Tenant
from tests.factories import make_agent


async def test_sees_no_row_of_any_table_without_a_tenant(
    database: Database, tenant: Tenant
) -> None:
    await make_agent(database, tenant)
    async with database.transaction() as session:
        for table in metadata.sorted_tables:
            assert (await session.execute(table.select())).all() == [], table.name


async def test_sees_only_the_rows_of_its_tenant(
    database: Database, tenant: Tenant, other_tenant: Tenant
) -> None:
    mine = await make_agent(database, tenant)
    foreign = await make_agent(database, other_tenant)
    async with database.transaction(tenant_id=tenant.id) as session:
        seen = await session.scalars(
            select(col(Agent.id)).where(col(Agent.id).in_([mine.id, foreign.id]))
        )
        assert seen.all() == [mine.id]


async def test_every_table_forces_row_level_security(database: Database) -> None:
    async with database.transaction() as session:
        rows = await session.execute(
            text(
                "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace"
                " AND relkind IN ('r', 'p') AND NOT relispartition"
                " AND NOT (relrowsecurity AND relforcerowsecurity)"
            )
        )
        # Tables without policies (alembic's, the job queue's) hold nothing of a tenant; see below.
        assert "alembic_version" in rows.scalars().all()


async def test_reads_no_row_of_any_table_at_all_without_a_tenant(database: Database) -> None:
    readable = text(
        "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace"
        " AND relkind IN ('r', 'p') AND has_table_privilege(oid, 'SELECT') ORDER BY relname"
    )
    async with database.transaction() as session:
        names = (await session.execute(readable)).scalars().all()
        assert "alembic_version" not in names
        for name in names:
            rows = await session.execute(select(literal(1)).select_from(table(name)).limit(1))
            assert rows.all() == [], name


async def test_the_role_cannot_bypass_policies_and_owns_nothing(database: Database) -> None:
    async with database.transaction() as session:
        role = await session.execute(
            text(
                "SELECT rolsuper, rolbypassrls, rolcreaterole,"
                " (SELECT count(*) FROM pg_class WHERE relowner = pg_roles.oid)"
                " FROM pg_roles WHERE rolname = current_user"
            )
        )
        assert role.one() == (False, False, False, 0)


async def test_audit_rows_can_be_added_but_not_changed(database: Database) -> None:
    async with database.transaction() as session:
        rights = await session.execute(
            text(
                "SELECT table_name, string_agg(privilege_type, ',' ORDER BY privilege_type)"
                " FROM information_schema.role_table_grants"
                " WHERE table_name IN ('audit_log', 'mcp_call_log') GROUP BY 1 ORDER BY 1"
            )
        )
        assert rights.all() == [
            ("audit_log", "INSERT,SELECT"),
            ("mcp_call_log", "INSERT,SELECT"),
        ]
