"""Tables of the audit trail. The hub may add to them and read them, nothing else."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, DateTime, Index, Integer, Text, func, text
from sqlmodel import Field, SQLModel

from hub.columns import instant, json_object, tenant_key


class AuditRow(SQLModel, table=True):
    """One event. Rows of a tenant form a SHA-256 chain: each hash covers the one before it."""

    __tablename__ = "audit_log"
    __table_args__ = (
        Index("ix_audit_log_newest_first", "tenant_id", text("at DESC"), text("seq DESC")),
        Index(
            "ix_audit_log_event_type",
            "tenant_id",
            "event_type",
            text("at DESC"),
            text("seq DESC"),
        ),
        Index("ix_audit_log_actor", "tenant_id", "actor", text("at DESC"), text("seq DESC")),
    )

    tenant_id: UUID = tenant_key()
    seq: int = Field(
        primary_key=True, sa_type=BigInteger, sa_column_kwargs={"autoincrement": False}
    )
    at: datetime = instant()
    event_type: str = Field(max_length=64)
    actor: str = Field(max_length=254)  # e-mail address, agent name, or `monsys`
    actor_kind: str = Field(max_length=16)
    user_id: UUID | None = None
    outcome: str = Field(max_length=32)
    # `metadata` in the table; SQLAlchemy keeps that attribute name for itself.
    details: dict[str, object] = json_object()
    # What was said in full (a note, a reason). Never passes to Claude.
    body: str | None = Field(default=None, sa_type=Text)
    request_id: str | None = Field(default=None, max_length=64)
    previous_hash: str = Field(max_length=64)
    hash: str = Field(max_length=64)


class AuditHead(SQLModel, table=True):
    """Where a tenant's chain ends; locked while a row is appended, so the chain has no forks."""

    __tablename__ = "audit_heads"

    tenant_id: UUID = tenant_key()
    seq: int = Field(sa_type=BigInteger)
    hash: str = Field(max_length=64)


class McpCall(SQLModel, table=True):
    """One tool invocation. Columns and types are the article's; it holds no raw arguments."""

    __tablename__ = "mcp_call_log"
    __table_args__ = (
        Index("ix_mcp_call_log_tenant_id_called_at", "tenant_id", text("called_at DESC")),
    )

    id: UUID = Field(
        primary_key=True,
        default=None,
        sa_column_kwargs={"server_default": func.gen_random_uuid()},
    )
    tenant_id: UUID
    user_id: UUID
    tool_name: str = Field(sa_type=Text)
    args_hash: str = Field(sa_type=Text)
    result_status: str = Field(sa_type=Text)
    duration_ms: int = Field(sa_type=Integer)
    called_at: datetime | None = Field(
        default=None,
        sa_type=DateTime(timezone=True),
        nullable=True,
        sa_column_kwargs={"server_default": func.now()},
    )
