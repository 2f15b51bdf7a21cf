"""A tenant with a webhook, whose deliveries a test sends and looks at."""

import base64
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import select, update
from sqlmodel import col

from hub.alerts.commands import NewAlert, record_alerts, resolve_alerts
from hub.alerts.models import AlertCategory
from hub.alerts.webhooks.delivery import deliver_due
from hub.alerts.webhooks.destination import look_up
from hub.alerts.webhooks.endpoints import Secret, WebhookSpec, create_webhook
from hub.alerts.webhooks.models import Webhook, WebhookDelivery, WebhookEvent
from hub.clock import utc_now
from hub.database import Database
from hub.principal import Principal, Role
from hub.secret_box import SecretBox
from hub.severity import Severity
from hub.sla.probing import allow_private_addresses
from hub.tenancy.models import Tenant
from tests.factories import person

KEY = base64.b64encode(bytes(32)).decode()
BOX = SecretBox(bytes(32))
ALL_EVENTS = [event for event in WebhookEvent if event is not WebhookEvent.TEST]


class PostOffice:
    """One tenant that may call private addresses."""

    def __init__(self, database: Database, tenant: Tenant) -> None:
        self.database = database
        self.tenant = tenant

    @property
    def admin(self) -> Principal:
        """Somebody who may do all of it."""
        return person(self.tenant, role=Role.ADMIN)

    async def allow_private(self) -> None:
        """Let the hub call this machine."""
        async with self.database.transaction(tenant_id=self.tenant.id) as session:
            await allow_private_addresses(
                session, principal=self.admin, is_allowed=True, now=utc_now()
            )

    async def webhook(
        self,
        url: str,
        *,
        name: str = "Chat",
        events: Sequence[WebhookEvent] = ALL_EVENTS,
        min_severity: Severity = Severity.LOW,
    ) -> Secret:
        """Make a webhook."""
        spec = WebhookSpec(name=name, url=url, events=events, min_severity=min_severity)
        destination = await look_up(url)
        async with self.database.transaction(tenant_id=self.tenant.id) as session:
            return await create_webhook(
                session,
                principal=self.admin,
                box=BOX,
                spec=spec,
                now=utc_now(),
                destination=destination,
            )

    async def open(self, fingerprint: str = "disk", **fields: Any) -> UUID:
        """Open an alert."""
        defaults: dict[str, Any] = {
            "fingerprint": fingerprint,
            "category": AlertCategory.CAPACITY,
            "severity": Severity.HIGH,
            "title": f"{fingerprint} is full",
        }
        alert = NewAlert(**(defaults | fields))
        async with self.database.transaction(tenant_id=self.tenant.id) as session:
            ids = await record_alerts(session, tenant_id=self.tenant.id, alerts=[alert])
        return ids[fingerprint]

    async def resolve(self, *fingerprints: str) -> None:
        """Resolve alerts."""
        async with self.database.transaction(tenant_id=self.tenant.id) as session:
            await resolve_alerts(
                session,
                tenant_id=self.tenant.id,
                fingerprints=fingerprints or ["disk"],
                at=utc_now(),
            )

    async def deliver(self, *, later: timedelta | None = None) -> int:
        """Send what is due; with `later`, as if so much time had passed."""
        if later is not None:
            async with self.database.transaction(tenant_id=self.tenant.id) as session:
                await session.execute(
                    update(WebhookDelivery).values(
                        next_attempt_at=col(WebhookDelivery.next_attempt_at) - later
                    )
                )
        return await deliver_due(self.database, BOX, self.tenant.id)

    async def deliveries(self) -> list[WebhookDelivery]:
        """Return all deliveries in order."""
        async with self.database.transaction(tenant_id=self.tenant.id) as session:
            return list(
                await session.scalars(
                    select(WebhookDelivery).order_by(col(WebhookDelivery.sequence))
                )
            )

    async def states(self) -> list[tuple[str, str]]:
        """Return what became of each delivery."""
        return [(one.event.wire_name, one.state.value) for one in await self.deliveries()]

    async def stored(self) -> Webhook:
        """Return the one webhook."""
        async with self.database.transaction(tenant_id=self.tenant.id) as session:
            return (await session.scalars(select(Webhook))).one()

    async def set(self, **columns: Any) -> None:
        """Change the one webhook behind its back."""
        async with self.database.transaction(tenant_id=self.tenant.id) as session:
            await session.execute(update(Webhook).values(**columns))


def ago(**length: float) -> datetime:
    """Return a moment of the past."""
    return utc_now() - timedelta(**length)
