"""Tables of webhooks: where notifications go, and each one that went or waits.

Deliveries are written by triggers, in the transaction that changed the alert or detection: what
was committed is told, and nothing else, whoever wrote it.
"""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import BigInteger, Boolean, Identity, Index, LargeBinary, text
from sqlmodel import Field, SQLModel

from hub.clock import utc_now
from hub.columns import (
    enum_by_value,
    instant,
    json_object,
    tenant_key,
    tenant_reference,
    text_list,
    uuid_key,
)
from hub.severity import Severity


class WebhookEvent(StrEnum):
    """What a webhook can be told of."""

    ALERT_OPENED = "alert_opened"
    ALERT_RESOLVED = "alert_resolved"
    DETECTION_OPENED = "detection_opened"
    DETECTION_ACKNOWLEDGED = "detection_acknowledged"
    DETECTION_RESOLVED = "detection_resolved"
    TEST = "test"

    @property
    def wire_name(self) -> str:
        """As receivers read it: `alert.opened`."""
        return self.value.replace("_", ".")


class DeliveryState(StrEnum):
    """Where a delivery stands."""

    MUTED = "muted"  # goes out if the alert is still open when the mute ends
    PENDING = "pending"
    SENDING = "sending"
    DELIVERED = "delivered"
    FAILED = "failed"
    CANCELLED = "cancelled"


class Webhook(SQLModel, table=True):
    """Where notifications go. The address is sealed: with Slack, it is a credential."""

    __tablename__ = "webhooks"
    __table_args__ = (Index("uq_webhooks_tenant_id_name", "tenant_id", "name", unique=True),)

    tenant_id: UUID = tenant_key()
    id: UUID = uuid_key()
    name: str = Field(max_length=100)
    url_sealed: bytes = Field(sa_type=LargeBinary)
    shown_url: str = Field(max_length=300)  # scheme and host only
    secret_sealed: bytes = Field(sa_type=LargeBinary)
    former_secret_sealed: bytes | None = Field(default=None, sa_type=LargeBinary)
    former_secret_until: datetime | None = instant(default=None)
    events: list[str] = text_list()
    min_severity: Severity = Field(default=Severity.LOW, sa_type=enum_by_value(Severity))
    min_severity_rank: int = 1  # of `min_severity`: what the triggers compare
    is_enabled: bool = Field(default=True, sa_type=Boolean)
    disabled_reason: str = Field(default="", max_length=64)  # `failing`: the hub gave up
    failing_since: datetime | None = instant(default=None)
    last_success_at: datetime | None = instant(default=None)
    created_by: str = Field(default="", max_length=254)
    created_at: datetime = instant(default_factory=utc_now)


class WebhookDelivery(SQLModel, table=True):
    """One notification to one webhook, with the fate of its last attempt."""

    __tablename__ = "webhook_deliveries"
    __table_args__ = (
        tenant_reference("webhook_id", "webhooks"),
        # Serves the list of a webhook, newest first.
        Index("ix_webhook_deliveries_webhook", "tenant_id", "webhook_id", text("sequence DESC")),
        # Serve the search for what is due, and for what of the same thing comes before it.
        Index(
            "ix_webhook_deliveries_due",
            "next_attempt_at",
            postgresql_where=text("state IN ('pending', 'sending')"),
        ),
        Index("ix_webhook_deliveries_subject", "tenant_id", "subject_id", "webhook_id", "sequence"),
    )

    tenant_id: UUID = tenant_key()
    id: UUID = uuid_key()
    webhook_id: UUID
    # The order in which things happened; the database counts.
    sequence: int = Field(
        default=None, sa_type=BigInteger, sa_column_args=(Identity(always=True),), nullable=False
    )
    event: WebhookEvent = Field(sa_type=enum_by_value(WebhookEvent))
    subject_id: UUID  # the alert or detection it is about
    subject: dict[str, object] = json_object()  # as it was when it happened
    state: DeliveryState = Field(
        default=DeliveryState.PENDING, sa_type=enum_by_value(DeliveryState)
    )
    attempts: int = 0
    # While it is being sent: when the attempt counts as lost.
    next_attempt_at: datetime = instant(default_factory=utc_now)
    last_status: int | None = None
    last_error: str = Field(default="", max_length=64)
    created_at: datetime = instant(default_factory=utc_now)
    last_attempt_at: datetime | None = instant(default=None)
    finished_at: datetime | None = instant(default=None)
