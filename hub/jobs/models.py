"""The table of the jobs: what was finished for which tenant."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import Index
from sqlmodel import Field, SQLModel

from hub.clock import utc_now
from hub.columns import instant, tenant_key


class JobRun(SQLModel, table=True):
    """That a job was finished once for one slot of time; committed with what the job wrote."""

    __tablename__ = "job_runs"
    __table_args__ = (Index("ix_job_runs_slot", "tenant_id", "slot"),)

    tenant_id: UUID = tenant_key()
    name: str = Field(max_length=64, primary_key=True)
    slot: datetime = instant(primary_key=True)
    finished_at: datetime = instant(default_factory=utc_now)
