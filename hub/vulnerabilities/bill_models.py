"""The table of bills of materials."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import PrimaryKeyConstraint
from sqlmodel import Field, SQLModel

from hub.columns import instant, tenant_reference


class SoftwareBill(SQLModel, table=True):
    """That a bill of materials was sent for a host, and which one."""

    __tablename__ = "software_bills"
    __table_args__ = (
        PrimaryKeyConstraint("tenant_id", "agent_id", "subject"),
        tenant_reference("agent_id", "agents"),
    )

    tenant_id: UUID
    agent_id: UUID
    subject: str = Field(max_length=200)  # what it is a bill of: an image, an application
    digest: str = Field(max_length=64)
    packages: int = 0
    reported_at: datetime = instant()
