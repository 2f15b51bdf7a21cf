"""What a tenant allows its connectors: read, changed and written to the audit trail."""

from dataclasses import asdict, dataclass, fields
from datetime import timedelta

import structlog
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from hub.audit.commands import append_events
from hub.audit.events import AuditEvent, EventType
from hub.errors import Conflict, Forbidden, InvalidInput
from hub.principal import Permission, Principal
from hub.tenancy.models import Tenant
from hub.tenancy.step_up import require_fresh_totp

LONGEST_STAY_DAYS = 365
CHANGED_MEANWHILE = "The settings were changed meanwhile. Look at them and decide again."


@dataclass(frozen=True, slots=True)
class ConnectorSettings:
    """The switches of one tenant."""

    claude_may_read: bool
    claude_may_acknowledge: bool
    strict_residency: bool
    stay_connected: bool
    stay_connected_days: int

    def needs_second_factor(self, former: "ConnectorSettings") -> bool:
        """Tell whether changing to this needs a one-time code.

        Under strict residency opening does, and so does giving that residency up, which would be
        the way around it. Closing never does: whoever must stop the flow of data is not held up.
        """
        opens = (self.claude_may_read and not former.claude_may_read) or (
            self.claude_may_acknowledge and not former.claude_may_acknowledge
        )
        is_strict = self.strict_residency or former.strict_residency
        return (is_strict and opens) or (former.strict_residency and not self.strict_residency)


async def connector_settings(session: AsyncSession) -> ConnectorSettings:
    """Return the tenant's switches. Needs `tenant_id` and nothing else."""
    columns = [col(getattr(Tenant, field.name)) for field in fields(ConnectorSettings)]
    return ConnectorSettings(*(await session.execute(select(*columns))).one())


async def change_connector_settings(
    session: AsyncSession,
    *,
    by: Principal,
    settings: ConnectorSettings,
    made_from: ConnectorSettings,
    fresh_within: timedelta,
) -> None:
    """Store the switches, and who changed what. Needs `tenant_id`.

    The row is locked before it is compared: whoever decided saw it as `made_from`, and what others
    did since is not undone by it (Conflict).
    """
    if not by.may(Permission.TENANT_MANAGE):
        raise Forbidden("Only owners and admins change the connector's settings.")
    if not 1 <= settings.stay_connected_days <= LONGEST_STAY_DAYS:
        raise InvalidInput(
            f"`stay_connected_days` must be between 1 and {LONGEST_STAY_DAYS}.",
            field="stay_connected_days",
        )
    columns = [col(getattr(Tenant, field.name)) for field in fields(ConnectorSettings)]
    locked = select(*columns).where(col(Tenant.id) == by.tenant_id).with_for_update()
    former = ConnectorSettings(*(await session.execute(locked)).one())
    if former != made_from:
        raise Conflict(CHANGED_MEANWHILE)
    if settings.needs_second_factor(former):
        require_fresh_totp(by, within=fresh_within)
    before, after = asdict(former), asdict(settings)
    changes = {name: value for name, value in after.items() if before[name] != value}
    if changes:
        await session.execute(update(Tenant).where(col(Tenant.id) == by.tenant_id).values(changes))
        await _record(session, by, changes)


async def _record(session: AsyncSession, by: Principal, changes: dict[str, bool | int]) -> None:
    event = AuditEvent(
        event_type=EventType.CONNECTOR_SETTINGS_CHANGED,
        actor=by.label,
        actor_kind=by.kind.value,
        user_id=by.user_id,
        details=dict(changes),
        request_id=structlog.contextvars.get_contextvars().get("request_id"),
    )
    await append_events(session, tenant_id=by.tenant_id, events=[event])
