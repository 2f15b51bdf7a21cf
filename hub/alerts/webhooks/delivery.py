"""Deliveries: claimed by one process each, tried again with growing pauses, given up after a day.

A claim is a lease: when its process dies, another one takes the delivery once the lease is over.
The result is stored only by whoever holds the lease, so an attempt is counted once. Of one alert
or detection, what happened first goes first: the next waits until the one before it is finished.
"""

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import Select, case, exists, func, select, true, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased
from sqlmodel import col

from hub.alerts.webhooks.endpoints import (
    SECRET_PURPOSE,
    URL_PURPOSE,
    cancel_waiting,
    may_call_private,
)
from hub.alerts.webhooks.models import DeliveryState, Webhook, WebhookDelivery, WebhookEvent
from hub.alerts.webhooks.payload import body_of
from hub.alerts.webhooks.sending import Answer, send
from hub.alerts.webhooks.signing import signed_headers
from hub.audit.commands import append_events
from hub.audit.events import AuditEvent, EventType
from hub.clock import utc_now
from hub.database import Database
from hub.errors import InvalidInput
from hub.principal import PrincipalKind
from hub.secret_box import SecretBox

_log = structlog.get_logger(__name__)
# After the first attempt, the second, …: eight attempts within a day.
PAUSES = tuple(
    map(timedelta, (0,) * 7, (30, 120, 600, 1800, 7200, 21_600, 54_000))
)  # days, seconds
MAX_ATTEMPTS = len(PAUSES) + 1
DISABLE_AFTER = timedelta(days=5)
LEASE = timedelta(seconds=90)
_JITTER = 0.2
_LONGEST_RETRY_AFTER = 3600
_GONE = 410
OF_ONE_WEBHOOK = 10
AT_ONCE = 40  # all that a tenant's webhooks can claim has its turn before the lease is over
_MAX_TURNS = 20
_UNFINISHED = (DeliveryState.PENDING, DeliveryState.SENDING)


@dataclass(frozen=True, slots=True)
class Claim:
    """A delivery that is ours for the length of a lease."""

    id: UUID
    webhook_id: UUID
    event: WebhookEvent
    subject: dict[str, Any]
    created_at: datetime
    attempt: int
    url_sealed: bytes
    secrets_sealed: tuple[bytes, ...]
    allow_private: bool


async def tenants_with_due(session: AsyncSession, *, now: datetime) -> list[UUID]:
    """Return the tenants for which something is due. Needs a transaction that sees all tenants."""
    return list(
        await session.scalars(
            select(col(WebhookDelivery.tenant_id))
            .where(
                col(WebhookDelivery.state).in_(_UNFINISHED),
                col(WebhookDelivery.next_attempt_at) <= now,
            )
            .distinct()
        )
    )


async def deliver_due(database: Database, box: SecretBox, tenant_id: UUID) -> int:
    """Send what is due for a tenant; return how many attempts that took."""
    attempts, turns = 0, asyncio.Semaphore(AT_ONCE)

    async def one(claim: Claim) -> None:
        async with turns:
            answer = await _attempt_or_fault(box, claim)
        async with database.transaction(tenant_id=tenant_id) as session:
            await record(session, tenant_id=tenant_id, claim=claim, answer=answer, now=utc_now())

    for _ in range(_MAX_TURNS):
        async with database.transaction(tenant_id=tenant_id) as session:
            claims = await claim_due(session, now=utc_now())
        if not claims:
            break
        await asyncio.gather(*map(one, claims))
        attempts += len(claims)
    return attempts


async def _attempt_or_fault(box: SecretBox, claim: Claim) -> Answer:
    """Return the answer; a fault of the hub's own is one too, so that no delivery blocks others.

    Only its kind is logged: its message may hold the address, which may be a credential.
    """
    try:
        return await attempt(box, claim, at=utc_now())
    except Exception as error:  # noqa: BLE001 - the outermost edge of one delivery
        _log.error("webhook_attempt_broke", delivery=str(claim.id), error=type(error).__name__)
        return Answer(error="internal")


async def claim_due(session: AsyncSession, *, now: datetime) -> list[Claim]:
    """Take what is due, some of each webhook, and none that another process has."""
    due = _due(now).lateral("due")
    claimed = (
        await session.execute(
            update(WebhookDelivery)
            .where(
                col(WebhookDelivery.id).in_(
                    select(due.c.id)
                    .select_from(Webhook)
                    .join(due, true())
                    .where(col(Webhook.is_enabled))
                )
            )
            .values(
                state=DeliveryState.SENDING,
                attempts=col(WebhookDelivery.attempts) + 1,
                next_attempt_at=now + LEASE,
                last_attempt_at=now,
            )
            .returning(WebhookDelivery),
            execution_options={"synchronize_session": False},
        )
    ).scalars()
    deliveries = sorted(claimed, key=lambda one: one.sequence)
    if not deliveries:
        return []
    wanted = {one.webhook_id for one in deliveries}
    webhooks = await session.scalars(select(Webhook).where(col(Webhook.id).in_(wanted)))
    return _claims(
        deliveries,
        {webhook.id: webhook for webhook in webhooks},
        allow_private=await may_call_private(session),
        now=now,
    )


def _due(now: datetime) -> Select[tuple[UUID]]:
    earlier = aliased(WebhookDelivery)
    return (
        select(col(WebhookDelivery.id).label("id"))
        .where(
            col(WebhookDelivery.webhook_id) == col(Webhook.id),
            col(WebhookDelivery.state).in_(_UNFINISHED),
            col(WebhookDelivery.next_attempt_at) <= now,
            ~exists().where(
                col(earlier.webhook_id) == col(WebhookDelivery.webhook_id),
                col(earlier.subject_id) == col(WebhookDelivery.subject_id),
                col(earlier.sequence) < col(WebhookDelivery.sequence),
                col(earlier.state).in_(_UNFINISHED),
            ),
        )
        .correlate(Webhook)
        .order_by(col(WebhookDelivery.sequence))
        .limit(OF_ONE_WEBHOOK)
        .with_for_update(skip_locked=True, of=WebhookDelivery)
    )


def _claims(
    deliveries: Sequence[WebhookDelivery],
    webhooks: dict[UUID, Webhook],
    *,
    allow_private: bool,
    now: datetime,
) -> list[Claim]:
    claims = []
    for delivery in deliveries:
        webhook = webhooks[delivery.webhook_id]
        secrets = [webhook.secret_sealed]
        if webhook.former_secret_sealed and (webhook.former_secret_until or now) > now:
            secrets.append(webhook.former_secret_sealed)
        claims.append(
            Claim(
                id=delivery.id,
                webhook_id=delivery.webhook_id,
                event=WebhookEvent(delivery.event),
                subject=delivery.subject,
                created_at=delivery.created_at,
                attempt=delivery.attempts,
                url_sealed=webhook.url_sealed,
                secrets_sealed=tuple(secrets),
                allow_private=allow_private,
            )
        )
    return claims


async def attempt(box: SecretBox, claim: Claim, *, at: datetime) -> Answer:
    """Send one delivery once. No transaction is open meanwhile."""
    try:
        url = box.open(claim.url_sealed, purpose=URL_PURPOSE).decode()
        secrets = [box.open(one, purpose=SECRET_PURPOSE).decode() for one in claim.secrets_sealed]
    except InvalidInput:
        return Answer(error="unsealable")  # the hub's key was lost; the webhook is made anew
    body = body_of(
        delivery_id=claim.id,
        event=claim.event,
        created_at=claim.created_at,
        subject=claim.subject,
    )
    headers = signed_headers(
        secrets, delivery=str(claim.id), event=claim.event.wire_name, body=body, at=at
    )
    return await send(url, body, headers, allow_private=claim.allow_private)


async def record(
    session: AsyncSession, *, tenant_id: UUID, claim: Claim, answer: Answer, now: datetime
) -> bool:
    """Store what became of an attempt; False when the lease was over and somebody else has it."""
    # The webhook before its deliveries, as everywhere: one that is switched off cancels them.
    await session.execute(
        select(col(Webhook.id))
        .where(col(Webhook.id) == claim.webhook_id)
        .with_for_update(key_share=True)
    )
    is_last = claim.attempt >= MAX_ATTEMPTS or claim.event is WebhookEvent.TEST
    state = DeliveryState.PENDING
    if answer.is_taken:
        state = DeliveryState.DELIVERED
    elif is_last or answer.status == _GONE:
        state = DeliveryState.FAILED
    stored = await session.scalar(
        update(WebhookDelivery)
        .where(
            col(WebhookDelivery.id) == claim.id,
            col(WebhookDelivery.state) == DeliveryState.SENDING,
            col(WebhookDelivery.attempts) == claim.attempt,
        )
        .values(
            state=state,
            last_status=answer.status,
            last_error=answer.error,
            next_attempt_at=now + pause_after(claim.attempt, answer),
            finished_at=None if state is DeliveryState.PENDING else now,
        )
        .returning(col(WebhookDelivery.id)),
        execution_options={"synchronize_session": False},
    )
    if stored is None:
        return False
    if claim.event is not WebhookEvent.TEST or answer.is_taken:
        await _judge(session, tenant_id=tenant_id, claim=claim, answer=answer, now=now)
    return True


def pause_after(attempts: int, answer: Answer) -> timedelta:
    """Return how long to wait; not all at the same moment, and as long as the receiver asks."""
    pause = PAUSES[min(attempts, len(PAUSES)) - 1]
    pause *= random.uniform(1 - _JITTER, 1 + _JITTER)  # noqa: S311 - spreads load, hides nothing
    asked = min(answer.retry_after_seconds or 0, _LONGEST_RETRY_AFTER)
    return max(pause, timedelta(seconds=asked))


async def _judge(
    session: AsyncSession, *, tenant_id: UUID, claim: Claim, answer: Answer, now: datetime
) -> None:
    """Note whether the webhook works; switch off one that has not for days."""
    since = col(Webhook.failing_since)
    values: dict[str, Any] = {"failing_since": None, "last_success_at": now}
    if not answer.is_taken:
        has_failed_long = func.coalesce(since, now) <= now - DISABLE_AFTER
        values = {
            "failing_since": func.coalesce(since, now),
            "is_enabled": case((has_failed_long, False), else_=col(Webhook.is_enabled)),
            "disabled_reason": case(
                (has_failed_long, "failing"), else_=col(Webhook.disabled_reason)
            ),
        }
    is_enabled = await session.scalar(
        update(Webhook)
        .where(col(Webhook.id) == claim.webhook_id, col(Webhook.is_enabled))
        .values(**values)
        .returning(col(Webhook.is_enabled)),
        execution_options={"synchronize_session": False},
    )
    if is_enabled is not False:
        return
    await cancel_waiting(session, webhook_id=claim.webhook_id, now=now)
    event = AuditEvent(
        event_type=EventType.WEBHOOK_DISABLED,
        actor="monsys",
        actor_kind=PrincipalKind.SYSTEM.value,
        details={"webhook": str(claim.webhook_id), "last_error": answer.error},
    )
    await append_events(session, tenant_id=tenant_id, events=[event], at=now)
