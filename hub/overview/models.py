"""The row behind the overview: the whole tenant in a few figures."""

from datetime import datetime
from uuid import UUID

from sqlmodel import Field, SQLModel

from hub.columns import instant, json_object, tenant_key


class TenantSummary(SQLModel, table=True):
    """One row a tenant. Whoever changes what it counts marks it stale in the same transaction."""

    __tablename__ = "tenant_summaries"

    tenant_id: UUID = tenant_key()
    is_stale: bool = Field(default=True, sa_column_kwargs={"server_default": "true"})
    refreshed_at: datetime | None = instant(default=None)
    figures: dict[str, object] = json_object()
