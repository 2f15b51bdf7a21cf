"""The jobs of alerts: rules are evaluated three times a minute, and notifications go out."""

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import delete
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from hub.alerts.evaluation import evaluate_rules
from hub.alerts.mutes import release_muted
from hub.alerts.webhooks.delivery import deliver_due
from hub.database import Database
from hub.jobs.models import JobRun
from hub.secret_box import SecretBox
from hub.settings import Settings

RULES_JOB, WEBHOOKS_JOB = "alert_rules", "webhooks"
# A turn evaluates the present, whatever its slot: marks need not outlive a late second delivery.
_KEEP_MARKS = timedelta(minutes=10)


async def watch_rules(session: AsyncSession, tenant_id: UUID, now: datetime) -> None:
    """Evaluate the tenant's rules, and let go out what a mute that is over held back."""
    await evaluate_rules(session, tenant_id=tenant_id, now=now)
    await release_muted(session, now=now)
    await session.execute(
        delete(JobRun).where(col(JobRun.name) == RULES_JOB, col(JobRun.slot) < now - _KEEP_MARKS),
        execution_options={"synchronize_session": False},
    )


def deliver_webhooks(settings: Settings) -> Callable[[Database, UUID, datetime], Awaitable[bool]]:
    """Return the job that sends what is due; it needs the hub's keys, which no database holds.

    It takes no mark: each attempt is claimed on its own, and a second delivery finds nothing due.
    """
    box = SecretBox.load(settings)

    async def deliver(database: Database, tenant_id: UUID, _slot: datetime) -> bool:
        return bool(await deliver_due(database, box, tenant_id))

    return deliver
