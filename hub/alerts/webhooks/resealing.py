"""What webhooks keep sealed, for when the hub's key is rotated."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from hub.alerts.webhooks.endpoints import SECRET_PURPOSE, URL_PURPOSE
from hub.alerts.webhooks.models import Webhook

_PURPOSES: dict[str, str] = {
    "url_sealed": URL_PURPOSE,
    "secret_sealed": SECRET_PURPOSE,
    "former_secret_sealed": SECRET_PURPOSE,
}


@dataclass(frozen=True, slots=True)
class SealedValue:
    """One sealed value, and where it stands."""

    webhook_id: UUID
    column: str
    purpose: str
    sealed: bytes


async def sealed_of_webhooks(session: AsyncSession) -> list[SealedValue]:
    """Return every sealed value of the tenant's webhooks."""
    webhooks = (await session.scalars(select(Webhook))).all()
    return [
        SealedValue(webhook.id, column, purpose, getattr(webhook, column))
        for webhook in webhooks
        for column, purpose in _PURPOSES.items()
        if getattr(webhook, column)
    ]


async def store_of_webhook(session: AsyncSession, value: SealedValue, sealed: bytes) -> None:
    """Store a value sealed anew, unless it has changed meanwhile."""
    column: Any = getattr(Webhook, value.column)
    await session.execute(
        update(Webhook)
        .where(col(Webhook.id) == value.webhook_id, column == value.sealed)
        .values({value.column: sealed}),
        execution_options={"synchronize_session": False},
    )
