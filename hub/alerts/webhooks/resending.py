"""Deliveries that a person asks for: a test, and one that is sent again."""

from datetime import datetime
from uuid import UUID, uuid4

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from hub.alerts.webhooks.endpoints import webhook_of, write_down
from hub.alerts.webhooks.models import DeliveryState, Webhook, WebhookDelivery, WebhookEvent
from hub.audit.events import EventType
from hub.errors import Conflict, NotFound
from hub.principal import Principal

_FINISHED = (DeliveryState.DELIVERED, DeliveryState.FAILED, DeliveryState.CANCELLED)


async def send_test(
    session: AsyncSession, *, principal: Principal, webhook_id: UUID, now: datetime
) -> UUID:
    """Queue a test, which is tried once; its delivery tells how it went."""
    webhook = await webhook_of(session, webhook_id)
    if not webhook.is_enabled:
        raise _is_off()
    if await _is_being_tested(session, webhook_id):
        raise Conflict(
            "A test of this webhook is still under way; webhookDeliveries tells how it went.",
            field="id",
        )
    delivery = WebhookDelivery(
        tenant_id=principal.tenant_id,
        id=uuid4(),
        webhook_id=webhook_id,
        event=WebhookEvent.TEST,
        subject_id=uuid4(),  # nothing else is about it, so it waits for nothing
        next_attempt_at=now,
        created_at=now,
    )
    session.add(delivery)
    await session.flush()
    return delivery.id


async def send_again(
    session: AsyncSession,
    *,
    principal: Principal,
    delivery_id: UUID,
    now: datetime,
    request_id: str | None = None,
) -> None:
    """Queue a finished delivery anew, under its own id and with all of its attempts."""
    found = (
        await session.execute(
            select(col(WebhookDelivery.webhook_id), col(Webhook.is_enabled))
            .join(Webhook, col(Webhook.id) == col(WebhookDelivery.webhook_id))
            .where(col(WebhookDelivery.id) == delivery_id)
        )
    ).one_or_none()
    if found is None:
        raise NotFound("No delivery has this id.", field="id")
    if not found.is_enabled:
        raise _is_off()
    queued = await session.scalar(
        update(WebhookDelivery)
        .where(col(WebhookDelivery.id) == delivery_id, col(WebhookDelivery.state).in_(_FINISHED))
        .values(state=DeliveryState.PENDING, attempts=0, next_attempt_at=now, finished_at=None)
        .returning(col(WebhookDelivery.id)),
        execution_options={"synchronize_session": False},
    )
    if queued is None:
        raise Conflict("`id` names a delivery that is still under way; wait for it.", field="id")
    await write_down(
        session,
        EventType.WEBHOOK_RESENT,
        principal=principal,
        webhook_id=found.webhook_id,
        now=now,
        request_id=request_id,
        details={"delivery": str(delivery_id)},
    )


async def _is_being_tested(session: AsyncSession, webhook_id: UUID) -> bool:
    """Tell whether a test waits: who asks for a thousand does not want to know whether it works."""
    found = await session.scalar(
        select(col(WebhookDelivery.id))
        .where(
            col(WebhookDelivery.webhook_id) == webhook_id,
            col(WebhookDelivery.event) == WebhookEvent.TEST,
            col(WebhookDelivery.state).in_((DeliveryState.PENDING, DeliveryState.SENDING)),
        )
        .limit(1)
    )
    return found is not None


def _is_off() -> Conflict:
    return Conflict("The webhook is switched off; enable it with updateWebhook first.", field="id")
