"""Writes of webhooks: made, changed, given a new secret, deleted. Each is audited."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID, uuid4

from sqlalchemy import delete, func, select, update
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from hub.alerts.webhooks.destination import Destination
from hub.alerts.webhooks.models import DeliveryState, Webhook, WebhookDelivery, WebhookEvent
from hub.alerts.webhooks.signing import new_secret
from hub.audit.commands import append_events
from hub.audit.events import AuditEvent, EventType
from hub.constraints import unless_taken
from hub.errors import Conflict, InvalidInput, NotFound
from hub.principal import Principal
from hub.secret_box import SecretBox
from hub.severity import Severity
from hub.sla.models import SlaSettings
from hub.text import check_text

SECRET_PURPOSE = "webhook-secret"  # noqa: S105 - what the sealing key is derived for
URL_PURPOSE = "webhook-url"
OVERLAP = timedelta(hours=24)
MAX_WEBHOOKS = 20
MAX_NAME_CHARACTERS = 100
WAITING = (DeliveryState.PENDING, DeliveryState.SENDING, DeliveryState.MUTED)
_UNIQUE_NAME = "uq_webhooks_tenant_id_name"
_EVENTS = [event for event in WebhookEvent if event is not WebhookEvent.TEST]


@dataclass(frozen=True, slots=True)
class WebhookSpec:
    """Where notifications are to go, and which."""

    name: str
    url: str
    events: Sequence[WebhookEvent]
    min_severity: Severity = Severity.LOW


@dataclass(frozen=True, slots=True)
class Secret:
    """A webhook with its secret, which is shown this once."""

    webhook_id: UUID
    secret: str


async def may_call_private(session: AsyncSession) -> bool:
    """Tell whether the tenant lets the hub call private addresses."""
    allowed = await session.scalar(
        select(func.bool_or(col(SlaSettings.may_probe_private_addresses)))
    )
    return bool(allowed)


async def create_webhook(
    session: AsyncSession,
    *,
    principal: Principal,
    box: SecretBox,
    spec: WebhookSpec,
    destination: Destination,
    now: datetime,
    request_id: str | None = None,
) -> Secret:
    """Make a webhook; from now on it is told of what happens.

    `destination` is what `look_up` said of its address, before the transaction.
    """
    await _check_destination(session, spec.url, destination)
    if (await session.scalar(select(func.count(col(Webhook.id)))) or 0) >= MAX_WEBHOOKS:
        raise Conflict(f"A tenant has at most {MAX_WEBHOOKS} webhooks; delete one first.")
    secret, identity = new_secret(), uuid4()
    columns = _url(box, spec.url) | _wanted(spec.events, spec.min_severity)
    made = await session.scalar(
        postgresql.insert(Webhook)
        .values(
            tenant_id=principal.tenant_id,
            id=identity,
            name=_name(spec.name),
            secret_sealed=box.seal(secret.encode(), purpose=SECRET_PURPOSE),
            is_enabled=True,
            disabled_reason="",
            created_by=principal.label,
            created_at=now,
            **columns,
        )
        .on_conflict_do_nothing(index_elements=["tenant_id", "name"])
        .returning(col(Webhook.id))
    )
    if made is None:
        raise _name_is_taken()
    await write_down(
        session,
        EventType.WEBHOOK_CREATED,
        principal=principal,
        webhook_id=identity,
        now=now,
        request_id=request_id,
    )
    return Secret(identity, secret)


async def update_webhook(
    session: AsyncSession,
    *,
    principal: Principal,
    box: SecretBox,
    webhook_id: UUID,
    changes: dict[str, Any],
    now: datetime,
    destination: Destination | None = None,
    request_id: str | None = None,
) -> None:
    """Change a webhook. Switched off, what waits is cancelled; switched on, it begins afresh.

    With a new `url` goes its `destination`, as in `create_webhook`.
    """
    webhook = await _locked(session, webhook_id)
    values: dict[str, Any] = {}
    if "url" in changes:
        await _check_destination(session, changes["url"], destination)
        values |= _url(box, changes["url"])
    if "name" in changes:
        values["name"] = _name(changes["name"])
    if changes.keys() & {"events", "min_severity"}:
        events = changes.get("events", [WebhookEvent(one) for one in webhook.events])
        values |= _wanted(events, changes.get("min_severity", webhook.min_severity))
    if "is_enabled" in changes:
        values |= {
            "is_enabled": changes["is_enabled"],
            "disabled_reason": "" if changes["is_enabled"] else "person",
            "failing_since": None,
        }
    if not values:
        return
    await _store(session, webhook_id, values)
    if changes.get("is_enabled") is False:
        await cancel_waiting(session, webhook_id=webhook_id, now=now)
    details = {"changed": sorted(changes)}
    await write_down(
        session,
        EventType.WEBHOOK_UPDATED,
        principal=principal,
        webhook_id=webhook_id,
        now=now,
        request_id=request_id,
        details=details,
    )


async def rotate_secret(
    session: AsyncSession,
    *,
    principal: Principal,
    box: SecretBox,
    webhook_id: UUID,
    now: datetime,
    request_id: str | None = None,
) -> Secret:
    """Give a webhook a new secret; for a day, the former one signs as well."""
    secret = new_secret()
    rotated = await session.scalar(
        update(Webhook)
        .where(col(Webhook.id) == webhook_id)
        .values(
            former_secret_sealed=col(Webhook.secret_sealed),
            former_secret_until=now + OVERLAP,
            secret_sealed=box.seal(secret.encode(), purpose=SECRET_PURPOSE),
        )
        .returning(col(Webhook.id)),
        execution_options={"synchronize_session": False},
    )
    if rotated is None:
        raise no_such_webhook()
    await write_down(
        session,
        EventType.WEBHOOK_SECRET_ROTATED,
        principal=principal,
        webhook_id=webhook_id,
        now=now,
        request_id=request_id,
    )
    return Secret(webhook_id, secret)


async def delete_webhook(
    session: AsyncSession,
    *,
    principal: Principal,
    webhook_id: UUID,
    now: datetime,
    request_id: str | None = None,
) -> None:
    """Delete a webhook and its deliveries; what waits goes nowhere."""
    deleted = await session.scalar(
        delete(Webhook).where(col(Webhook.id) == webhook_id).returning(col(Webhook.id))
    )
    if deleted is None:
        raise no_such_webhook()
    await write_down(
        session,
        EventType.WEBHOOK_DELETED,
        principal=principal,
        webhook_id=webhook_id,
        now=now,
        request_id=request_id,
    )


async def webhook_of(session: AsyncSession, webhook_id: UUID) -> Webhook:
    """Return the webhook; raise NotFound when there is none."""
    webhook = await session.scalar(select(Webhook).where(col(Webhook.id) == webhook_id))
    if webhook is None:
        raise no_such_webhook()
    return webhook


async def cancel_waiting(session: AsyncSession, *, webhook_id: UUID, now: datetime) -> None:
    """Let what waits for a webhook go nowhere."""
    await session.execute(
        update(WebhookDelivery)
        .where(
            col(WebhookDelivery.webhook_id) == webhook_id, col(WebhookDelivery.state).in_(WAITING)
        )
        .values(state=DeliveryState.CANCELLED, finished_at=now),
        execution_options={"synchronize_session": False},
    )


def no_such_webhook() -> NotFound:
    """Return the refusal of an id that no webhook has."""
    return NotFound("No webhook has this id.", field="id")


def _name_is_taken() -> Conflict:
    return Conflict("`name` is that of another webhook; choose another.", field="name")


async def _locked(session: AsyncSession, webhook_id: UUID) -> Webhook:
    """Return the webhook as nobody else changes it until the transaction ends."""
    webhook = await session.scalar(
        select(Webhook).where(col(Webhook.id) == webhook_id).with_for_update()
    )
    if webhook is None:
        raise no_such_webhook()
    return webhook


async def _store(session: AsyncSession, webhook_id: UUID, values: dict[str, Any]) -> None:
    statement = update(Webhook).where(col(Webhook.id) == webhook_id).values(**values)
    async with unless_taken(session, _UNIQUE_NAME, _name_is_taken):
        await session.execute(statement, execution_options={"synchronize_session": False})


async def _check_destination(
    session: AsyncSession, url: str, destination: Destination | None
) -> None:
    if destination is None or destination.url != url:
        raise ValueError("look up this very address first")
    destination.check(allow_private=await may_call_private(session))


def _name(name: str) -> str:
    cleaned = check_text(name, field="name", max_characters=MAX_NAME_CHARACTERS)
    if not cleaned or not cleaned.isprintable():
        raise InvalidInput(
            f"`name` must be 1 to {MAX_NAME_CHARACTERS} printable characters.", field="name"
        )
    return cleaned


def _url(box: SecretBox, url: str) -> dict[str, Any]:
    parts = urlsplit(url)
    return {
        "url_sealed": box.seal(url.encode(), purpose=URL_PURPOSE),
        "shown_url": f"{parts.scheme}://{parts.netloc}"[:300],
    }


def _wanted(events: Sequence[WebhookEvent], min_severity: Severity) -> dict[str, Any]:
    wanted = sorted(set(events))
    if not wanted or WebhookEvent.TEST in wanted:
        names = ", ".join(one.value for one in _EVENTS)
        raise InvalidInput(f"`events` must name one or more of {names}.", field="events")
    return {
        "events": [one.value for one in wanted],
        "min_severity": min_severity,
        "min_severity_rank": min_severity.rank,
    }


async def write_down(
    session: AsyncSession,
    event_type: EventType,
    *,
    principal: Principal,
    webhook_id: UUID,
    now: datetime,
    request_id: str | None,
    details: dict[str, Any] | None = None,
) -> None:
    """Append what was done to a webhook to the audit trail."""
    event = AuditEvent.by(
        principal,
        event_type,
        details={"webhook": str(webhook_id)} | (details or {}),
        request_id=request_id,
    )
    await append_events(session, tenant_id=principal.tenant_id, events=[event], at=now)
