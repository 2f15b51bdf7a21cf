"""What a tenant's audit trail holds."""

from sqlalchemy import select
from sqlmodel import col

from hub.audit.models import AuditRow
from hub.database import Database
from hub.tenancy.models import Tenant


async def events_of(database: Database, tenant: Tenant) -> list[tuple[str, str]]:
    """Return type and outcome of each event, oldest first."""
    async with database.transaction(tenant_id=tenant.id) as session:
        rows = await session.execute(
            select(col(AuditRow.event_type), col(AuditRow.outcome)).order_by(col(AuditRow.seq))
        )
        return [(row.event_type, row.outcome) for row in rows]
