"""The table of what hosts are beyond their figures and packages."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import CheckConstraint
from sqlmodel import Field, SQLModel

from hub.columns import enum_by_value, instant, json_list, tenant_key, tenant_reference


class FactKind(StrEnum):
    """What a set of facts is about."""

    KERNELS = "kernels"
    ACCOUNTS = "accounts"
    SUDOERS = "sudoers"
    LISTENING = "listening"
    CERTIFICATES = "certificates"
    BACKUPS = "backups"


class HostFact(SQLModel, table=True):
    """All facts of one kind of one host, as they were told last."""

    __tablename__ = "host_facts"
    __table_args__ = (
        tenant_reference("agent_id", "agents"),
        CheckConstraint("jsonb_typeof(items) = 'array'", name="items_are_a_list"),
    )

    tenant_id: UUID = tenant_key()
    agent_id: UUID = Field(primary_key=True)
    kind: FactKind = Field(primary_key=True, sa_type=enum_by_value(FactKind))
    items: list[dict[str, object]] = json_list()
    observed_at: datetime = instant()  # when the host told it last
    changed_at: datetime = instant()  # since when it is so
