"""What alerts leave behind goes when nobody needs it any more."""

from datetime import datetime, timedelta

from sqlalchemy import delete, exists
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from hub.alerts.models import Alert, AlertState
from hub.alerts.rule_models import AlertMute, MaintenanceWindow
from hub.alerts.webhooks.models import WebhookDelivery

KEEP_DELIVERIES = timedelta(days=30)
KEEP_QUIET = timedelta(days=400)


async def forget_notifications(session: AsyncSession, *, now: datetime) -> None:
    """Delete old deliveries, mutes and windows.

    The deliveries of an alert that is open stay: they tell who is to hear that it is over.
    """
    is_open = exists().where(
        col(Alert.id) == col(WebhookDelivery.subject_id), col(Alert.state) == AlertState.OPEN
    )
    for statement in (
        delete(WebhookDelivery).where(
            col(WebhookDelivery.finished_at) < now - KEEP_DELIVERIES, ~is_open
        ),
        delete(AlertMute).where(col(AlertMute.ends_at) < now - KEEP_QUIET),
        delete(MaintenanceWindow).where(col(MaintenanceWindow.ends_at) < now - KEEP_QUIET),
    ):
        await session.execute(statement, execution_options={"synchronize_session": False})
