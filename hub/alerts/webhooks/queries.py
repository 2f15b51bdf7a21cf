"""Reads of webhooks and their deliveries. Each function is one SQL statement."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from hub.alerts.webhooks.models import DeliveryState, Webhook, WebhookDelivery
from hub.paging import Page, check_page_size, decode_cursor, encode_cursor


class DELIVERIES:
    """The list's order: newest first."""

    name = "webhook_deliveries"

    @classmethod
    def cursor_at(cls, sequence: int) -> str:
        """Return the cursor after this delivery."""
        return encode_cursor(cls.name, sequence)


async def webhooks(session: AsyncSession) -> Sequence[Webhook]:
    """Return every webhook of the tenant by name: there are few."""
    return (await session.scalars(select(Webhook).order_by(col(Webhook.name)))).all()


async def deliveries_page(
    session: AsyncSession,
    *,
    webhook_id: UUID | None = None,
    state: DeliveryState | None = None,
    first: int,
    after: str | None = None,
) -> Page[tuple[WebhookDelivery, str]]:
    """Return deliveries with the names of their webhooks, newest first."""
    check_page_size(first)
    filters = []
    if webhook_id is not None:
        filters.append(col(WebhookDelivery.webhook_id) == webhook_id)
    if state is not None:
        filters.append(col(WebhookDelivery.state) == state)
    total = select(func.count()).select_from(WebhookDelivery).where(*filters).scalar_subquery()
    statement = (
        select(WebhookDelivery, col(Webhook.name), total)
        .join(Webhook, col(Webhook.id) == col(WebhookDelivery.webhook_id))
        .where(*filters)
        .order_by(col(WebhookDelivery.sequence).desc())
        .limit(first + 1)
    )
    if after is not None:
        (sequence,) = decode_cursor(DELIVERIES.name, after, int)
        statement = statement.where(col(WebhookDelivery.sequence) < sequence)
    rows = (await session.execute(statement)).all()
    return Page.of([(row[0], row[1]) for row in rows], first=first, total=rows[0][2] if rows else 0)
